"""What a key has spent in the current day or month, by the ledger's own sums."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from channels.db import database_sync_to_async
from django.db.models import Sum

from bridge.keys.limits import Period
from bridge.ledger.pricing import usd
from bridge.models import UsageHour


def spent_now(key_id: int, period: Period) -> Decimal:
    """US dollars since the period began (UTC), for threads. Raises django.db.Error."""
    begin = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "month":
        begin = begin.replace(day=1)
    hours = UsageHour.objects.filter(key_id=key_id, hour__gte=begin)
    return usd(hours.aggregate(sum=Sum("cost_nano_usd"))["sum"] or 0)


async def spent(key_id: int, period: Period) -> Decimal:
    """The same, for the event loop."""
    answer: Decimal = await database_sync_to_async(spent_now)(key_id, period)
    return answer
