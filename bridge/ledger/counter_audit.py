"""Do the counters of budgets agree with the ledger? Only those in Redis outlive a process.

A request is counted the moment it ends and is a row about a second later. So what differs is looked
at again after a pause, and what waits in a spool is told beside the result.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal

from django.conf import settings

from bridge.cluster import redis as redis_connection
from bridge.keys import redis_limiter
from bridge.keys.limits import Period
from bridge.ledger import spending
from bridge.ledger.pricing import usd
from bridge.models import ApiKey

PAUSE_SECONDS = 3.0
_PERIODS: dict[str, Period] = {"day": "day", "month": "month"}


def differences(pause: Callable[[float], None] = time.sleep) -> list[str]:
    """Each key whose spending is counted otherwise than the ledger sums it, as one sentence.

    Nothing without REDIS_URL. Raises the errors of the Redis client.
    """
    if not settings.REDIS_URL:
        return []
    keys = list(ApiKey.objects.exclude(budget_usd=None))
    suspects = [key for key in keys if _difference(key)]
    if suspects:
        pause(PAUSE_SECONDS)
    return [told for key in suspects if (told := _difference(key))]


def _difference(key: ApiKey) -> str:
    period = _PERIODS[key.period]
    counted = _counted(key.pk, period)
    spent = spending.spent_now(key.pk, period)
    if counted is None or counted == spent:
        return ""
    return f"key {key.name}: {counted:f} USD counted this {period}, {spent:f} USD in the ledger"


def _counted(key_id: int, period: Period) -> Decimal | None:
    """What Redis has counted, None where it has not been asked yet."""
    with redis_connection.connect() as redis:
        answer = redis.hget(redis_limiter.spending_key(key_id, period, time.time()), "spent")
    return None if answer is None else usd(int(answer))
