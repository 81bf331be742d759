"""The test database's first rows, put back after a test that has committed its own.

Django's `flush` makes them anew instead: it emits post_migrate for each app, which compares content
types, permissions and groups with the code and costs more than most tests that need it.
"""

from __future__ import annotations

from typing import Any, cast

from asgiref.sync import SyncToAsync
from django.db import connection, transaction

from bridge.configuration import kept_snapshot

STEP_SECONDS = 60.0
Rows = list[tuple[Any, ...]]


class FirstRows:
    """What the tables hold when it is made."""

    def __init__(self) -> None:
        tables = connection.introspection.django_table_names(only_existing=True)
        with connection.cursor() as cursor:
            names = map(connection.ops.quote_name, tables)
            self._rows = {name: read(cursor, name) for name in names}

    def put_back(self) -> None:
        """References may point anywhere until the last row is there.

        A step whose task was cancelled goes on in its thread and holds its tables until it is done.
        """
        SyncToAsync.single_thread_executor.submit(int).result(STEP_SECONDS)
        with transaction.atomic(), connection.cursor() as cursor:
            for name in self._rows:
                cursor.execute(f"DELETE FROM {name}")  # noqa: S608 - a name from the models
            for name, rows in self._rows.items():
                put(cursor, name, rows)
        kept_snapshot.forget()


def read(cursor: Any, name: str) -> Rows:
    cursor.execute(f"SELECT * FROM {name}")  # noqa: S608 - a name from the models
    return cast(Rows, cursor.fetchall())


def put(cursor: Any, name: str, rows: Rows) -> None:
    if rows:
        marks = ", ".join(["%s"] * len(rows[0]))
        values = f"INSERT INTO {name} VALUES ({marks})"  # noqa: S608 - a name from the models
        cursor.executemany(values, rows)
