"""Answers about days that are over, remembered by this process until the ledger says that something
came late to one.

A day is closed when no writer adds to it without saying so in `LateHours`, which is written in one
transaction with the sums: whoever reads that first has never kept an answer for too long.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from bridge.models import LateHours
from bridge.models.ledger_marks import LATE

CLOCK_SLACK = timedelta(hours=1)
"""By how much the clocks of two hosts may differ."""
MOST_ROWS = 200_000
"""Of all answers together: some hundred bytes each."""
Rows = list[tuple[Any, ...]]


def is_closed(until: datetime, now: datetime) -> bool:
    """Whether nothing is added to days before `until` without being noted, and an answer may be
    kept: within a transaction none is, since what it wrote may be taken back."""
    return until + LATE + CLOCK_SLACK <= now and not connection.in_atomic_block


class ClosedDays:
    """What one process remembers. For threads."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._answers: OrderedDict[Any, Rows] = OrderedDict()
        self._late = -1
        self._count = 0

    def read(self, questions: Sequence[QuerySet[Any, Any]]) -> Iterator[tuple[Any, ...]]:
        """The rows of questions about closed days. A query each, and one for all where there are
        any; only that one where they are known."""
        if questions:
            late = LateHours.objects.values_list("changes", flat=True).first() or 0
            for question in questions:
                yield from self._rows(question, late)

    def _rows(self, question: QuerySet[Any, Any], late: int) -> Rows:
        statement, parameters = question.query.sql_with_params()
        key = connection.settings_dict["NAME"], statement, tuple(map(str, parameters))
        with self._turn:
            if late != self._late:
                self._forget(late)
            if key in self._answers:
                self._answers.move_to_end(key)
                return self._answers[key]
        rows = list(question)
        with self._turn:
            if late == self._late and key not in self._answers:
                self._keep(key, rows)
        return rows

    def _keep(self, key: Any, rows: Rows) -> None:
        self._answers[key] = rows
        self._count += len(rows)
        while self._count > MOST_ROWS and self._answers:
            _, gone = self._answers.popitem(last=False)
            self._count -= len(gone)

    def forget(self) -> None:
        """All of it: the tables are others."""
        with self._turn:
            self._forget(-1)

    def _forget(self, late: int) -> None:
        self._answers.clear()
        self._count, self._late = 0, late


REMEMBERED = ClosedDays()
"""Of this process."""
