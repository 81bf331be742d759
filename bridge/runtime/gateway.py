"""The gateway of one process: its parts, and the work beside requests.

The constructor only puts the parts together. `async with` starts the background work (keeping the
snapshot current, discovery, the ledger) and ends with every part closed.

    async with Gateway(process_settings.read()) as gateway:
        ...
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, Self

from bridge import database_steps
from bridge.backends.breaker_sync import BreakerRows, marks
from bridge.backends.client import BackendClient
from bridge.backends.discovery import Discovery
from bridge.backends.health import Health
from bridge.backends.learned import LearnedFacts
from bridge.backends.learned_rows import LearnedRows
from bridge.backends.prefix_cache import Prefixes
from bridge.clocks import Clocks
from bridge.cluster import announcements
from bridge.configuration.snapshot import Snapshot
from bridge.configuration.snapshot_store import SnapshotStore
from bridge.kept_reads import KeptReads
from bridge.keys.authentication import KeyPolicy, fingerprint_key, is_loopback
from bridge.keys.limiter import Limiter
from bridge.keys.limits import AccountRef, Limits
from bridge.ledger.spending import used
from bridge.ledger.spool import Spool
from bridge.ledger.totals import ATTEMPTS_BY_BACKEND, TotalsReader, readers_by_account
from bridge.ledger.writer import Ledger, aside
from bridge.live.leader import Leader
from bridge.live.processes import ProcessRegistry
from bridge.live.publisher import ActivityPublisher
from bridge.places import Places
from bridge.process_settings import BackendSettings, BodySettings, KeySettings, ProcessSettings
from bridge.relay.parts import STARTING, ActiveRequest, RelayParts
from bridge.runtime import sessions
from bridge.runtime.background import Background
from bridge.runtime.body_memory import BodyMemory
from bridge.telemetry.forwarding import TelemetryForwarder
from bridge.tracing.tracer import tracer_of
from bridge.translation.errors.api_error import ApiError
from bridge.translation.request.schema import RequestLimits
from bridge.warnings.sender import WarningSender
from bridge.warnings.watcher import Watcher

logger = logging.getLogger(__name__)

START_SECONDS = 5
INHERIT_SECONDS = 3.0
"""How long budgets wait for what a killed process had not put into the ledger yet."""
COUNTING_AT_ONCE = 2
COUNTING_WAITING = 64
COUNTING_BYTES = 64 * 1024 * 1024
"""Requests to count_tokens that are worked on, and that wait, with their bodies' bytes."""
DRAIN_TICK = 0.1
LAST_WORDS = 2.0
"""Time for interrupted requests to send their error event, in seconds."""
CLOSE_SECONDS = 6.0
"""Longest that one part may take to close; more than each part gives itself."""


