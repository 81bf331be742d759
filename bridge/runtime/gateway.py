"""The parts of one process, made once on the running loop and closed together.

Everything a request needs hangs here: the configuration's snapshot, the client, the health of the
backends. Background work (keeping the snapshot current, discovery) starts and ends with it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

from django.conf import settings

from bridge.backends.breaker_sync import BreakerRows
from bridge.backends.client import BackendClient
from bridge.backends.discovery import Discovery
from bridge.backends.health import Health
from bridge.backends.learned import LearnedFacts
from bridge.backends.learned_rows import LearnedRows
from bridge.backends.prefix_cache import Prefixes
from bridge.cluster import announcements
from bridge.configuration.snapshot import Snapshot
from bridge.configuration.snapshot_store import SnapshotStore
from bridge.keys.authentication import KeyPolicy, fingerprint_key, is_loopback
from bridge.keys.limiter import Limiter
from bridge.keys.limits import Limits
from bridge.ledger.spending import used
from bridge.ledger.spool import Spool
from bridge.ledger.totals import TotalsReader
from bridge.ledger.writer import Ledger, aside
from bridge.live.messages import Running
from bridge.live.processes import ProcessRegistry
from bridge.live.publisher import ActivityPublisher
from bridge.places import Places
from bridge.runtime import sessions
from bridge.runtime.background import Background
from bridge.translation.errors.api_error import ApiError
from bridge.translation.request.schema import RequestLimits

logger = logging.getLogger(__name__)

STARTING = "Gateway is starting: its configuration is not loaded yet"
START_SECONDS = 5
INHERIT_SECONDS = 3.0
"""How long budgets wait for what a killed process had not put into the ledger yet."""
COUNTING_AT_ONCE = 2
COUNTING_WAITING = 64
COUNTING_BYTES = 64 * 1024 * 1024
"""Requests to count_tokens that are worked on, and that wait, with their bodies' bytes."""
DRAIN_TICK = 0.1
LAST_WORDS = 2.0
"""Seconds that interrupted requests get to say that they were."""
CLOSE_SECONDS = 6.0
"""Longest that one part may take to close; more than each part gives itself."""


class Stoppable(Protocol):
    """A request under way, as far as a shutdown is concerned, and those who watch."""

    def interrupt(self) -> None: ...

    def seen(self) -> Running: ...


