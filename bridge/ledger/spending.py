"""What keys have used in the current day, week or month, or ever, by the ledger's own sums."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from itertools import islice

from channels.db import database_sync_to_async
from django.db.models import F, Sum

from bridge.keys.limits import QuotaUsage
from bridge.keys.periods import Period, period_begin
from bridge.models import UsageHour

AT_ONCE = 500
"""Keys in one query."""
_TOKENS = F("input_tokens") + F("cache_read_tokens") + F("cache_write_tokens") + F("output_tokens")


def used_now(keys: Collection[int], period: Period) -> dict[int, QuotaUsage]:
    """Since the period began (UTC), for threads. Keys that used nothing are not in it.

    Raises django.db.Error.
    """
    begin = period_begin(time.time(), period)
    hours = UsageHour.objects.all() if begin is None else UsageHour.objects.filter(hour__gte=begin)
    found: dict[int, QuotaUsage] = {}
    rest = iter(keys)
    while some := list(islice(rest, AT_ONCE)):
        sums = hours.filter(key_id__in=some).order_by().values("key_id")
        for row in sums.annotate(cost=Sum("cost_nano_usd"), tokens=Sum(_TOKENS)):
            found[row["key_id"]] = QuotaUsage(int(row["cost"]), int(row["tokens"]))
    return found


async def used(keys: Collection[int], period: Period) -> Mapping[int, QuotaUsage]:
    """The same, for the event loop."""
    answer: dict[int, QuotaUsage] = await database_sync_to_async(used_now)(keys, period)
    return answer
