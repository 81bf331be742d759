"""Limits of one key: what they are, what a decision says, and how clients are told. Pure.

A key may have a number of requests and of tokens in a minute, a number of requests at once, and a
budget for a day or a month (UTC). The minute slides: a request passes if fewer than N were let in
during the 60 seconds before it, so no 60 seconds ever hold more than N. (A minute that starts on
the clock would let 2 N through around its edge.)

Tokens are known only afterwards. A request reserves an estimate when it is let in; when it ends,
what was too much is given back to the moment of its start, and what came on top counts from its
end. So each token counts once, and it is the estimates of which no 60 seconds hold more than N.
Money is known afterwards too: a request passes while less than the budget is spent, and those that
run at that moment may go beyond it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Literal

WINDOW_SECONDS = 60.0
NANO = 10**9
"""Money is counted in whole billionths of a dollar: one token of a cheap model is about fifty."""

Period = Literal["day", "month"]


class LimitKind(StrEnum):
    """The limits, in the order in which they are looked at."""

    BUDGET = "budget"
    REQUESTS = "requests"
    TOKENS = "tokens"
    CONCURRENT = "concurrent"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one key may use; None is no limit. ValueError: a number below zero."""

    rpm: int | None = None
    tpm: int | None = None
    concurrent: int | None = None
    budget_usd: Decimal | None = None
    period: Period = "month"

    def __post_init__(self) -> None:
        for name in ("rpm", "tpm", "concurrent", "budget_usd"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise ValueError(f"{name}: expected a number of at least 0")

    @property
    def is_empty(self) -> bool:
        return (self.rpm, self.tpm, self.concurrent, self.budget_usd) == (None, None, None, None)


@dataclass(frozen=True, slots=True)
class Reservation:
    """A request that was let in, to be given back when it ends. `tokens` is the estimate."""

    id: str
    key_id: int
    at: float
    tokens: int
    limits: Limits


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a store decided, and the counts after that.

    wait      seconds until the same request could pass; infinite: never, it is too large
    *_reset   seconds until nothing is counted any more, if nobody asks again
    spent     billionths of a dollar in the period
    seeded    when the sum spent was last compared with the ledger, 0 for never (Unix seconds)
    """

    refused: LimitKind | None = None
    wait: float = 0.0
    requests: int = 0
    requests_reset: float = 0.0
    tokens: int = 0
    tokens_reset: float = 0.0
    spent: int = 0
    seeded: float = 0.0


@dataclass(frozen=True, slots=True)
class Gauge:
    """One limit, what is left of it, and the Unix seconds at which all of it is there again."""

    limit: int
    remaining: int
    reset: float


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision on one request.

    ticket       to be settled when the request ends; None: refused
    refused      which limit is in the way, and `limit` its number (for a budget: dollars)
    retry_after  whole seconds, at least 1, until the same request could pass; None: never
    message      the refusal as one sentence for the client, "" for a request that may pass
    requests, tokens   gauges of the limits that the key has
    spent_usd    of the budget, where the key has one
    """

    reservation: Reservation | None
    refused: LimitKind | None = None
    limit: int | Decimal | None = None
    retry_after: int | None = None
    message: str = ""
    requests: Gauge | None = None
    tokens: Gauge | None = None
    spent_usd: Decimal | None = None

    @property
    def is_allowed(self) -> bool:
        return self.reservation is not None

    @property
    def should_retry(self) -> bool | None:
        """False where trying again soon is of no use: 429 billing_error, or too large for ever."""
        final = self.refused is LimitKind.BUDGET or (self.refused and self.retry_after is None)
        return False if final else None


def judge(reservation: Reservation, outcome: Outcome) -> Decision:
    """The verdict on the request of this ticket."""
    limits, now = reservation.limits, reservation.at
    refused = outcome.refused
    wait = outcome.wait
    if refused is LimitKind.BUDGET:
        wait = period_end(now, limits.period) - now
    spent = Decimal(outcome.spent) / NANO
    return Decision(
        reservation=None if refused else reservation,
        refused=refused,
        limit=_limit(limits, refused),
        retry_after=max(1, math.ceil(wait)) if refused and wait < math.inf else None,
        message=_message(reservation, refused, wait == math.inf) if refused else "",
        requests=_gauge(limits.rpm, outcome.requests, now + outcome.requests_reset),
        tokens=_gauge(limits.tpm, outcome.tokens, now + outcome.tokens_reset),
        spent_usd=spent if limits.budget_usd is not None else None,
    )


def _gauge(limit: int | None, used: int, reset: float) -> Gauge | None:
    return None if limit is None else Gauge(limit, max(0, limit - used), reset)


def _limit(limits: Limits, kind: LimitKind | None) -> int | Decimal | None:
    return {
        None: None,
        LimitKind.BUDGET: limits.budget_usd,
        LimitKind.REQUESTS: limits.rpm,
        LimitKind.TOKENS: limits.tpm,
        LimitKind.CONCURRENT: limits.concurrent,
    }[kind]


def _message(reservation: Reservation, kind: LimitKind, never: bool) -> str:
    limits = reservation.limits
    if kind is LimitKind.TOKENS and never:
        return (
            f"Request of about {reservation.tokens} tokens exceeds the "
            f"{limits.tpm} tokens per minute of this key"
        )
    again = rfc3339(period_end(reservation.at, limits.period))
    return {
        LimitKind.BUDGET: f"Budget of {_dollars(limits.budget_usd)} a {limits.period} is used up, "
        f"the next one begins at {again}",
        LimitKind.REQUESTS: f"Rate limit of {limits.rpm} requests per minute exceeded",
        LimitKind.TOKENS: f"Rate limit of {limits.tpm} tokens per minute exceeded",
        LimitKind.CONCURRENT: f"Limit of {limits.concurrent} concurrent requests exceeded",
    }[kind]


def _dollars(amount: Decimal | None) -> str:
    return f"{amount or Decimal():f} USD"


def headers(decision: Decision) -> dict[str, str]:
    """The vendor's rate limit headers for any reply, and `retry-after` for a refusal."""
    told = {}
    for name, gauge in (("requests", decision.requests), ("tokens", decision.tokens)):
        if gauge is not None:
            told[f"anthropic-ratelimit-{name}-limit"] = str(gauge.limit)
            told[f"anthropic-ratelimit-{name}-remaining"] = str(gauge.remaining)
            told[f"anthropic-ratelimit-{name}-reset"] = rfc3339(gauge.reset)
    if decision.retry_after is not None:
        told["retry-after"] = str(decision.retry_after)
    return told


def rfc3339(moment: float) -> str:
    """Unix seconds, rounded up, as clients read them: 2026-03-01T12:00:00Z."""
    return datetime.fromtimestamp(math.ceil(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def billionths(cost: Decimal) -> int:
    """Dollars -> whole billionths."""
    return int((cost * NANO).to_integral_value())


# --- periods of budgets ------------------------------------------------------------------------

_NAMES: Mapping[Period, str] = {"day": "%Y-%m-%d", "month": "%Y-%m"}


def period_name(now: float, period: Period) -> str:
    """2026-03-01 or 2026-03: the period that holds this moment."""
    return datetime.fromtimestamp(now, UTC).strftime(_NAMES[period])


def period_end(now: float, period: Period) -> float:
    """The Unix seconds at which the next period begins."""
    day = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "day":
        return (day + timedelta(days=1)).timestamp()
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1).timestamp()
