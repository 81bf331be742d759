"""What accounts have used in the current day, week or month, or ever, by the ledger's own sums.

An account is a key, a person or a team: what counted for it when it was used. A forwarded key is
known by its fingerprint alone.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import islice

from django.db.models import F, Q, Sum

from bridge.database_steps import in_database
from bridge.keys.limits import AccountKind, AccountRef, QuotaUsage
from bridge.keys.periods import Period, period_begin
from bridge.models import UsageHour

AT_ONCE = 500
"""Accounts in one query."""
COLUMNS = {
    AccountKind.KEY: "key_id",
    AccountKind.PERSON: "person_id",
    AccountKind.TEAM: "team_id",
}
"""Kind of account -> the column that says whose use it was."""
SHOWN: tuple[Period, ...] = ("day", "week", "month")
_TOKENS = F("input_tokens") + F("cache_read_tokens") + F("cache_write_tokens") + F("output_tokens")


def used_now(
    accounts: Collection[AccountRef], period: Period, now: float | None = None
) -> dict[AccountRef, QuotaUsage]:
    """Since the period began (UTC), for threads. Accounts that used nothing are not in it.

    `now`: Unix seconds, if not those of this moment. Raises django.db.Error.
    """
    begin = period_begin(time.time() if now is None else now, period)
    hours = UsageHour.objects.all() if begin is None else UsageHour.objects.filter(hour__gte=begin)
    found: dict[AccountRef, QuotaUsage] = {}
    for kind, column in COLUMNS.items():
        rest = iter([ref.id for ref in accounts if ref.kind is kind])
        while some := list(islice(rest, AT_ONCE)):
            sums = hours.filter(**{f"{column}__in": some}).order_by().values_list(column)
            for id, cost, tokens in sums.annotate(Sum("cost_nano_usd"), _tokens=Sum(_TOKENS)):
                found[AccountRef(kind, id)] = QuotaUsage(int(cost), int(tokens))
    return found


async def used(accounts: Collection[AccountRef], period: Period) -> Mapping[AccountRef, QuotaUsage]:
    """The same, for the event loop."""
    answer: dict[AccountRef, QuotaUsage] = await in_database(used_now)(accounts, period)
    return answer


# --- of callers without a budget --------------------------------------------------------------

Spender = AccountRef | str
"""An account, or the fingerprint of a forwarded key."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Billionths of a dollar in the day, the week and the month of the moment (UTC)."""

    day: int = 0
    week: int = 0
    month: int = 0


def spent_now(spender: Spender) -> Spent:
    """For threads. Raises django.db.Error."""
    begins = {period: period_begin(time.time(), period) for period in SHOWN}
    if isinstance(spender, str):
        hours = UsageHour.objects.filter(key_id=0, fingerprint=spender)
    else:
        hours = UsageHour.objects.filter(**{COLUMNS[spender.kind]: spender.id})
    sums = {
        period: Sum("cost_nano_usd", filter=Q(hour__gte=begin), default=0)
        for period, begin in begins.items()
    }
    first = min(begin for begin in begins.values() if begin is not None)
    return Spent(
        **{name: int(n) for name, n in hours.filter(hour__gte=first).aggregate(**sums).items()}
    )
