"""Circuit breakers for all processes: what this one saw goes into rows, what others saw comes back.

Requests read and write memory only. About once a second, and at once when a breaker opens or
closes, the reports are added to the rows in one transaction and all rows are read: failures in a
row add up over the processes, and a breaker that opens in one of them opens in all.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from datetime import datetime, timedelta
from typing import NamedTuple

from channels.db import database_sync_to_async
from django.db import DatabaseError, InterfaceError, transaction
from django.utils import timezone

from bridge.backends.health import Health, Report
from bridge.configuration.snapshot_store import SnapshotStore
from bridge.models import Backend, BreakerState
from bridge.routing.resolve import BackendConfig as Target

logger = logging.getLogger(__name__)

PERIOD = 1.0
MESSAGE_LIMIT = 500


class BreakerRow(NamedTuple):
    """A state as stored. `open_for` is seconds since it opened, None when it is closed."""

    failures: int
    open_for: float | None
    last_error: str
    number: int


class BreakerRows:
    """Keeps the breakers of one process and the rows in step."""

    def __init__(self, health: Health, store: SnapshotStore) -> None:
        self._health = health
        self._store = store
        self._stirred = asyncio.Event()
        health.changed = self.wake

    def wake(self) -> None:
        """Look now."""
        self._stirred.set()

    async def run(self) -> None:
        """Exchange for as long as the process lives."""
        away = False
        await self._store.loaded()
        while True:
            self._stirred.clear()
            try:
                await self.exchange()
                away = False
            except (DatabaseError, InterfaceError) as error:
                if not away:
                    logger.warning("breakers are this process's own for now: %s", error)
                away = True
            with suppress(TimeoutError):
                async with asyncio.timeout(PERIOD):
                    await self._stirred.wait()

    async def exchange(self) -> None:
        """Tell what was seen since the last time, and take over what is new. DatabaseError."""
        reports, self._health.reports = self._health.reports, {}
        reports.pop(0, None)  # the demo has no row
        try:
            rows = await database_sync_to_async(_exchange)(reports, self._health.threshold)
        except (DatabaseError, InterfaceError):
            self._take_back(reports)
            raise
        for backend in self._store.current.routes.backends:
            if backend.id in rows and backend.id not in self._health.reports:
                self._take_over(backend, rows[backend.id])

    def _take_back(self, untold: dict[int, Report]) -> None:
        """What could not be told is told next time, with what has happened since."""
        for backend_id, report in untold.items():
            since = self._health.reports.get(backend_id)
            self._health.reports[backend_id] = report.followed_by(since) if since else report

    def _take_over(self, backend: Target, row: BreakerRow) -> None:
        condition = self._health.of(backend)
        if row.number <= condition.number:
            return
        condition.number = row.number
        condition.last_error = row.last_error
        breaker = condition.breaker
        if row.open_for is None:
            breaker.succeeded()
        else:
            breaker.opened_at = self._health.clock() - row.open_for
        breaker.failures = row.failures


def _exchange(reports: dict[int, Report], threshold: int) -> dict[int, BreakerRow]:
    now = timezone.now()
    if reports:
        with transaction.atomic():
            known = Backend.objects.filter(pk__in=reports).values_list("pk", flat=True)
            for backend_id in known:
                _add(backend_id, reports[backend_id], threshold, now)
    return {row.backend_id: _read(row, now) for row in BreakerState.objects.all()}


def _add(backend_id: int, report: Report, threshold: int, now: datetime) -> None:
    BreakerState.objects.get_or_create(backend_id=backend_id)
    row = BreakerState.objects.select_for_update().get(backend_id=backend_id)
    if report.recovered:
        row.failures, row.opened_at = 0, None
    row.failures += report.failures
    if report.error:
        row.last_error, row.last_error_at = report.error[:MESSAGE_LIMIT], now
    if report.opened or (row.opened_at is None and row.failures >= threshold):
        row.opened_at = now
    row.number += 1
    row.save()


def _read(row: BreakerState, now: datetime) -> BreakerRow:
    if row.opened_at is None:
        return BreakerRow(row.failures, None, row.last_error, row.number)
    # Clocks of hosts differ: a moment that is still to come here was just now there.
    since = max(0.0, (now - row.opened_at) / timedelta(seconds=1))
    return BreakerRow(row.failures, since, row.last_error, row.number)


def reset(backend_id: int) -> None:
    """Forget all failures of a backend, in every process."""
    BreakerState.objects.get_or_create(backend_id=backend_id)
    with transaction.atomic():
        row = BreakerState.objects.select_for_update().get(backend_id=backend_id)
        row.failures, row.opened_at = 0, None
        row.number += 1
        row.save()
