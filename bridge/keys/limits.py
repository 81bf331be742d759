"""Limits of keys, people and teams: what they are, and what the stores count. Pure.

A request is counted for each of its accounts: the key, its person, its team. Each may have a number
of requests and of tokens in a minute, a number of requests at once, and quotas for longer periods:
budgets in dollars, and tokens a day, a week and a month. A request passes where no limit of any
account is in the way, and is then counted for all of them.

The minute slides: a request passes if fewer than N were let in during the 60 seconds before it, so
no 60 seconds ever hold more than N. (A minute that starts on the clock would let 2 N through around
its edge.)

Tokens are known only afterwards. A request reserves an estimate when it is let in; when it ends,
what was too much is given back to the moment of its start, and what came on top counts from its
end. So each token counts once, and it is the estimates of which no 60 seconds hold more than N.

Quotas reserve an estimate too: the prompt and the answer, in tokens and at their price. A request
passes while something is left of each quota, and beside others only where its estimate fits on top
of theirs. One that runs alone passes on the last cent, for its estimate is a guess: so a quota is
used to its end, and what is used beyond it is one request, or what answers took beyond estimates.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from bridge.keys.periods import Period, period_end

WINDOW_SECONDS = 60.0
NANO = 10**9
"""Money is counted in whole billionths of a dollar: one token of a cheap model is about fifty."""


class LimitKind(StrEnum):
    """The limits. What is used up is looked at first, then the minute, then what is in use.

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
    """What one account may use; None is no limit. ValueError: a number below zero.

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


class AccountKind(StrEnum):
    """Whose use is counted. COUNTING: of requests that count tokens, beside all others."""

    KEY = "key"
    PERSON = "person"
    TEAM = "team"
    COUNTING = "counting"


class AccountRef(NamedTuple):
    """Which account: the kind, and the number of its row."""

    kind: AccountKind
    id: int


@dataclass(frozen=True, slots=True)
class Account:
    """A key, a person or a team, and what all its requests may use together."""

    ref: AccountRef
    name: str
    limits: Limits

    @property
    def without_rates(self) -> Account:
        """With its budgets and quotas alone."""
        return replace(self, limits=self.limits.without_rates)


class AccountQuota(NamedTuple):
    """One of the quotas of one of a request's accounts, by the account's place."""

    account: int
    quota: Quota


@dataclass(frozen=True, slots=True)
class Reservation:
    """A request that was let in, to be given back when it ends.

    tokens    the prompt's estimate, for the minute
    whole     what prompt and answer may use and cost, for the quotas
    quotas    of all accounts. Those whose period ends last come first: of several that are used up
              it is the first that a client has to wait for
    """

    id: str
    accounts: tuple[Account, ...]
    at: float
    tokens: int
    whole: QuotaUsage = NOTHING
    quotas: tuple[AccountQuota, ...] = field(init=False, default=(), compare=False)

    def __post_init__(self) -> None:
        found = [
            AccountQuota(place, quota)
            for place, account in enumerate(self.accounts)
            for quota in account.limits.quotas
        ]
        if len(found) > 1:
            ends = {each.quota.period: period_end(self.at, each.quota.period) for each in found}
            found.sort(key=lambda each: -ends[each.quota.period])
        object.__setattr__(self, "quotas", tuple(found))


@dataclass(frozen=True, slots=True)
class Counts:
    """The counts of one account after a decision.

    *_reset   seconds until nothing is counted any more, if nobody asks again
    used      in each of the limits' periods
    seeded    when the sums used were last compared with the ledger, 0 for never (Unix seconds)
    """

    requests: int = 0
    requests_reset: float = 0.0
    tokens: int = 0
    tokens_reset: float = 0.0
    used: tuple[QuotaUsage, ...] = ()
    seeded: float = 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a store decided, and the counts of each account after that.

    account   whose limit is in the way, by its place
    quota     that is in the way, by its place among the reservation's quotas
    wait      seconds until the same request could pass; infinite: never, it is too large
    """

    refused: LimitKind | None = None
    account: int = 0
    quota: int = 0
    wait: float = 0.0
    counts: tuple[Counts, ...] = ()


def billionths(cost: Decimal) -> int:
    """Dollars -> whole billionths."""
    return int((cost * NANO).to_integral_value())
