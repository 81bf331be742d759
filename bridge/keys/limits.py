"""Limits of one key: what they are, what a decision says, and the headers for clients. Pure.

A key may have a number of requests and of tokens in a minute, a number of requests at once, and
quotas for longer periods: a budget in dollars, and tokens a day, a week and a month. The minute
slides: a request passes if fewer than N were let in during the 60 seconds before it, so no 60
seconds ever hold more than N. (A minute that starts on the clock would let 2 N through around its
edge.)

Tokens are known only afterwards. A request reserves an estimate when it is let in; when it ends,
what was too much is given back to the moment of its start, and what came on top counts from its
end. So each token counts once, and it is the estimates of which no 60 seconds hold more than N.

Quotas reserve an estimate too: the prompt and the answer, in tokens and at their price. A request
passes while something is left of each quota, and beside others only where its estimate fits on top
of theirs. One that runs alone passes on the last cent, for its estimate is a guess: so a quota is
used to its end, and what is used beyond it is one request, or what answers took beyond estimates.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from bridge.keys.periods import Period, period_end

WINDOW_SECONDS = 60.0
NANO = 10**9
"""Money is counted in whole billionths of a dollar: one token of a cheap model is about fifty."""


class LimitKind(StrEnum):
    """The limits, in the order in which they are looked at.

    RESERVED: something is left of a budget or quota, and requests that run have reserved it.
    """

    BUDGET = "budget"
    QUOTA = "quota"
    REQUESTS = "requests"
    TOKENS = "tokens"
    CONCURRENT = "concurrent"
    RESERVED = "reserved"


USED_UP = frozenset({LimitKind.BUDGET, LimitKind.QUOTA})
OF_QUOTAS = USED_UP | {LimitKind.RESERVED}


class QuotaUsage(NamedTuple):
    """Billionths of a dollar, and tokens of prompts and answers together."""

    cost: int = 0
    tokens: int = 0


NOTHING = QuotaUsage()


class Quota(NamedTuple):
    """How much may be used in a period: billionths of a dollar (BUDGET), or tokens (QUOTA)."""

    kind: LimitKind
    period: Period
    most: int

    def of(self, usage: QuotaUsage) -> int:
        """The amount that counts."""
        return usage.cost if self.kind is LimitKind.BUDGET else usage.tokens


@dataclass(frozen=True, slots=True)
class Limits:
    """What one key may use; None is no limit. ValueError: a number below zero.

    refuses_unpriced   models without a known price are not served, for a budget cannot count them
    quotas             budgets (US dollars), then quotas of tokens, as the stores count them
    """

    rpm: int | None = None
    tpm: int | None = None
    concurrent: int | None = None
    budget_day: Decimal | None = None
    budget_week: Decimal | None = None
    budget_month: Decimal | None = None
    budget_total: Decimal | None = None
    tokens_day: int | None = None
    tokens_week: int | None = None
    tokens_month: int | None = None
    refuses_unpriced: bool = False
    quotas: tuple[Quota, ...] = field(init=False, default=(), compare=False)

    def __post_init__(self) -> None:
        for name in _NUMBERS:
            value = getattr(self, name)
            if value is not None and value < 0:
                raise ValueError(f"{name}: expected a number of at least 0")
        object.__setattr__(self, "quotas", tuple(self._quotas()))

    def _quotas(self) -> Iterator[Quota]:
        for period in _BUDGETED:
            dollars: Decimal | None = getattr(self, f"budget_{period}")
            if dollars is not None:
                yield Quota(LimitKind.BUDGET, period, billionths(dollars))
        for period in _COUNTED:
            most: int | None = getattr(self, f"tokens_{period}")
            if most is not None:
                yield Quota(LimitKind.QUOTA, period, most)

    @property
    def periods(self) -> tuple[Period, ...]:
        """Those of the quotas, each once."""
        return tuple(dict.fromkeys(quota.period for quota in self.quotas))

    @property
    def without_rates(self) -> Limits:
        """The budget and the quotas alone."""
        return replace(self, rpm=None, tpm=None, concurrent=None)

    @property
    def is_empty(self) -> bool:
        return not self.quotas and (self.rpm, self.tpm, self.concurrent) == (None, None, None)


_BUDGETED: tuple[Period, ...] = ("day", "week", "month", "total")
_COUNTED: tuple[Period, ...] = ("day", "week", "month")
_NUMBERS = (
    "rpm",
    "tpm",
    "concurrent",
    *(f"budget_{period}" for period in _BUDGETED),
    *(f"tokens_{period}" for period in _COUNTED),
)


@dataclass(frozen=True, slots=True)
class Reservation:
    """A request that was let in, to be given back when it ends.

    tokens    the prompt's estimate, for the minute
    whole     what prompt and answer may use and cost, for the quotas
    """

    id: str
    key_id: int
    at: float
    tokens: int
    limits: Limits
    whole: QuotaUsage = NOTHING


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a store decided, and the counts after that.

    quota     that is in the way, by its place among the limits' quotas
    wait      seconds until the same request could pass; infinite: never, it is too large
    *_reset   seconds until nothing is counted any more, if nobody asks again
    used      in each of the limits' periods
    seeded    when the sums used were last compared with the ledger, 0 for never (Unix seconds)
    """

    refused: LimitKind | None = None
    quota: int = 0
    wait: float = 0.0
    requests: int = 0
    requests_reset: float = 0.0
    tokens: int = 0
    tokens_reset: float = 0.0
    used: tuple[QuotaUsage, ...] = ()
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
        """False where trying again soon is of no use: used up, or too large for ever."""
        final = self.refused in USED_UP or (self.refused and self.retry_after is None)
        return False if final else None


