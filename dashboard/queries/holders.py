"""What one key used, for its holder."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Count, F, Q, Sum

from bridge.models import ApiKey, UsageHour, UsageRecord
from bridge.models.keys import Period

MINUTE = timedelta(minutes=1)
NANO = 10**9


@dataclass(frozen=True, slots=True)
class Left:
    """One limit: `used` of `most`.

    until   when it begins anew, None for limits that slide along
    """

    used: int
    most: int
    until: datetime | None = None

    @property
    def left(self) -> int:
        return max(0, self.most - self.used)


def budget(row: ApiKey, now: datetime) -> Left | None:
    """Billionths of a dollar in the running day or month of UTC. At most one query."""
    if row.budget_usd is None:
        return None
    begin, until = _period(row, now)
    hours = UsageHour.objects.filter(key_id=row.pk, fingerprint="", hour__gte=begin)
    spent = hours.aggregate(sum=Sum("cost_nano_usd"))["sum"] or 0
    return Left(spent, int(row.budget_usd * NANO), until)


def _period(row: ApiKey, now: datetime) -> tuple[datetime, datetime]:
    day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if row.period == Period.DAY:
        return day, day + timedelta(days=1)
    first = day.replace(day=1)
    return first, (first + timedelta(days=32)).replace(day=1)


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
    told = UsageRecord.objects.filter(asked).aggregate(count=Count("pk"), tokens=Sum(tokens))
    return LastMinute(told["count"], told["tokens"] or 0)
