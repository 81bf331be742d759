"""What became of a request before the limits of its accounts, in words and headers. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from bridge.keys.limits import (
    NANO,
    OF_QUOTAS,
    USED_UP,
    Account,
    AccountKind,
    Counts,
    LimitKind,
    Outcome,
    Quota,
    Reservation,
)
from bridge.keys.periods import period_end

UNDECIDED = Outcome()


@dataclass(frozen=True, slots=True)
class Gauge:
    """One limit, what is left of it, and the Unix seconds at which all of it is there again."""

    limit: int
    remaining: int
    reset: float


@dataclass(frozen=True, slots=True)
class QuotaState:
    """How much of one quota of one account is used.

    used, and `quota.most`   billionths of a dollar for a budget, else tokens
    reset                    Unix seconds at which the next period begins; infinite for never
    """

    account: Account
    quota: Quota
    used: int
    reset: float

    @property
    def share(self) -> float:
        """The part that is used; 1 and more when nothing is left."""
        return self.used / self.quota.most if self.quota.most else 1.0


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision on one request.

    reservation  to be settled when the request ends; None: refused
    refused      which limit is in the way, and `limit` its number (for a budget: dollars)
    account      whose limit that is
    retry_after  whole seconds, at least 1, until the same request could pass; None: never
    message      the refusal as one sentence for the client, "" for a request that may pass
    requests, tokens   the tightest gauges of the limits that the accounts have
    wanted, outcome  the reservation that the request wants, and what the store decided
    """

    reservation: Reservation | None
    refused: LimitKind | None = None
    account: Account | None = None
    limit: int | Decimal | None = None
    retry_after: int | None = None
    message: str = ""
    requests: Gauge | None = None
    tokens: Gauge | None = None
    wanted: Reservation | None = None
    outcome: Outcome = UNDECIDED

    @property
    def is_allowed(self) -> bool:
        return self.reservation is not None

    @property
    def should_retry(self) -> bool | None:
        """False where trying again soon is of no use: used up, or too large for ever."""
        final = self.refused in USED_UP or (self.refused and self.retry_after is None)
        return False if final else None

    @property
    def quotas(self) -> tuple[QuotaState, ...]:
        """All budgets and quotas of tokens, as they were when this was decided."""
        return tuple(_quota_states(self.wanted, self.outcome)) if self.wanted else ()

    @property
    def budgets(self) -> tuple[QuotaState, ...]:
        """The budgets in dollars, of all accounts. Those whose period ends last come first."""
        return budgets_of(self.quotas)

    @property
    def budget(self) -> QuotaState | None:
        """The budget that clients are shown: the one in the way, else the fullest; None for none.

        Of several that are used up that is the one that begins anew last.
        """
        return fullest(self.budgets)


def judge(reservation: Reservation, outcome: Outcome) -> Decision:
    """The decision on the request of this reservation."""
    refused, wait, now = outcome.refused, outcome.wait, reservation.at
    quota = reservation.quotas[outcome.quota].quota if refused in OF_QUOTAS else None
    account = reservation.accounts[outcome.account] if refused else None
    if refused in USED_UP and quota is not None:
        wait = period_end(now, quota.period) - now
    message = ""
    if refused and account is not None:
        message = _message(reservation, account, refused, quota, wait == math.inf)
    return Decision(
        reservation=None if refused else reservation,
        refused=refused,
        account=account,
        limit=_limit(account, refused, quota),
        retry_after=max(1, math.ceil(wait)) if refused and wait < math.inf else None,
        message=message,
        requests=_tightest(_request_gauges(reservation, outcome)),
        tokens=_tightest(_token_gauges(reservation, outcome)),
        wanted=reservation,
        outcome=outcome,
    )


# --- how much is left -------------------------------------------------------------------------


def quota_states(
    accounts: tuple[Account, ...], counts: tuple[Counts, ...], now: float
) -> tuple[QuotaState, ...]:
    """All quotas of these accounts by their counts, in the same order."""
    return tuple(_quota_states(Reservation("", accounts, now, 0), Outcome(counts=counts)))


def budgets_of(quotas: Iterable[QuotaState]) -> tuple[QuotaState, ...]:
    return tuple(each for each in quotas if each.quota.kind is LimitKind.BUDGET)


def fullest(budgets: Sequence[QuotaState]) -> QuotaState | None:
    """The one with the largest share, as far as it goes: of those used up the first."""
    return max(budgets, key=lambda each: min(each.share, 1.0), default=None)