def judge(reservation: Reservation, outcome: Outcome) -> Decision:
    """The decision on the request of this reservation."""
    limits, now = reservation.limits, reservation.at
    refused = outcome.refused
    quota = limits.quotas[outcome.quota] if refused in OF_QUOTAS else None
    wait = outcome.wait
    if refused in USED_UP and quota is not None:
        wait = period_end(now, quota.period) - now
    return Decision(
        reservation=None if refused else reservation,
        refused=refused,
        limit=_limit(limits, refused, quota),
        retry_after=max(1, math.ceil(wait)) if refused and wait < math.inf else None,
        message=_message(reservation, refused, quota, wait == math.inf) if refused else "",
        requests=_gauge(limits.rpm, outcome.requests, now + outcome.requests_reset),
        tokens=_gauge(limits.tpm, outcome.tokens, now + outcome.tokens_reset),
        spent_usd=_spent(limits, outcome),
    )


def _spent(limits: Limits, outcome: Outcome) -> Decimal | None:
    budget = next((each for each in limits.quotas if each.kind is LimitKind.BUDGET), None)
    if budget is None:
        return None
    used = dict(zip(limits.periods, outcome.used, strict=False))
    return Decimal(used.get(budget.period, NOTHING).cost) / NANO


def _gauge(limit: int | None, used: int, reset: float) -> Gauge | None:
    return None if limit is None else Gauge(limit, max(0, limit - used), reset)


def _limit(limits: Limits, kind: LimitKind | None, quota: Quota | None) -> int | Decimal | None:
    if quota is not None:
        return Decimal(quota.most) / NANO if quota.kind is LimitKind.BUDGET else quota.most
    return {
        None: None,
        LimitKind.REQUESTS: limits.rpm,
        LimitKind.TOKENS: limits.tpm,
        LimitKind.CONCURRENT: limits.concurrent,
    }[kind]


def _message(reservation: Reservation, kind: LimitKind, quota: Quota | None, never: bool) -> str:
    limits = reservation.limits
    if quota is not None:
        return _quota_message(reservation, kind, quota)
    if kind is LimitKind.TOKENS and never:
        return (
            f"Request of about {reservation.tokens} tokens exceeds the "
            f"{limits.tpm} tokens per minute of this key"
        )
    return {
        LimitKind.REQUESTS: f"Rate limit of {limits.rpm} requests per minute exceeded",
        LimitKind.TOKENS: f"Rate limit of {limits.tpm} tokens per minute exceeded",
        LimitKind.CONCURRENT: f"Limit of {limits.concurrent} concurrent requests exceeded",
    }[kind]


def _quota_message(reservation: Reservation, kind: LimitKind, quota: Quota) -> str:
    name = quota_name(quota)
    if kind is LimitKind.RESERVED:
        return f"What is left of the {name[0].lower()}{name[1:]} is reserved by running requests"
    end = period_end(reservation.at, quota.period)
    again = f", the next one begins at {rfc3339(end)}" if end < math.inf else ""
    return f"{name} is used up{again}"


def quota_name(quota: Quota) -> str:
    """Budget of 20.00 USD a month; Quota of 50000 tokens a day."""
    a_period = "in all" if quota.period == "total" else f"a {quota.period}"
    if quota.kind is LimitKind.BUDGET:
        return f"Budget of {dollars(Decimal(quota.most) / NANO)} {a_period}"
    return f"Quota of {quota.most} tokens {a_period}"


def dollars(amount: Decimal) -> str:
    """With cents, and more places only where they say something: 20.00 USD, 0.0125 USD."""
    whole, _, places = f"{amount:f}".partition(".")
    return f"{whole}.{places.rstrip('0'):0<2} USD"


def headers(decision: Decision) -> dict[str, str]:
    """The vendor's rate limit headers for any reply, and `retry-after` for a refusal."""
    lines = {}
    for name, gauge in (("requests", decision.requests), ("tokens", decision.tokens)):
        if gauge is not None:
            lines[f"anthropic-ratelimit-{name}-limit"] = str(gauge.limit)
            lines[f"anthropic-ratelimit-{name}-remaining"] = str(gauge.remaining)
            lines[f"anthropic-ratelimit-{name}-reset"] = rfc3339(gauge.reset)
    if decision.retry_after is not None:
        lines["retry-after"] = str(decision.retry_after)
    return lines


def rfc3339(moment: float) -> str:
    """Unix seconds, rounded up, as clients read them: 2026-03-01T12:00:00Z."""
    return datetime.fromtimestamp(math.ceil(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def billionths(cost: Decimal) -> int:
    """Dollars -> whole billionths."""
    return int((cost * NANO).to_integral_value())
