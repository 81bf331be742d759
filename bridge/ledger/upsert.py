"""Writing many rows in one statement each, whatever other processes write at the same moment.

Two statements that SQLite and PostgreSQL share and Django has no words for: insert what is not
there yet and say what that was; and add to a row, or make it. Both are safe without a lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any

from django.db import connection, models

ADD = "{table}.{column} + excluded.{column}"
LATEST = "excluded.{column}"
LEAST = (
    "CASE WHEN excluded.{column} < {table}.{column} "
    "THEN excluded.{column} ELSE {table}.{column} END"
)
MOST = (
    "CASE WHEN excluded.{column} > {table}.{column} "
    "THEN excluded.{column} ELSE {table}.{column} END"
)
LINES = (
    "CASE WHEN replace({table}.{column}, excluded.{column}, '') = {table}.{column} "
    "THEN {table}.{column} || excluded.{column} ELSE {table}.{column} END"
)
"""A set of names as text: each between two line breaks, and added when it is not there yet."""
ADD_TO, PUT = "{column} + %s", "%s"
"""How `update` changes a column."""

MAX_PARAMETERS = 30_000
"""Both databases take a few more in one statement."""

Row = Mapping[str, Any]


def insert_new(
    model: type[models.Model], names: Sequence[str], rows: Sequence[Sequence[Any]], unique: str
) -> set[Any]:
    """Insert those rows whose value of the unique column is new; the values that were.

    A row is what it has in the columns of these names; JSON is passed as text.
    """
    known = {f.attname: f for f in model._meta.concrete_fields}
    fields = [known[name] for name in names]
    size = MAX_PARAMETERS // len(fields)
    added: set[Any] = set()
    for start in range(0, len(rows), size):
        added |= _insert(model._meta.db_table, fields, rows[start : start + size], unique)
    return added


def _insert(
    table: str,
    fields: Sequence[models.Field[Any, Any]],
    rows: Sequence[Sequence[Any]],
    unique: str,
) -> set[Any]:
    columns = map(_prepared, fields, zip(*rows, strict=True))
    values = [*chain.from_iterable(zip(*columns, strict=True))]
    places = ", ".join([f"({', '.join(['%s'] * len(fields))})"] * len(rows))
    quoted = connection.ops.quote_name
    names = ", ".join(quoted(f.attname) for f in fields)
    statement = (
        f"INSERT INTO {quoted(table)} ({names}) VALUES {places} "  # noqa: S608 - quoted names only
        f"ON CONFLICT ({quoted(unique)}) DO NOTHING RETURNING {quoted(unique)}"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return {value for (value,) in cursor.fetchall()}


def merge(
    model: type[models.Model], unique: Sequence[str], rules: Mapping[str, str], rows: Sequence[Row]
) -> None:
    """Add each row to the one with the same unique columns, or make it.

    `rules` says for every other column how the new value meets the old one; what a row does not
    name is nought. Rows go in the order of their unique columns, so that two processes never wait
    for each other in a circle.
    """
    if not rows:
        return
    plan = _merge_plan(connection.vendor, model, tuple(unique), tuple(rules.items()))
    ordered = sorted(rows, key=lambda row: [row[name] for name in unique])
    columns = [
        _prepared(field, _values(field.name, field.get_default(), ordered)) for field in plan.fields
    ]
    with connection.cursor() as cursor:
        cursor.executemany(plan.statement, list(zip(*columns, strict=True)))


def _values(name: str, default: Any, rows: Sequence[Row]) -> list[Any]:
    return [row.get(name, default) for row in rows]


@dataclass(frozen=True, slots=True)
class MergePlan:
    """What is the same for every merge into a table."""

    fields: tuple[models.Field[Any, Any], ...]
    statement: str


@lru_cache(maxsize=64)
def _merge_plan(
    vendor: str,  # of the database, which has its own way to quote
    model: type[models.Model],
    unique: tuple[str, ...],
    rules: tuple[tuple[str, str], ...],
) -> MergePlan:
    known = {f.name: f for f in model._meta.concrete_fields}
    names = (*unique, *(name for name, _ in rules))
    fields = tuple(known[name] for name in names)
    return MergePlan(fields, _upsert(model._meta.db_table, unique, dict(rules)))


def update(
    model: type[models.Model], unique: Sequence[str], rules: Mapping[str, str], rows: Sequence[Row]
) -> None:
    """Change the row that has these unique columns, in the same order; make none."""
    if not rows:
        return
    known = {f.name: f for f in model._meta.concrete_fields}
    ordered = sorted(rows, key=lambda row: [row[name] for name in unique])
    columns = [_prepared(known[name], [row[name] for row in ordered]) for name in (*rules, *unique)]
    quoted = connection.ops.quote_name
    changes = ", ".join(
        f"{quoted(name)} = {rule.format(column=quoted(name))}" for name, rule in rules.items()
    )
    where = " AND ".join(f"{quoted(name)} = %s" for name in unique)
    table = quoted(model._meta.db_table)
    statement = f"UPDATE {table} SET {changes} WHERE {where}"  # noqa: S608 - quoted names only
    with connection.cursor() as cursor:
        cursor.executemany(statement, list(zip(*columns, strict=True)))


def _prepared(field: models.Field[Any, Any], values: Iterable[Any]) -> Iterable[Any]:
    """What the database's driver takes for values of this column."""
    if isinstance(field, models.DateTimeField):
        return map(connection.ops.adapt_datetimefield_value, values)
    return values


def _upsert(table: str, unique: Sequence[str], rules: Mapping[str, str]) -> str:
    quoted = connection.ops.quote_name
    columns = ", ".join(quoted(name) for name in (*unique, *rules))
    places = ", ".join(["%s"] * (len(unique) + len(rules)))
    changes = ", ".join(
        f"{quoted(name)} = {rule.format(table=quoted(table), column=quoted(name))}"
        for name, rule in rules.items()
    )
    conflict = ", ".join(quoted(name) for name in unique)
    return (
        f"INSERT INTO {quoted(table)} ({columns}) VALUES ({places}) "  # noqa: S608 - quoted names
        f"ON CONFLICT ({conflict}) DO UPDATE SET {changes}"
    )