class Gateway:
    """One process's gateway. Create it inside the running event loop."""

    def __init__(self) -> None:
        self.store = SnapshotStore()
        self.upstream = BackendClient(settings.BACKEND_CONNECT_TIMEOUT)
        self.health = Health(
            settings.BREAKER_FAILURES,
            settings.BREAKER_SECONDS,
            rest_max=settings.RATE_LIMIT_REST_MAX,
        )
        self.breakers = BreakerRows(self.health, self.store)
        self.discovery = Discovery(self.upstream, self.health, self.store)
        self.limits = RequestLimits(
            settings.MAX_MESSAGES, settings.MAX_CONTENT_BYTES, settings.MAX_JSON_DEPTH
        )
        self.keys = KeyPolicy(
            settings.CHUTES_AUTH_STYLE,
            settings.REQUIRE_GATEWAY_KEY,
            is_loopback(settings.HOST),
            fingerprint_key(settings.SECRET_KEY),
        )
        self.spool = Spool(settings.DATA_DIR / "spool", settings.SPOOL_MAX_BYTES)
        self.ledger = Ledger(self.spool, settings.USAGE_RETENTION_DAYS)
        self.totals = TotalsReader()
        self.limiter = Limiter(used)
        self.limiter.is_alone = settings.WORKERS <= 1
        self.store.prepare = self._prepare
        self.processes = ProcessRegistry(
            lambda: self.limiter.state.problem, self._count_processes, self.troubles
        )
        self.learned = LearnedFacts()
        self.learned_rows = LearnedRows(self.learned, self.store)
        self.prefixes = Prefixes()
        self.counting = Places(COUNTING_AT_ONCE, COUNTING_WAITING, COUNTING_BYTES)
        self._primed = asyncio.Event()
        self.is_draining = False
        self.exchanges: set[Stoppable] = set()
        self.activity = ActivityPublisher(self.exchanges, self.ledger)
        self.background = Background()
        for work, name in (
            (self.store.keep_current, "snapshot"),
            (self.breakers.run, "breakers"),
            (self.learned_rows.run, "learned facts"),
            (self.ledger.run, "ledger"),
            (self._count, "counters"),
            (self.processes.run, "processes"),
            (self.discovery.run, "discovery"),
            (partial(announcements.listen, self._stir), "announcements"),
            (self.activity.run, "pulse"),
            (sessions.keep_cleared, "sessions"),
        ):
            self.background.keep(work, name)

    def troubles(self) -> list[str]:
        """What operators should know of this process, one sentence each."""
        unreadable = self.spool.unreadable.items()
        return [
            *map(str, self.background.troubles()),
            *(f"Usage spool {name} cannot be read: {why}" for name, why in unreadable),
            *aside(self.ledger.state.set_aside),
        ]

    async def _count(self) -> None:
        """Know what keys with a quota have used before their first request, then keep count."""
        await self.store.loaded()
        limits = _limits(self.snapshot)
        if any(each.quotas for each in limits.values()):
            with suppress(TimeoutError):
                async with asyncio.timeout(INHERIT_SECONDS):
                    await self.ledger.has_inherited.wait()
        await self.limiter.prime(limits, time.time())
        self._primed.set()
        await self.limiter.run()

    async def _prepare(self, found: Snapshot) -> None:
        """A quota that is new, or for another period, counts what was used before its first
        request."""
        limits = _limits(found)
        self.limiter.follow(limits)
        unknown = self.limiter.unknown(limits) if self._primed.is_set() else {}
        if not unknown:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(INHERIT_SECONDS):
                await self.ledger.advance()
                await self.limiter.prime(unknown, time.time())

    def _count_processes(self, others: int) -> None:
        self.limiter.is_alone = settings.WORKERS <= 1 and not others

    def _stir(self) -> None:
        """Another process, or a page of this one, changed something."""
        self.store.wake()
        self.breakers.wake()

    @property
    def snapshot(self) -> Snapshot:
        return self.store.current

    async def ready(self) -> None:
        """Wait for the configuration, which is there after the first moments of a process."""
        if self.store.is_loaded and self._primed.is_set():
            return
        try:
            async with asyncio.timeout(START_SECONDS):
                await self.store.loaded()
                await self._primed.wait()
        except TimeoutError:
            raise ApiError(529, STARTING, retry_after=START_SECONDS) from None

    async def drain(
        self,
        seconds: float,
        is_busy: Callable[[], bool] = lambda: False,
        at_once: asyncio.Event | None = None,
    ) -> None:
        """Let running requests finish; end what is left after that many seconds, or `at_once`.

        `is_busy`: whether a connection has a request that has not come to the gateway yet, or an
        answer that has not reached its client.
        """
        self.is_draining = True
        at_once = at_once or asyncio.Event()
        deadline = asyncio.get_running_loop().time() + seconds
        while (self.exchanges or is_busy()) and not at_once.is_set():
            if asyncio.get_running_loop().time() >= deadline:
                break
            with suppress(TimeoutError):
                await asyncio.wait_for(at_once.wait(), DRAIN_TICK)
        for exchange in list(self.exchanges):
            exchange.interrupt()
        deadline = asyncio.get_running_loop().time() + LAST_WORDS
        while self.exchanges and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 - short
            await asyncio.sleep(DRAIN_TICK)

    async def aclose(self) -> None:
        """End background work and close every connection. Never raises, and ends in any case."""
        self.totals.close()
        for part, name in (
            (self.background.aclose(), "background work"),
            (self.ledger.aclose(), "ledger"),
            (self.limiter.aclose(), "counters"),
            (self.processes.aclose(), "row of this process"),
            (self.upstream.aclose(), "client of the backends"),
        ):
            await _closed(part, name)


def _limits(snapshot: Snapshot) -> dict[int, Limits]:
    return {key.id: key.limits for key in snapshot.keys.values() if not key.limits.is_empty}


async def _closed(part: Coroutine[Any, Any, None], name: str) -> None:
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await part
    except TimeoutError:
        logger.warning("the %s did not end in time", name)
    except Exception:  # the other parts are to be closed too
        logger.exception("the %s could not be closed", name)


_gateways: dict[asyncio.AbstractEventLoop, Gateway] = {}


def current() -> Gateway:
    """The gateway of the running loop, started by the first who asks."""
    loop = asyncio.get_running_loop()
    if loop not in _gateways:
        _gateways[loop] = Gateway()
    return _gateways[loop]


async def close() -> None:
    """Close the running loop's gateway, if there is one."""
    gateway = _gateways.pop(asyncio.get_running_loop(), None)
    if gateway is not None:
        await gateway.aclose()