def _request_gauges(reservation: Reservation, outcome: Outcome) -> Iterator[Gauge]:
    for account, counts in zip(reservation.accounts, outcome.counts, strict=False):
        if (most := account.limits.rpm) is not None:
            left = max(0, most - counts.requests)
            yield Gauge(most, left, reservation.at + counts.requests_reset)


def _token_gauges(reservation: Reservation, outcome: Outcome) -> Iterator[Gauge]:
    for account, counts in zip(reservation.accounts, outcome.counts, strict=False):
        if (most := account.limits.tpm) is not None:
            left = max(0, most - counts.tokens)
            yield Gauge(most, left, reservation.at + counts.tokens_reset)


def _tightest(gauges: Iterable[Gauge]) -> Gauge | None:
    """The one with the least left; of equals the one that takes longer."""
    return min(gauges, key=lambda gauge: (gauge.remaining, -gauge.reset), default=None)


def _quota_states(reservation: Reservation, outcome: Outcome) -> Iterator[QuotaState]:
    if not outcome.counts:
        return
    for place, quota in reservation.quotas:
        account = reservation.accounts[place]
        used = outcome.counts[place].used[account.limits.periods.index(quota.period)]
        yield QuotaState(account, quota, quota.of(used), period_end(reservation.at, quota.period))


# --- words ------------------------------------------------------------------------------------


def _limit(
    account: Account | None, kind: LimitKind | None, quota: Quota | None
) -> int | Decimal | None:
    if quota is not None:
        return Decimal(quota.most) / NANO if quota.kind is LimitKind.BUDGET else quota.most
    if account is None:
        return None
    return {
        LimitKind.REQUESTS: account.limits.rpm,
        LimitKind.TOKENS: account.limits.tpm,
        LimitKind.CONCURRENT: account.limits.concurrent,
    }.get(kind or LimitKind.REQUESTS)


def _message(
    reservation: Reservation, account: Account, kind: LimitKind, quota: Quota | None, never: bool
) -> str:
    limits = account.limits
    if quota is not None:
        return _quota_message(reservation, account, kind, quota)
    if kind is LimitKind.TOKENS and never:
        whose = holder(account) or "this key"
        return (
            f"Request of about {reservation.tokens} tokens exceeds the "
            f"{limits.tpm} tokens per minute of {whose}"
        )
    what, amount = {
        LimitKind.REQUESTS: ("Rate limit", f"{limits.rpm} requests per minute"),
        LimitKind.TOKENS: ("Rate limit", f"{limits.tpm} tokens per minute"),
        LimitKind.CONCURRENT: ("Limit", f"{limits.concurrent} concurrent requests"),
    }[kind]
    return f"{_named(what, amount, account)} exceeded"


def _quota_message(
    reservation: Reservation, account: Account, kind: LimitKind, quota: Quota
) -> str:
    name = quota_name(quota, account)
    if kind is LimitKind.RESERVED:
        return f"What is left of the {name[0].lower()}{name[1:]} is reserved by running requests"
    end = period_end(reservation.at, quota.period)
    again = f", the next one begins at {rfc3339(end)}" if end < math.inf else ""
    return f"{name} is used up{again}"


def quota_name(quota: Quota, account: Account) -> str:
    """Budget of 20.00 USD a month; Quota of team blue (50000 tokens a day)."""
    a_period = "in all" if quota.period == "total" else f"a {quota.period}"
    if quota.kind is LimitKind.BUDGET:
        return _named("Budget", f"{dollars(Decimal(quota.most) / NANO)} {a_period}", account)
    return _named("Quota", f"{quota.most} tokens {a_period}", account)


def _named(what: str, amount: str, account: Account) -> str:
    whose = holder(account)
    return f"{what} of {whose} ({amount})" if whose else f"{what} of {amount}"


def holder(account: Account) -> str:
    """team blue, or person ann; "" for the key itself, whose limits its holder knows."""
    kind, name = account.ref.kind, account.name
    return f"{kind} {name}" if kind in (AccountKind.PERSON, AccountKind.TEAM) else ""


def dollars(amount: Decimal) -> str:
    """With cents, and more places only where they say something: 20.00 USD, 0.0125 USD."""
    whole, _, places = f"{amount:f}".partition(".")
    return f"{whole}.{places.rstrip('0'):0<2} USD"


# --- headers ----------------------------------------------------------------------------------


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
