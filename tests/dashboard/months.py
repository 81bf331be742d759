"""Many requests in the ledger, whose rows are made once in a process and copied for each test.

To make them with Django's models costs more than most of the tests that look at them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from copy import copy
from typing import Any

from django.db import connection

from bridge.ledger.sums import kept as kept_sums
from bridge.models import AttemptHour, UsageHour, UsageRecord, UsageSession
from tests import first_rows
from tests.dashboard.making import enter, month

KEPT = tuple(kept.table for kept in kept_sums.TABLES)
MODELS: tuple[Any, ...] = (UsageRecord, UsageHour, *KEPT, UsageSession, AttemptHour)
TABLES = [model._meta.db_table for model in MODELS]
Make = Callable[[], Iterable[UsageRecord]]
_made: dict[Hashable, tuple[list[UsageRecord], dict[str, first_rows.Rows]]] = {}


def enter_month(count: int) -> list[UsageRecord]:
    """`enter(month(count))`, into an empty ledger."""
    return enter_once(count, lambda: month(count))


def enter_once(name: Hashable, make: Make) -> list[UsageRecord]:
    """`enter(make())`, into an empty ledger. Whoever gives the name again gets the same rows."""
    assert not any(model.objects.exists() for model in MODELS)
    if name not in _made:
        made = enter(make())
        with connection.cursor() as cursor:
            _made[name] = made, {table: first_rows.read(cursor, table) for table in TABLES}
    else:
        with connection.cursor() as cursor:
            for table, rows in _made[name][1].items():
                first_rows.put(cursor, table, rows)
    return [copy(row) for row in _made[name][0]]


def clear() -> None:
    for model in MODELS:
        model.objects.all().delete()
