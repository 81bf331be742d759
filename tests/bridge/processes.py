"""Two processes on one database, as far as their breakers are concerned. No time passes here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from django.utils import timezone

from bridge.backends.breaker import State
from bridge.backends.breaker_sync import BreakerRows
from bridge.backends.health import Health
from bridge.configuration.snapshot import Snapshot
from bridge.configuration.snapshot_store import SnapshotStore
from bridge.routing.types import BackendConfig, Routes
from bridge.translation.errors.api_error import ApiError
from tests.bridge.making import Clock

WAIT = 25.0


class Wall:
    """The wall clock of all processes; moved together with their steady clocks."""

    def __init__(self) -> None:
        self.moment = datetime(2030, 1, 1, tzinfo=timezone.get_default_timezone())

    def __call__(self) -> float:
        return self.moment.timestamp()


class Process:
    """One process as far as its breakers are concerned."""

    def __init__(self, clock: Clock, wall: Wall, *backends: BackendConfig) -> None:
        self.health = Health(5, 30.0, clock)
        self.store = SnapshotStore()
        self.know(*backends)
        self.rows = BreakerRows(self.health, self.store, wall)

    def know(self, *backends: BackendConfig) -> None:
        """The configuration that this process has read last."""
        self.store.use(Snapshot(1, Routes(backends)))
        self.backend = backends[0]

    def fail(self, times: int, message: str = "Could not reach the backend") -> None:
        for _ in range(times):
            self.health.admit(self.backend).failed(ApiError.bad_gateway(message))

    def succeed(self) -> None:
        self.health.admit(self.backend).succeeded()

    @property
    def state(self) -> State:
        return self.health.state(self.backend)

    @property
    def failures(self) -> int:
        return self.health.of(self.backend).breaker.failures

    @property
    def wait(self) -> int:
        """Seconds that the next request is told to wait; 0 when it may pass."""
        try:
            self.health.admit(self.backend).abandoned()
        except ApiError as error:
            return error.retry_after or 0
        return 0


class Both:
    """Two processes whose steady clocks began at different times."""

    def __init__(self, wall: Wall, *backends: BackendConfig) -> None:
        self._wall, self._clocks = wall, (Clock(50.0), Clock(90_000.0))
        self.one, self.two = (Process(clock, wall, *backends) for clock in self._clocks)

    def advance(self, seconds: float) -> None:
        self._wall.moment += timedelta(seconds=seconds)
        for clock in self._clocks:
            clock.advance(seconds)

    def set_wall(self, seconds: float) -> None:
        """The wall clock is set by so much; no time passes."""
        self._wall.moment += timedelta(seconds=seconds)

    async def exchange(self) -> None:
        """A second passes: each has told, and has heard what the other told."""
        for process in (self.one, self.two, self.one):
            await process.rows.exchange()


async def until(happened: Callable[[], bool]) -> None:
    """Wait for a condition, with a deadline."""
    deadline = time.monotonic() + WAIT
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.01)
