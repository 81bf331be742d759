"""Writing many rows in one statement each, whatever other processes write at the same moment.

Two statements that SQLite and PostgreSQL share and Django has no words for: insert what is not
there yet and say what that was; and add to a row, or make it. Both are safe without a lock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, connections, models

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

MAX_PARAMETERS = 30_000
"""Both databases take a few more in one statement."""

Row = Mapping[str, Any]


def insert_new(rows: Sequence[models.Model], unique: str) -> set[Any]:
    """Insert those rows whose value of the unique column is new; the values that were."""
    if not rows:
        return set()
    fields = [f for f in rows[0]._meta.concrete_fields if not f.primary_key]
    size = MAX_PARAMETERS // len(fields)
    added: set[Any] = set()
    for start in range(0, len(rows), size):
        added |= _insert(rows[start : start + size], fields, unique)
    return added


def _insert(
    rows: Sequence[models.Model], fields: Sequence[models.Field[Any, Any]], unique: str
) -> set[Any]:
    told = [(f.attname, _conversion(f)) for f in fields]
    values = [convert(getattr(row, name)) for row in rows for name, convert in told]
    places = ", ".join([f"({', '.join(['%s'] * len(fields))})"] * len(rows))
    quoted = connection.ops.quote_name
    columns = ", ".join(quoted(f.attname) for f in fields)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {quoted(rows[0]._meta.db_table)} ({columns}) VALUES {places} "
            f"ON CONFLICT ({quoted(unique)}) DO NOTHING RETURNING {quoted(unique)}",
            values,
        )
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
    known = {f.name: f for f in model._meta.concrete_fields}
    fields = [known[name] for name in (*unique, *rules)]
    told = [(f.name, f.get_default(), _conversion(f)) for f in fields]
    values = [
        [convert(row.get(name, nought)) for name, nought, convert in told]
        for row in sorted(rows, key=lambda row: [row[name] for name in unique])
    ]
    with connection.cursor() as cursor:
        cursor.executemany(_upsert(model._meta.db_table, unique, rules), values)


def _conversion(field: models.Field[Any, Any]) -> Callable[[Any], Any]:
    """From a value to what the database's driver takes; most values it takes as they are."""
    if isinstance(field, (models.IntegerField, models.CharField, models.TextField)):
        return _as_it_is
    database = connections[DEFAULT_DB_ALIAS]
    return lambda value: field.get_db_prep_save(value, database)


def _as_it_is(value: Any) -> Any:
    return value


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
        f"INSERT INTO {quoted(table)} ({columns}) VALUES ({places}) "
        f"ON CONFLICT ({conflict}) DO UPDATE SET {changes}"
    )
