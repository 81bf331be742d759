"""Which of the ledger's tables of sums answers a question soonest: the one with the fewest rows
that tells apart what the question does."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from django.db.models import Model, Q

from bridge.models import KeyDay, ModelDay, ModelHour, TeamHour, TotalHour, UsageHour


@dataclass(frozen=True, slots=True)
class SumTable:
    """`begin`: the column of the hour or the day;  `last`: that of its last hour with a request;
    `columns`: all that it has."""

    table: type[Model]
    begin: str
    last: str
    columns: frozenset[str]

    @classmethod
    def of(cls, table: type[Model]) -> SumTable:
        columns = frozenset(field.name for field in table._meta.fields)
        of_days = "day" in columns
        return cls(table, *(("day", "last_hour") if of_days else ("hour", "hour")), columns)


HOURS = tuple(map(SumTable.of, (TotalHour, ModelHour, TeamHour, UsageHour)))
DAYS = tuple(map(SumTable.of, (ModelDay, KeyDay)))
"""Each from the fewest rows to the most."""


def of_hours(columns: Collection[str]) -> SumTable:
    """The table of hours for a question in which these columns are."""
    return next(table for table in HOURS if table.columns.issuperset(columns))


def of_days(columns: Collection[str]) -> SumTable | None:
    """The same of days; None where only hours tell."""
    return next((table for table in DAYS if table.columns.issuperset(columns)), None)


def asked_of(only: Q) -> Iterator[str]:
    """The columns of a condition."""
    for child in only.children:
        if isinstance(child, Q):
            yield from asked_of(child)
        elif isinstance(child, tuple):
            yield str(child[0]).partition("__")[0]
