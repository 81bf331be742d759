"""Do the counters of quotas agree with the ledger? Only those in Redis outlive a process.

A request is counted the moment it ends and is a row about a second later. So what differs is looked
at again after a pause, and what waits in a spool is printed beside the result.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from bridge.cluster import redis as redis_connection
from bridge.keys import redis_limiter
from bridge.keys.limits import Account, AccountKind, AccountRef, LimitKind, Quota, QuotaUsage
from bridge.keys.periods import Period
from bridge.ledger import spending
from bridge.ledger.pricing import usd
from bridge.models import ApiKey, PersonLimits, Team

PAUSE_SECONDS = 3.0


def differences(pause: Callable[[float], None] = time.sleep) -> list[str]:
    """Each account whose use is counted otherwise than the ledger sums it, as one sentence.

    Needs REDIS_URL. Raises the errors of the Redis client.
    """
    with redis_connection.connect() as redis:
        suspects = [each for each in accounts() if any(_differences(redis, each))]
        if suspects:
            pause(PAUSE_SECONDS)
        return [difference for each in suspects for difference in _differences(redis, each)]


def accounts() -> Iterator[Account]:
    """All keys, people and teams with limits."""
    for key in ApiKey.objects.all():
        yield Account(AccountRef(AccountKind.KEY, key.pk), key.name, key.limits())
    for row in PersonLimits.objects.select_related("user"):
        yield Account(AccountRef(AccountKind.PERSON, row.user_id), row.username, row.limits())
    for team in Team.objects.all():
        yield Account(AccountRef(AccountKind.TEAM, team.pk), team.name, team.limits())


def _differences(redis: redis_connection.Client, account: Account) -> Iterator[str]:
    ref, name, limits = account.ref, account.name, account.limits
    for period in limits.periods:
        counted = _counted(redis, ref, period)
        known = spending.used_now([ref], period).get(ref, QuotaUsage())
        if counted is None:
            continue
        for quota in limits.quotas:
            if quota.period == period and quota.of(counted) != quota.of(known):
                yield f"{ref.kind} {name}: {_told(quota, counted, known)}"


def _told(quota: Quota, counted: QuotaUsage, known: QuotaUsage) -> str:
    when = "in all" if quota.period == "total" else f"this {quota.period}"
    if quota.kind is LimitKind.BUDGET:
        mine, theirs = f"{usd(counted.cost):f} USD", f"{usd(known.cost):f} USD"
    else:
        mine, theirs = f"{counted.tokens} tokens", f"{known.tokens} tokens"
    return f"{mine} counted {when}, {theirs} in the ledger"


def _counted(redis: redis_connection.Client, ref: AccountRef, period: Period) -> QuotaUsage | None:
    """What Redis has counted, None where it has not been asked yet."""
    name = redis_limiter.usage_key(ref, period, time.time())
    answer: Any = redis.hmget(name, ["spent", "used"])
    spent, used = answer
    return None if spent is None else QuotaUsage(int(spent), int(used or 0))
