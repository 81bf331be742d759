"""Circuit breakers for all processes: what this one saw goes into rows, what others saw comes back.

Requests read and write memory only. About once a second, and at once when a breaker opens or
closes, here or in another process, the reports are added to the rows in one transaction and all
rows are read; only now and then where nothing can have changed. Failures in a row add up over the
processes, and a breaker that opens in one of them opens in all. A row is about one address and
credential: after a change of either it is begun anew.
"""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.db import DatabaseError, InterfaceError, connection, transaction

from bridge.backends.health import MAX_RESTS, Health, Report, identity
from bridge.backends.status import identity_of_row
from bridge.clocks import Clock
from bridge.cluster import announcements
from bridge.configuration.snapshot_store import SnapshotStore
from bridge.database_steps import in_database
from bridge.models import Backend, BreakerState, ConfigVersion
from bridge.pauses import Pause
from bridge.routing.types import BackendConfig
from bridge.shielded import Shielded

logger = logging.getLogger(__name__)

PERIOD = 1.0
RARELY_SECONDS = 10.0
"""Between two looks at rows while every change of them is told of."""
MESSAGE_LIMIT = 500


class BreakerRow(NamedTuple):
    """A state as stored. `open_for` is seconds since it opened, None when it is closed.

    identity   of the address and credential that it is about; "" for any
    rests      seconds that are left, by model
    """

    failures: int
    open_for: float | None
    last_error: str
    number: int
    identity: str
    reachable: bool | None
    rests: dict[str, float]


class BreakerRows:
    """Keeps the breakers of one process and the rows in step."""

    def __init__(self, health: Health, store: SnapshotStore, wall: Clock = time.time) -> None:
        self._wall = wall
        self._health = health
        self._store = store
        self._pause = Pause(PERIOD)
        self._writing = Shielded()
        self.is_told = False
        """Whether `wake` is called for every change, whoever makes it."""
        health.changed = self.wake

    def wake(self) -> None:
        """Look now."""
        self._pause.end()

    async def run(self) -> None:
        """Exchange for as long as the process lives."""
        away = False
        await self._store.loaded()
        while True:
            try:
                await self.exchange()
                away = False
            except (DatabaseError, InterfaceError) as error:
                if not away:
                    logger.warning("breakers are this process's own for now: %s", error)
                away = True
            await self._until_needed(often=away or not self.is_told)

    async def _until_needed(self, *, often: bool) -> None:
        for _ in range(1 if often else round(RARELY_SECONDS / PERIOD)):
            if await self._pause.over() or self._health.reports:
                return

    async def aclose(self) -> None:
        """Write what was seen last, once `run` has ended: the next process starts with it."""
        await self._writing.finished()
        if not self._health.reports:
            return
        try:
            await self.exchange()
        except (DatabaseError, InterfaceError) as error:
            logger.warning("the last news of breakers were not stored: %s", error)

    async def exchange(self) -> None:
        """Write what was seen since the last time, and take over what is new. DatabaseError."""
        backends = self._store.current.routes.backends
        self._health.keep(backends)
        reports, self._health.reports = self._health.reports, {}
        known = [(b.id, identity(b)) for b in backends if b.id]  # the demo has no row
        news = {pk: (mark, reports[mark]) for pk, mark in known if mark in reports}
        rows = await self._writing.run(self._write(news, reports))
        for backend in backends:
            if backend.id in rows and identity(backend) not in self._health.reports:
                self._take_over(backend, rows[backend.id])

    async def _write(
        self, news: dict[int, tuple[str, Report]], reports: dict[str, Report]
    ) -> dict[int, BreakerRow]:
        try:
            rows: dict[int, BreakerRow] = await in_database(_exchange)(
                news, self._health.threshold, self._health.clock(), self._wall()
            )
        except (DatabaseError, InterfaceError):
            self._take_back(reports)
            raise
        return rows

    def _take_back(self, unsent: dict[str, Report]) -> None:
        """What could not be written is written next time, with what has happened since."""
        for mark, report in unsent.items():
            since = self._health.reports.get(mark)
            self._health.reports[mark] = report.followed_by(since) if since else report

    def _take_over(self, backend: BackendConfig, row: BreakerRow) -> None:
        condition = self._health.of(backend)
        is_about_it = row.identity in ("", identity(backend))
        if row.number <= condition.number or not is_about_it:
            return
        now = self._health.clock()
        condition.number = row.number
        condition.last_error = row.last_error
        if row.reachable is not None:
            condition.reachable = row.reachable
        longest = self._health.rest_max  # clocks of hosts differ
        condition.rests = {name: now + min(left, longest) for name, left in row.rests.items()}
        breaker = condition.breaker
        if row.open_for is None:
            breaker.succeeded()
        else:
            breaker.opened_at = now - row.open_for
        breaker.failures = row.failures