class Gateway:
    """One process's gateway; start it inside the running event loop.

    `relay` has the parts that a request works with.
    """

    def __init__(self, settings: ProcessSettings, clocks: Clocks | None = None) -> None:
        clocks = clocks or Clocks()
        self.settings = settings
        self._clocks = clocks
        self.store = SnapshotStore()
        self.store.prepare = self._prepare
        self.upstream = BackendClient(settings.backends.backend_connect_timeout)
        self.health = _health(settings.backends, clocks)
        self.breakers = BreakerRows(self.health, self.store, clocks.wall)
        self.discovery = Discovery(
            self.upstream, self.health, self.store, settings.backends, clocks.steady
        )
        self.body_memory = BodyMemory(settings.bodies.max_body_memory, "setting MAX_BODY_MEMORY")
        self.limits = _request_limits(settings.bodies)
        self.keys = _key_policy(settings.keys)
        kept = settings.ledger
        self.spool = Spool(kept.data_dir / "spool", kept.spool_max_bytes, clocks.steady)
        self.ledger = Ledger(self.spool, kept.usage_retention_days, clocks, kept.samples_max_bytes)
        self.totals, self.attempt_totals = TotalsReader(), TotalsReader(ATTEMPTS_BY_BACKEND)
        self.account_totals = readers_by_account(settings.access.metrics_by)
        self.reads = KeptReads()
        self.telemetry = TelemetryForwarder(settings.telemetry)
        self.tracer = tracer_of(settings.tracing, settings.version, clocks.steady)
        self.limiter = Limiter(used, with_redis=bool(settings.redis_url))
        self.processes = ProcessRegistry(
            lambda: self.limiter.state.problem,
            self._count_processes,
            self.troubles,
            lambda: self.ledger.behind,
            settings.ledger.data_dir,
        )
        self.leader = Leader("scheduled work", clocks.steady, changed=self._leads)
        self.sender = WarningSender(self.leader, clocks.wall)
        self.watcher = Watcher(self.leader, clocks, found=self.sender.wake)
        self.learned = LearnedFacts()
        self.learned_rows = LearnedRows(self.learned, self.store)
        self.primed = asyncio.Event()
        """Set when the limiter knows what keys with a quota have used."""
        self.is_draining = False
        self.exchanges: set[ActiveRequest] = set()
        self.activity = ActivityPublisher(
            self.exchanges, self.ledger, clocks, with_redis=bool(settings.redis_url)
        )
        self.background = Background(clocks.steady)
        self.relay = self._relay_parts()
        self._count_processes(0)

    def _relay_parts(self) -> RelayParts:
        return RelayParts(
            settings=self.settings.relay,
            clocks=self._clocks,
            limits=self.limits,
            keys=self.keys,
            store=self.store,
            upstream=self.upstream,
            health=self.health,
            discovery=self.discovery,
            learned=self.learned,
            prefixes=Prefixes(),
            limiter=self.limiter,
            spool=self.spool,
            counting=Places(COUNTING_AT_ONCE, COUNTING_WAITING, COUNTING_BYTES),
            activity=self.activity,
            ready=self.ready,
            tracer=self.tracer,
            exchanges=self.exchanges,
        )

    # --- start and end ---

    def start(self) -> None:
        """Start the background work. Call it once, and `aclose` in the end."""
        for work, name in (
            (self.store.keep_current, "snapshot"),
            (self.breakers.run, "breakers"),
            (self.learned_rows.run, "learned facts"),
            (self.ledger.run, "ledger"),
            (self._count, "counters"),
            (self.processes.run, "processes"),
            (self.discovery.run, "discovery"),
            (partial(announcements.listen, self._wake, marks, self._told), "announcements"),
            (self.activity.run, "pulse"),
            (sessions.keep_cleared, "sessions"),
            (self.telemetry.run, "telemetry"),
            (self.leader.run, "leader"),
            (self.watcher.run, "warnings"),
            (self.sender.run, "deliveries of warnings"),
        ):
            self.background.keep(work, name)

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def troubles(self) -> list[str]:
        """What operators should know of this process, one sentence each."""
        unreadable = self.spool.unreadable.items()
        return [
            *map(str, self.background.troubles()),
            *(f"Usage spool {name} cannot be read: {why}" for name, why in unreadable),
            *aside(self.ledger.state.set_aside),
        ]

    async def _count(self) -> None:
        """Know what accounts with a quota have used before their first request, then keep count."""
        await self.store.loaded()
        limits = _limits(self.snapshot)
        if any(each.quotas for each in limits.values()):
            with suppress(TimeoutError):
                async with asyncio.timeout(INHERIT_SECONDS):
                    await self.ledger.has_inherited.wait()
        await self.limiter.prime(limits, self._clocks.wall())
        self.primed.set()
        await self.limiter.run()

    async def _prepare(self, snapshot: Snapshot) -> None:
        """A quota that is new, or for another period, counts what was used before its first
        request."""
        limits = _limits(snapshot)
        self.limiter.follow(limits)
        unknown = self.limiter.unknown(limits) if self.primed.is_set() else {}
        if not unknown:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(INHERIT_SECONDS):
                await self.ledger.advance()
                await self.limiter.prime(unknown, self._clocks.wall())

    def _count_processes(self, others: int) -> None:
        is_alone = self.settings.workers <= 1 and not others
        self.limiter.is_alone = self.relay.sessions.is_alone = is_alone

    def _wake(self) -> None:
        """Another process, or a page of this one, changed something."""
        self.store.wake()
        self.breakers.wake()
        self.watcher.wake()

    def _told(self, is_told: bool) -> None:
        """Whether `_wake` will be called for every change."""
        self.store.is_told = self.breakers.is_told = is_told
        self._wake()

    def _leads(self) -> None:
        """This process is the one that does what is done once in a cluster."""
        self.watcher.wake()
        self.sender.wake()

    @property
    def snapshot(self) -> Snapshot:
        return self.store.current

    async def ready(self) -> None:
        """Wait for the configuration, which is there after the first moments of a process."""
        if self.store.is_loaded and self.primed.is_set():
            return
        try:
            async with asyncio.timeout(START_SECONDS):
                await self.store.loaded()
                await self.primed.wait()
        except TimeoutError:
            raise ApiError(529, STARTING, retry_after=START_SECONDS) from None

    async def drain(
        self,
        seconds: float,
        is_busy: Callable[[], bool] = lambda: False,
        at_once: asyncio.Event | None = None,
    ) -> None:
        """Let running requests finish, for that many seconds, or until `at_once`.

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

    async def interrupt_rest(self) -> None:
        """End the requests that still run, each with an error that its client retries."""
        for exchange in list(self.exchanges):
            exchange.interrupt()
        deadline = asyncio.get_running_loop().time() + LAST_WORDS
        while self.exchanges and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 - short
            await asyncio.sleep(DRAIN_TICK)

    async def aclose(self) -> None:
        """End background work and close every connection. Never raises, and ends in any case."""
        for totals in (self.totals, self.attempt_totals, *self.account_totals.values()):
            totals.close()
        for part, name in (
            (self.background.aclose(), "background work"),
            (self.breakers.aclose(), "circuit breakers"),
            (self.learned_rows.aclose(), "learned facts"),
            (self.ledger.aclose(), "ledger"),
            (self.limiter.aclose(), "counters"),
            (self.processes.aclose(), "row of this process"),
            (self.leader.aclose(), "lease"),
            (self.upstream.aclose(), "client of the backends"),
            (database_steps.close(), "database"),
        ):
            await _closed(part, name)
        if self.tracer is not None:
            await _closed(self.tracer.export.aclose(), "export of traces")


def _health(backends: BackendSettings, clocks: Clocks) -> Health:
    return Health(
        backends.breaker_failures,
        backends.breaker_seconds,
        clock=clocks.steady,
        rest_max=backends.rate_limit_rest_max,
    )


def _request_limits(bodies: BodySettings) -> RequestLimits:
    return RequestLimits(bodies.max_messages, bodies.max_content_bytes, bodies.max_json_depth)


def _key_policy(keys: KeySettings) -> KeyPolicy:
    return KeyPolicy(
        keys.chutes_auth_style,
        keys.require_gateway_key,
        is_loopback(keys.host),
        fingerprint_key(keys.secret_key),
    )


def _limits(snapshot: Snapshot) -> dict[AccountRef, Limits]:
    """What is counted: keys, people and teams with limits."""
    accounts = (account for key in snapshot.keys.values() for account in key.accounts)
    return {account.ref: account.limits for account in accounts}


async def _closed(part: Coroutine[Any, Any, None], name: str) -> None:
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await part
    except TimeoutError:
        logger.warning("the %s did not end in time", name)
    except Exception:  # the other parts are to be closed too
        logger.exception("the %s could not be closed", name)


_running: dict[asyncio.AbstractEventLoop, Gateway] = {}


def start(settings: ProcessSettings) -> Gateway:
    """Start the gateway of the running loop. The server does so once, before its first request."""
    loop = asyncio.get_running_loop()
    if loop in _running:
        raise RuntimeError("The gateway of this event loop runs already.")
    gateway = Gateway(settings)
    gateway.start()
    _running[loop] = gateway
    return gateway


def running() -> Gateway | None:
    """The gateway of the running loop; None outside a server."""
    return _running.get(asyncio.get_running_loop())


def current() -> Gateway:
    """The gateway of the running loop. RuntimeError outside a server: nothing is started here."""
    gateway = running()
    if gateway is None:
        raise RuntimeError("No gateway runs in this event loop.")
    return gateway


async def close() -> None:
    """Close the running loop's gateway, if there is one."""
    gateway = _running.pop(asyncio.get_running_loop(), None)
    if gateway is not None:
        await gateway.aclose()
