"""Does the ledger add up? Adds up rows again and compares that with the sums.

Only times of which every row is still there can be compared: what retention has taken rows from is
left out. Each hour, and each handful of sessions, is read in one view of the database, so the
gateway may go on writing meanwhile.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from django.db import connection, transaction
from django.db.models import Model, QuerySet

from bridge.ledger import rollups, upsert
from bridge.ledger.spool_file import SUFFIX
from bridge.ledger.sums import kept as kept_sums
from bridge.models import (
    AttemptHour,
    LostRecords,
    SpoolPosition,
    UsageHorizon,
    UsageHour,
    UsageRecord,
    UsageSession,
)
from bridge.models.usage import SumColumns

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SESSIONS_AT_ONCE = 100
_COUNTED = (*SumColumns.NAMES, *UsageHour.FIRST_TOKEN, *UsageHour.DURATION)

Group = tuple[Any, ...]
Amounts = Counter[str]


@dataclass(slots=True)
class Audit:
    """What was compared, and every difference as one sentence."""

    hours: int = 0
    sessions: int = 0
    requests: int = 0
    differences: list[str] = field(default_factory=list)


def audit() -> Audit:
    """Compare all that can be compared."""
    found = Audit()
    horizon = UsageHorizon.objects.first()
    complete_from = horizon.complete_from if horizon else None
    for hour in _hours(complete_from):
        found.hours += 1
        _check_hour(hour, found)
    for day in _days():
        _check_day(day, found)
    for few in _sessions(complete_from):
        found.sessions += len(few)
        _check_sessions(few, found)
    found.differences += _missing_sessions(complete_from)
    found.differences += _lost(complete_from)
    return found


@contextmanager
def one_view() -> Iterator[None]:
    """All queries within see the same state."""
    outermost = not connection.in_atomic_block
    with transaction.atomic():
        if outermost and connection.vendor == "postgresql":
            connection.cursor().execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield


def _hours(complete_from: datetime | None) -> list[datetime]:
    """Every hour that has rows or sums, from the first complete one on."""
    rows, found = UsageRecord.objects.order_by("time"), set[datetime]()
    if complete_from is not None:
        rows = rows.filter(time__gte=complete_from)
    for model in (UsageHour, AttemptHour):
        found |= _summed_hours(model, complete_from)
    following = rows.first()
    while following is not None:
        hour = following.time.replace(minute=0, second=0, microsecond=0)
        found.add(hour)
        following = rows.filter(time__gte=hour + HOUR).first()
    return sorted(found)


def _summed_hours(
    model: type[UsageHour | AttemptHour], complete_from: datetime | None
) -> set[datetime]:
    sums = model.objects.order_by()
    if complete_from is not None:
        sums = sums.filter(hour__gte=complete_from)
    return set(sums.values_list("hour", flat=True).distinct())


def _check_hour(hour: datetime, found: Audit) -> None:
    with one_view():
        rows = list(_entries(time__gte=hour, time__lt=hour + HOUR))
        sums = list(UsageHour.objects.filter(hour=hour))
        attempt_sums = list(AttemptHour.objects.filter(hour=hour))
    found.requests += len(rows)
    wanted = {group: Amounts(added.amounts) for group, added in rollups.hours(rows).items()}
    stored = {_group(row, UsageHour.UNIQUE): _stored(row, _COUNTED) for row in sums}
    found.differences += _compare(UsageHour.UNIQUE, wanted, stored)
    found.differences += _compare_attempts(rows, attempt_sums)


def _compare_attempts(
    rows: Iterable[rollups.RollupEntry], sums: Iterable[AttemptHour]
) -> Iterator[str]:
    wanted = {group: Amounts(added) for group, added in rollups.attempt_hours(rows).items()}
    stored = {_group(row, AttemptHour.UNIQUE): _stored(row, AttemptHour.COUNTED) for row in sums}
    for sentence in _compare(AttemptHour.UNIQUE, wanted, stored):
        yield f"attempts: {sentence}"


# --- sums of sums ---------------------------------------------------------------------------------


def _days() -> list[datetime]:
    """Every day that has sums in any table, also those of which the rows are gone."""
    hours: Counter[datetime] = Counter()
    tables: list[type[Model]] = [UsageHour, *(kept.table for kept in kept_sums.TABLES)]
    for model in tables:
        column = "day" if hasattr(model, "day") else "hour"
        hours.update(model._default_manager.order_by().values_list(column, flat=True).distinct())
    return sorted({kept_sums.day_of(hour) for hour in hours})


def _check_day(day: datetime, found: Audit) -> None:
    """What is kept beside the sums of hours, against those."""
    with one_view():
        hours = {
            _group(row, UsageHour.UNIQUE): rollups.Hour(row.key, row.person, row.team, _plain(row))
            for row in UsageHour.objects.filter(hour__gte=day, hour__lt=day + DAY).iterator()
        }
        stored = [(kept, list(_kept_of(kept, day))) for kept in kept_sums.TABLES]
    for kept, rows in stored:
        wanted = {
            tuple(row[name] for name in kept.unique): row for row in kept_sums.rows(kept, hours)
        }
        sums = {
            group: Amounts({name: row.get(name, 0) for name in kept.counted})
            for group, row in wanted.items()
        }
        theirs = {_group(row, kept.unique): _stored(row, kept.counted) for row in rows}
        sentences = [*_compare(kept.unique, sums, theirs, "its hours")]
        if kept.of_days:
            sentences += _other_ends(kept.unique, wanted, rows)
        found.differences += [f"{kept.table.__name__}: {sentence}" for sentence in sentences]


def _other_ends(
    names: Sequence[str], wanted: Mapping[Group, upsert.Row], rows: Iterable[Any]
) -> Iterator[str]:
    """Rows of days whose last hour is not that of their hours."""
    for row in rows:
        group = _group(row, names)
        last = wanted[group]["last_hour"] if group in wanted else row.last_hour
        if row.last_hour != last:
            yield (
                f"{_named(names, group)}: last_hour is {_shown(row.last_hour)}, "
                f"its hours end with {_shown(last)}"
            )


def _kept_of(kept: kept_sums.KeptTable, day: datetime) -> QuerySet[Any]:
    rows = kept.table._default_manager.all()
    if kept.of_days:
        return rows.filter(day=day)
    return rows.filter(hour__gte=day, hour__lt=day + DAY)


def _plain(row: UsageHour) -> rollups.Amounts:
    return {name: getattr(row, name) for name in _COUNTED}


def _entries(**conditions: Any) -> Iterator[rollups.RollupEntry]:
    rows = UsageRecord.objects.filter(**conditions).order_by()
    return rows.values_list(*rollups.COLUMNS, named=True).iterator()


def _sessions(complete_from: datetime | None) -> Iterator[list[UsageSession]]:
    """The sessions that began when every row is still there, a few at a time."""
    rows = UsageSession.objects.order_by("pk")
    if complete_from is not None:
        rows = rows.filter(first_at__gte=complete_from)
    last = 0
    while few := list(rows.filter(pk__gt=last)[:SESSIONS_AT_ONCE]):
        last = few[-1].pk
        yield few


def _check_sessions(few: Sequence[UsageSession], found: Audit) -> None:
    with one_view():
        names = {row.session for row in few}
        wanted: dict[Group, Amounts] = {}
        for group, added in rollups.sessions(_entries(session__in=names)).items():
            wanted.setdefault(group[:-1], Amounts()).update(added.amounts)
        sums = list(UsageSession.objects.filter(pk__in=[row.pk for row in few]))
    stored = {_group(row, UsageSession.UNIQUE): _stored(row, SumColumns.NAMES) for row in sums}
    ours = {group: added for group, added in wanted.items() if group in stored}
    found.differences += _compare(UsageSession.UNIQUE, ours, stored)


def _missing_sessions(complete_from: datetime | None) -> Iterator[str]:
    rows = UsageRecord.objects.exclude(session="").order_by()
    if complete_from is not None:
        rows = rows.filter(time__gte=complete_from)
    unknown = rows.exclude(session__in=UsageSession.objects.values("session"))
    for name in unknown.values_list("session", flat=True).distinct():
        yield f"session {name}: has rows and no sums"


def _lost(complete_from: datetime | None) -> Iterator[str]:
    """Requests that are in no row and no sum: neither disk nor memory took their records."""
    rows = LostRecords.objects.order_by("hour")
    if complete_from is not None:
        rows = rows.filter(hour__gte=complete_from)
    for row in rows:
        yield f"{_shown(row.hour)}: {row.count} records were lost, no disk and no memory took them"


def _group(row: Any, names: Iterable[str]) -> Group:
    return tuple(getattr(row, name) for name in names)


def _stored(row: Any, names: Iterable[str]) -> Amounts:
    return Amounts({name: getattr(row, name) for name in names})


def _compare(
    names: Sequence[str],
    wanted: Mapping[Group, Amounts],
    stored: Mapping[Group, Amounts],
    parts: str = "its rows",
) -> Iterator[str]:
    for group in sorted({*wanted, *stored}):
        ours, theirs = wanted.get(group, Amounts()), stored.get(group, Amounts())
        for column in sorted(name for name in {*ours, *theirs} if ours[name] != theirs[name]):
            yield (
                f"{_named(names, group)}: {column} is {theirs[column]}, "
                f"{parts} add up to {ours[column]}"
            )


def _named(names: Sequence[str], group: Group) -> str:
    return ", ".join(f"{n} {_shown(v)}" for n, v in zip(names, group, strict=True) if v)


def _shown(value: object) -> str:
    return f"{value:%Y-%m-%d %H:%M}" if isinstance(value, datetime) else str(value)


# --- what is still on its way -------------------------------------------------------------------


def waiting(folder: Path) -> int:
    """How many lines of the spool are not rows yet."""
    positions = dict(SpoolPosition.objects.values_list("name", "position"))
    count = 0
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        count += _not_entered(_rest(path, positions.get(path.name, 0)))
    return count


def _rest(path: Path, position: int) -> list[str]:
    """The request ids of the lines behind that position."""
    try:
        with open(path, "rb", opener=_at_once) as file:
            file.seek(max(0, position))
            lines = file.read().split(b"\n")[:-1]
    except OSError:
        return []  # all of it has become rows since, or `unreadable` names it
    return [found for line in lines if (found := _request_id(line))]


def _at_once(path: str, flags: int) -> int:
    """What has the name of a spool file may be a pipe, which would be waited for."""
    return os.open(path, flags | os.O_NONBLOCK)


def unreadable(folder: Path) -> list[str]:
    """What has the name of a spool file and cannot be read, each with why."""
    found = []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            with open(path, "rb", opener=_at_once) as file:
                file.seek(0, os.SEEK_END)
        except FileNotFoundError:
            continue
        except OSError as error:
            found.append(f"{path} cannot be read: {error.strerror or type(error).__name__}")
    return found


class _Named(msgspec.Struct):
    request_id: str


def _request_id(line: bytes) -> str:
    try:
        return msgspec.json.decode(line, type=_Named).request_id
    except msgspec.DecodeError:
        return ""


def _not_entered(ids: Sequence[str]) -> int:
    count = 0
    for start in range(0, len(ids), 1000):
        some = set(ids[start : start + 1000])
        rows = UsageRecord.objects.filter(request_id__in=some)
        count += len(some) - rows.count()
    return count
