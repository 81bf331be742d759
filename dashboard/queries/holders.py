"""What is left of the limits that hold for a key or a person."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Count, F, Q, Sum

from bridge.keys.limits import Limits, Quota
from bridge.keys.periods import period_end
from bridge.models import ApiKey, PersonLimits, Team, UsageRecord
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


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose limits they are: a key, a person or a team.

    column   its column in the ledger, and `number` what stands there
    words    whose they are, for a title; "" for those of the key that is looked at
    """

    column: str
    number: int
    row: LimitColumns
    words: str = ""


@dataclass(frozen=True, slots=True)
class HeldQuota:
    """A budget or quota of a holder."""

    holder: Holder
    quota: Quota
    left: Left


def of_key(row: ApiKey) -> list[Holder]:
    """Whose limits hold for a key. At most three queries."""
    found = [Holder("key_id", row.pk, row)]
    if row.person_id is not None:
        found += _of_person(row.person_id)
    if (team := row.counted_team()) is not None:
        found.append(_of_team(team))
    return found


def of_person(person: int, keys: Iterable[ApiKey], teams: Iterable[Team]) -> list[Holder]:
    """Whose limits hold for a person with these keys. One query."""
    own = (Holder("key_id", row.pk, row, f"key {row.name}") for row in keys if row.state == "good")
    return [*_of_person(person), *map(_of_team, teams), *own]


def _of_person(person: int) -> list[Holder]:
    rows = PersonLimits.objects.filter(user=person)
    return [Holder("person_id", person, row, "all your keys") for row in rows]


def _of_team(team: Team) -> Holder:
    return Holder("team_id", team.pk, team, f"team {team.name}")


def quotas(holders: Sequence[Holder], now: datetime) -> list[HeldQuota]:
    """Budgets, in billionths of a dollar, and quotas of tokens. At most one query for each kind of
    holder."""
    limits: dict[str, dict[int, Limits]] = {}
    for holder in holders:
        limits.setdefault(holder.column, {})[holder.number] = holder.row.limits()
    meters = {column: keys.metered(column, rows, now) for column, rows in limits.items()}
    return [
        HeldQuota(holder, quota, Left(int(meter.used), quota.most, _until(quota, now)))
        for holder in holders
        for quota, meter in meters[holder.column].get(holder.number, ())
    ]


def _until(quota: Quota, now: datetime) -> datetime | None:
    end = period_end(now.timestamp(), quota.period)
    return None if math.isinf(end) else datetime.fromtimestamp(end, UTC)


@dataclass(frozen=True, slots=True)
class LastMinute:
    requests: int = 0
    tokens: int = 0


def last_minute(holder: Holder, now: datetime) -> LastMinute:
    """What was let in during the last minute and has ended. At most one query."""
    if holder.row.rpm is None and holder.row.tpm is None:
        return LastMinute()
    asked = Q(**{holder.column: holder.number}, time__gte=now - MINUTE, attempts__gt=0)
    tokens = (
        F("input_tokens") + F("cache_read_tokens") + F("cache_write_tokens") + F("output_tokens")
    )
    counts = UsageRecord.objects.filter(asked).aggregate(count=Count("pk"), tokens=Sum(tokens))
    return LastMinute(counts["count"], counts["tokens"] or 0)
