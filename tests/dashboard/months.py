"""A plausible month in the ledger, whose rows are made once in a process and copied for each test.

To make them with Django's models costs more than most of the tests that look at them.
"""

from __future__ import annotations

from copy import copy

from django.db import connection

from bridge.models import UsageHour, UsageRecord, UsageSession
from tests import first_rows
from tests.dashboard.making import enter, month

MODELS = (UsageRecord, UsageHour, UsageSession)
TABLES = [model._meta.db_table for model in MODELS]
_made: dict[int, tuple[list[UsageRecord], dict[str, first_rows.Rows]]] = {}


def enter_month(count: int) -> list[UsageRecord]:
    """`enter(month(count))`, into an empty ledger."""
    assert not any(model.objects.exists() for model in MODELS)
    if count not in _made:
        made = enter(month(count))
        with connection.cursor() as cursor:
            _made[count] = made, {name: first_rows.read(cursor, name) for name in TABLES}
    else:
        with connection.cursor() as cursor:
            for name, rows in _made[count][1].items():
                first_rows.put(cursor, name, rows)
    return [copy(row) for row in _made[count][0]]


def clear() -> None:
    for model in MODELS:
        model.objects.all().delete()
