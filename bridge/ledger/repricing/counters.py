"""Counters of budgets in Redis after requests got another cost.

What a process counts for itself it compares with the ledger every few minutes. A counter only ever
rises within its period: what became cheaper counts for limits from the next period on.
"""

from __future__ import annotations

import time
from typing import Any

from bridge.cluster import redis as redis_connection
from bridge.keys import redis_limiter
from bridge.keys.limits import QuotaUsage
from bridge.ledger import counter_audit, spending


def raise_counters() -> None:
    """Count at least what the ledger knows. Needs REDIS_URL. Raises the errors of its client, and
    django.db.Error."""
    script, now = redis_limiter.script_text("seed"), time.time()
    with redis_connection.connect() as client:
        redis: Any = client
        for account in counter_audit.accounts():
            for period in account.limits.periods:
                key = redis_limiter.usage_key(account.ref, period, now)
                if redis.exists(key):  # else it is read from the ledger with the first request
                    known = spending.used_now([account.ref], period).get(account.ref, QuotaUsage())
                    kept = redis_limiter.kept_seconds(period, now)
                    redis.eval(script, 1, key, *known, now, kept)
