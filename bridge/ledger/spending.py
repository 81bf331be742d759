"""What accounts have used in the current day, week or month, or ever, by the ledger's own sums.

An account is a key, a person or a team: what counted for it when it was used.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from itertools import islice

from channels.db import database_sync_to_async
from django.db.models import F, Sum

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
_TOKENS = F("input_tokens") + F("cache_read_tokens") + F("cache_write_tokens") + F("output_tokens")


def used_now(accounts: Collection[AccountRef], period: Period) -> dict[AccountRef, QuotaUsage]:
    """Since the period began (UTC), for threads. Accounts that used nothing are not in it.

    Raises django.db.Error.
    """
    begin = period_begin(time.time(), period)
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
    answer: dict[AccountRef, QuotaUsage] = await database_sync_to_async(used_now)(accounts, period)
    return answer
