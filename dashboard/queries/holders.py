"""What one key used, for its holder."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Count, F, Q, Sum

from bridge.keys.limits import Quota
from bridge.keys.periods import period_end
from bridge.models import ApiKey, PersonLimits, UsageRecord
from bridge.models.people.limit_columns import LimitColumns
from dashboard.queries import keys

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Left:
    """One limit: `used` of `most`.

    until   when it begins anew, None for limits that slide along or never do
    """

    used: int
    most: int
    until: datetime | None = None

    @property
    def left(self) -> int:
        return max(0, self.most - self.used)


def quotas(row: ApiKey, now: datetime) -> list[tuple[Quota, Left]]:
    """The budget, in billionths of a dollar, and the quotas of tokens. At most one query."""
    found = keys.quotas({row.pk: row}, now).get(row.pk, [])
    return [(quota, Left(int(m.used), quota.most, _until(quota, now))) for quota, m in found]


@dataclass(frozen=True, slots=True)
class SharedQuota:
    """A budget or quota of the key's person or team. `holder`: whose, in words."""

    holder: str
    quota: Quota
    left: Left


def shared_quotas(row: ApiKey, now: datetime) -> list[SharedQuota]:
    """What the key shares with other keys of its person and its team. At most five queries."""
    found: list[SharedQuota] = []
    person = PersonLimits.objects.filter(user=row.person_id).first() if row.person_id else None
    if person is not None:
        found += _shared("all your keys", "person_id", person.user_id, person, now)
    if (team := row.counted_team()) is not None:
        found += _shared(f"team {team.name}", "team_id", team.pk, team, now)
    return found


def _shared(
    holder: str, column: str, number: int, row: LimitColumns, now: datetime
) -> list[SharedQuota]:
    meters = keys.metered(column, {number: row.limits()}, now).get(number, [])
    return [
        SharedQuota(holder, quota, Left(int(meter.used), quota.most, _until(quota, now)))
        for quota, meter in meters
    ]


def _until(quota: Quota, now: datetime) -> datetime | None:
    end = period_end(now.timestamp(), quota.period)
    return None if math.isinf(end) else datetime.fromtimestamp(end, UTC)


@dataclass(frozen=True, slots=True)
class LastMinute:
    requests: int = 0
    tokens: int = 0


def last_minute(row: ApiKey, now: datetime) -> LastMinute:
    """What was let in during the last minute and has ended. At most one query."""
    if row.rpm is None and row.tpm is None:
        return LastMinute()
    asked = Q(key_id=row.pk, fingerprint="", time__gte=now - MINUTE, attempts__gt=0)
    tokens = (
        F("input_tokens") + F("cache_read_tokens") + F("cache_write_tokens") + F("output_tokens")
    )
    counts = UsageRecord.objects.filter(asked).aggregate(count=Count("pk"), tokens=Sum(tokens))
    return LastMinute(counts["count"], counts["tokens"] or 0)
