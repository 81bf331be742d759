"""What is added to hours -> what is added to the sums that are kept beside them.

Their columns are those of an hour's group, so all of them follow from the same few sums. Written
within the transaction of the hours themselves.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Model

from bridge.ledger import upsert
from bridge.ledger.rollups import Amounts, Group, Hour
from bridge.models import KeyDay, ModelDay, ModelHour, TeamHour, TotalHour
from bridge.models.usage import HOUR_KEY, SumColumns, UsageHour

_SUMS = frozenset(SumColumns.NAMES)
_NAMES = ("key", "person", "team")
_ALL = (*SumColumns.NAMES, *UsageHour.FIRST_TOKEN, *UsageHour.DURATION)


@dataclass(frozen=True, slots=True)
class KeptTable:
    """One table of kept sums.

    unique    its columns that tell rows apart, the first is the hour or the day
    counted   what is summed;  named  whether it has the names of keys, people and teams
    """

    table: type[Model]
    unique: tuple[str, ...]
    counted: tuple[str, ...] = _ALL
    named: bool = False
    places: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        places = tuple(HOUR_KEY.index(name) for name in self.unique[1:])
        object.__setattr__(self, "places", places)

    @property
    def of_days(self) -> bool:
        return self.unique[0] == "day"

    @property
    def rules(self) -> Mapping[str, str]:
        """How what is written meets what is there."""
        names = dict.fromkeys(_NAMES, upsert.LATEST) if self.named else {}
        last = {"last_hour": upsert.MOST} if self.of_days else {}
        return {**names, **last, **dict.fromkeys(self.counted, upsert.ADD)}

    def group(self, hour: Group) -> Group:
        """The group of an hour's group."""
        start = day_of(hour[0]) if self.of_days else hour[0]
        return (start, *[hour[place] for place in self.places])


TABLES = (
    KeptTable(TotalHour, TotalHour.UNIQUE),
    KeptTable(ModelHour, ModelHour.UNIQUE),
    KeptTable(TeamHour, TeamHour.UNIQUE, SumColumns.NAMES),
    KeptTable(ModelDay, ModelDay.UNIQUE),
    KeptTable(KeyDay, KeyDay.UNIQUE, SumColumns.NAMES, named=True),
)
"""In the order in which every writer writes them."""


def day_of(hour: datetime) -> datetime:
    """The beginning of its day of UTC."""
    return hour.replace(hour=0)


def rows(table: KeptTable, hours: Mapping[Group, Hour]) -> list[upsert.Row]:
    """What these hours add to the rows of a table."""
    found: dict[Group, dict[str, Any]] = {}
    for group, hour in hours.items():
        own = table.group(group)
        row = found.get(own)
        if row is None:
            row = found[own] = dict(zip(table.unique, own, strict=True))
        if table.named:
            row |= hour.columns
        if table.of_days:
            row["last_hour"] = max(row.get("last_hour", group[0]), group[0])
        _add(row, hour.amounts, table.counted)
    return [*found.values()]


def _add(row: dict[str, Any], amounts: Amounts, counted: Collection[str]) -> None:
    every = len(counted) > len(_SUMS)
    for name, amount in amounts.items():
        if amount and (every or name in _SUMS):
            row[name] = row.get(name, 0) + amount


def write(hours: Mapping[Group, Hour]) -> None:
    """Add what these hours add to every table."""
    for table in TABLES:
        upsert.merge(table.table, table.unique, table.rules, rows(table, hours))


def change(pairs: Iterable[tuple[Group, Amounts]]) -> None:
    """Add to rows that are there: an hour's group and amounts, all of the same columns."""
    changed = list(pairs)
    names = sorted({name for _, amounts in changed for name in amounts})
    rules = dict.fromkeys(names, upsert.ADD_TO)
    for table in TABLES:
        found: dict[Group, Amounts] = {}
        for group, amounts in changed:
            sums = found.setdefault(table.group(group), dict.fromkeys(names, 0))
            for name, amount in amounts.items():
                sums[name] += amount
        rows = [dict(zip(table.unique, group, strict=True)) | sums for group, sums in found.items()]
        upsert.update(table.table, table.unique, rules, rows)