def _exchange(
    news: dict[int, tuple[str, Report]], threshold: int, steady: float, wall: float
) -> dict[int, BreakerRow]:
    now = datetime.fromtimestamp(wall, UTC)
    if news:
        with transaction.atomic():
            for backend in Backend.objects.filter(pk__in=news):
                mark, report = news[backend.pk]
                if mark == identity_of_row(backend):
                    _add(backend.pk, mark, report, threshold, now, steady)
            announcements.announce_on_commit()
    return {row.backend_id: _read(row, now) for row in BreakerState.objects.all()}


def _add(
    backend_id: int, mark: str, report: Report, threshold: int, now: datetime, steady: float
) -> None:
    is_known = BreakerState.objects.filter(backend_id=backend_id).exists()
    if not is_known and report == Report(reachable=True):
        return  # the usual case needs no row
    BreakerState.objects.get_or_create(backend_id=backend_id)
    row = BreakerState.objects.select_for_update().get(backend_id=backend_id)
    if row.identity != mark:
        _begin_anew(row)
        row.identity = mark
    if report.recovered:
        row.failures, row.opened_at = 0, None
    row.failures += report.failures
    if report.error:
        row.last_error, row.last_error_at = report.error[:MESSAGE_LIMIT], now
    if report.opened or (row.opened_at is None and row.failures >= threshold):
        row.opened_at = now
    if report.reachable is not None:
        row.reachable = report.reachable
    row.rests = _rests(row.rests, report, now, steady)
    row.number += 1
    row.save()


def _begin_anew(row: BreakerState) -> None:
    """What is known of another address or another credential says nothing of this one."""
    row.failures, row.opened_at, row.reachable, row.rests = 0, None, None, {}
    row.last_error, row.last_error_at = "", None


def _rests(
    known: dict[str, float], report: Report, now: datetime, steady: float
) -> dict[str, float]:
    """Those that still run, the longest ones, as moments of the wall clock."""
    wall = now.timestamp()
    news = {name: wall + until - steady for name, until in report.rests.items()}
    running = [(name, until) for name, until in (known | news).items() if until > wall]
    return dict(sorted(running, key=lambda rest: rest[1])[-MAX_RESTS:])


def _read(row: BreakerState, now: datetime) -> BreakerRow:
    wall = now.timestamp()
    open_for = None
    if row.opened_at is not None:
        # Clocks of hosts differ: a moment that is still to come here was just now there.
        open_for = max(0.0, (now - row.opened_at) / timedelta(seconds=1))
    rests = {name: until - wall for name, until in row.rests.items() if until > wall}
    return BreakerRow(
        row.failures,
        open_for,
        row.last_error,
        row.number,
        row.identity,
        row.reachable,
        rests,
    )


def reset(backend_id: int) -> None:
    """Forget all failures and rests of a backend, in every process."""
    BreakerState.objects.get_or_create(backend_id=backend_id)
    with transaction.atomic():
        row = BreakerState.objects.select_for_update().get(backend_id=backend_id)
        row.failures, row.opened_at, row.rests = 0, None, {}
        row.number += 1
        row.save()
        announcements.announce_on_commit()


def marks() -> object:
    """What every change of the configuration or of a breaker changes. One query, by hand: each
    process asks it after every commit of anybody."""
    version, breaker = ConfigVersion._meta.db_table, BreakerState._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT number, sessions, NULL FROM {version} UNION ALL "  # noqa: S608 - our names
            f"SELECT COUNT(*), SUM(number), 0 FROM {breaker}"
        )
        return cursor.fetchall()
