"""Backend model lists -> rows, on a schedule.

Each backend's list is read at the start, every DISCOVERY_INTERVAL after that, and not more often
than DISCOVERY_MIN_INTERVAL while it answers errors. A backend that cannot be reached is looked at
more often, so that it serves again soon after it is back. A list that needs a key when the operator
has none is read with the key of the next request that would go to this backend anyway; the key is
used once and not kept. A failed read changes nothing: the last known list stays.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import takewhile

from django.db import DatabaseError, transaction

from bridge.backends import model_list
from bridge.backends.client import BackendClient, did_not_answer
from bridge.backends.health import Health, identity
from bridge.clocks import Clock
from bridge.configuration.snapshot_store import SnapshotStore
from bridge.database_steps import in_database
from bridge.models import DiscoveredModel
from bridge.process_settings import BackendSettings
from bridge.routing import resolve
from bridge.routing.conditions import RequestTraits
from bridge.routing.types import CATCH_ALL, BackendConfig, Route
from bridge.translation.errors.api_error import ApiError
from bridge.translation.json import decode

logger = logging.getLogger(__name__)

TICK = 1.0
FIRST_WAIT = 3.0
"""Seconds after a backend became known in which requests wait for its first list."""
RECHECK_PAUSE = 10.0
UNREACHABLE_PAUSE = 10.0
"""Seconds between two looks at a backend that cannot be reached."""
SMALL_LIST = 1024 * 1024
"""Bytes of a list that is decoded on the event loop."""
LIST_TIMEOUT = 15.0
MAX_LIST_BYTES = 32 * 1024 * 1024
DETAILS_TIMEOUT = 10.0
MAX_DETAILS = 50
"""How many models are asked for one by one, where that tells more than the list."""


KeyFor = Callable[[BackendConfig], str]
"""The key that a request would send to this backend, "" for none."""


@dataclass(slots=True)
class DiscoveryProgress:
    """What discovery did for one backend so far. Times by the monotonic clock.

    `listed` models were in its list, unless `failure` says why there was none.
    """

    known_at: float
    due_at: float = 0.0
    read_at: float = float("-inf")
    rechecked_at: float = float("-inf")
    needs_key: bool = False
    listed: int = 0
    failure: str = ""
    reading: asyncio.Task[object] | None = None
    tried: asyncio.Event = field(default_factory=asyncio.Event)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class _StatusError(Exception):
    """The backend is there, but its answer is no model list."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Discovery:
    """Keeps the model rows of all backends current."""

    def __init__(
        self,
        upstream: BackendClient,
        health: Health,
        store: SnapshotStore,
        settings: BackendSettings,
        clock: Clock = time.monotonic,
    ) -> None:
        self._settings, self._clock = settings, clock
        self._upstream = upstream
        self._health = health
        self._store = store
        self._progress: dict[str, DiscoveryProgress] = {}

    def progress(self, backend: BackendConfig) -> DiscoveryProgress:
        mark = identity(backend)
        if mark not in self._progress:
            self._progress[mark] = DiscoveryProgress(known_at=self._clock())
        return self._progress[mark]

    async def run(self) -> None:
        """Refresh what is due, for as long as the process lives. No backend waits for another."""
        try:
            while True:
                await self._store.loaded()
                self._keep(self._backends())
                for backend in self._backends():
                    self._start_if_due(backend)
                await asyncio.sleep(TICK)
        finally:
            for progress in self._progress.values():
                if progress.reading is not None:
                    progress.reading.cancel()

    def _backends(self) -> list[BackendConfig]:
        return [b for b in self._store.current.routes.backends if not (b.is_demo or b.broken)]

    def _keep(self, backends: list[BackendConfig]) -> None:
        """Forget backends that are gone, and addresses and keys of before."""
        for mark in set(self._progress) - set(map(identity, backends)):
            progress = self._progress.pop(mark)
            if progress.reading is not None:
                progress.reading.cancel()

    def _start_if_due(self, backend: BackendConfig) -> None:
        progress = self.progress(backend)
        is_reading = progress.reading is not None and not progress.reading.done()
        if not is_reading and self._is_due(backend):
            loop = asyncio.get_running_loop()
            progress.reading = loop.create_task(self.refresh(backend, backend.key))

    def _is_due(self, backend: BackendConfig) -> bool:
        progress, now = self.progress(backend), self._clock()
        if self._health.of(backend).reachable is False:
            return now >= min(progress.due_at, progress.read_at + UNREACHABLE_PAUSE)
        return progress.due_at <= now and not (progress.needs_key and not backend.key)

    # --- before a request is routed ---

    async def prepare(
        self, name: str, sticky: str, key_for: KeyFor, traits: RequestTraits | None = None
    ) -> None:
        """Give the lists that decide where this name leads a moment to arrive.

        A list that needs a key is read with the caller's only where the request itself would go:
        one after another in the order of its route, until one of them is read or refused.
        """
        if not self._unknown():
            return
        await self._first_tries(self._deciding(name, sticky, traits))
        tried = set[str]()
        while backend := self._next_locked(name, sticky, tried, traits):
            tried.add(identity(backend))
            if key := key_for(backend):
                progress = await self.refresh(backend, key, only_if_due=True)
                if progress.failure and self._health.of(backend).reachable is not False:
                    return  # as it refuses the list, it will refuse the request

    async def prepare_lists(self, key_for: KeyFor) -> None:
        """The same for a request that asks what models there are, and leads nowhere.

        Only where there is a single backend is the caller's key meant for it.
        """
        await self._first_tries(self._unknown())
        for backend in self._backends() if len(self._backends()) == 1 else ():
            if self.progress(backend).needs_key and (key := key_for(backend)):
                await self.refresh(backend, key, only_if_due=True)

    def _unknown(self) -> list[BackendConfig]:
        return [b for b in self._backends() if b.models is None]

    def _deciding(
        self, name: str, sticky: str, traits: RequestTraits | None
    ) -> list[BackendConfig]:
        """The backends of unknown list of which one may turn out to be where the name leads."""
        routes = self._store.current.routes
        route = resolve.explain(routes, name, sticky, traits)[1]
        if isinstance(route, ApiError) or route.alias == CATCH_ALL:
            return self._unknown()
        return self._leading(route)

    def _leading(self, route: Route) -> list[BackendConfig]:
        """Those of unknown list that would be called first."""
        backends = (target.backend for target in route.targets)
        leading = takewhile(lambda b: b.models is None, backends)
        return [b for b in leading if not (b.is_demo or b.broken)]

    def _next_locked(
        self, name: str, sticky: str, tried: set[str], traits: RequestTraits | None
    ) -> BackendConfig | None:
        """The next backend on the name's route whose list needs a key."""
        route = resolve.explain(self._store.current.routes, name, sticky, traits)[1]
        if isinstance(route, ApiError):
            return None
        locked = (b for b in self._leading(route) if self.progress(b).needs_key)
        return next((b for b in locked if identity(b) not in tried), None)

    async def _first_tries(self, backends: list[BackendConfig]) -> None:
        """Wait until each of these was tried once, but not longer than FIRST_WAIT in all."""
        waiting = [p for p in map(self.progress, backends) if not p.tried.is_set()]
        if not waiting:
            return
        left = max(p.known_at for p in waiting) + FIRST_WAIT - self._clock()
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, left)):
                await asyncio.gather(*(progress.tried.wait() for progress in waiting))

    async def recheck(self, backend: BackendConfig, key: str) -> None:
        """The list seems to be out of date: read it again, but not for every such request."""
        progress = self.progress(backend)
        now = self._clock()
        if not backend.is_demo and now - progress.rechecked_at > RECHECK_PAUSE:
            progress.rechecked_at = now
            await self.refresh(backend, backend.key or key)

    async def refresh(
        self, backend: BackendConfig, key: str, *, only_if_due: bool = False
    ) -> DiscoveryProgress:
        """Read the list now. Never raises; what went wrong is logged and kept as `failure`."""
        progress = self.progress(backend)
        async with progress.lock:
            if only_if_due and progress.due_at > self._clock():
                return progress
            progress.read_at = self._clock()
            try:
                async with asyncio.timeout(LIST_TIMEOUT):
                    document = await self._get(backend, key, "models")
                entries = await self._with_details(backend, key, model_list.read_list(document))
                await self._store_entries(backend, entries)
                progress.listed, progress.failure = len(entries), ""
                self._note(backend, progress, self._settings.discovery_interval)
            except _StatusError as answer:
                progress.failure = f"It answered with status {answer.status}."
                self._refused(backend, progress, answer.status in (401, 403), bool(key))
            except ApiError as error:
                self._failed(backend, progress, error)
            except TimeoutError:
                self._failed(backend, progress, did_not_answer(LIST_TIMEOUT))
            except DatabaseError as error:
                progress.failure = "It could not be stored."
                logger.warning("model list of %s not stored: %s", backend.name, error)
                self._note(backend, progress, self._settings.discovery_interval)
            finally:
                progress.tried.set()
        return progress

    def _failed(self, backend: BackendConfig, progress: DiscoveryProgress, error: ApiError) -> None:
        """There was no whole answer. What the gateway itself lacks says nothing of the backend."""
        progress.failure = error.for_operators
        self._health.log(backend, f"model list not read: {error.for_operators}")
        if error.unreachable:
            pause = min(self._settings.discovery_interval, UNREACHABLE_PAUSE)
            self._note(backend, progress, pause, error=error.for_operators)
        else:
            pause = self._settings.discovery_interval if error.blames_backend else UNREACHABLE_PAUSE
            progress.due_at = self._clock() + pause

    def _refused(
        self, backend: BackendConfig, progress: DiscoveryProgress, wants_key: bool, with_key: bool
    ) -> None:
        """The backend answered, but with no list."""
        if wants_key and not progress.needs_key:
            logger.info("the model list of %s needs a key", backend.name)
        progress.needs_key = wants_key and not backend.key
        needs_callers_key = progress.needs_key and not with_key
        pause = 0.0 if needs_callers_key else self._settings.discovery_min_interval
        self._note(backend, progress, pause)

    def _note(
        self, backend: BackendConfig, progress: DiscoveryProgress, pause: float, *, error: str = ""
    ) -> None:
        """Whether it could be reached, and when to look again."""
        self._health.reached(backend, not error, error)
        progress.due_at = self._clock() + pause

    async def _get(self, backend: BackendConfig, key: str, path: str) -> object:
        reply = await self._upstream.get(backend, key, path)
        try:
            raw = await reply.read(MAX_LIST_BYTES)
            if reply.status != 200:
                raise _StatusError(reply.status)
            return decode(raw) if len(raw) <= SMALL_LIST else await asyncio.to_thread(decode, raw)
        except ValueError:
            raise _StatusError(reply.status) from None
        finally:
            await reply.aclose()

    async def _with_details(
        self, backend: BackendConfig, key: str, entries: list[model_list.ListedModel]
    ) -> list[model_list.ListedModel]:
        """The entries, each with what `/models/{id}` adds, where the first shows that it does."""
        found: dict[str, model_list.ListedModel] = {}
        try:
            async with asyncio.timeout(DETAILS_TIMEOUT):
                for entry in [entry for entry in entries if entry.is_bare][:MAX_DETAILS]:
                    detail = await self._get(backend, key, f"models/{entry.name}")
                    fuller = model_list.read_entry(detail)
                    if fuller is None or fuller.is_bare:
                        break
                    found[entry.name] = fuller
        except (_StatusError, ApiError, TimeoutError):
            pass  # the list alone is good enough
        return [found.get(entry.name, entry) for entry in entries]

    async def _store_entries(
        self, backend: BackendConfig, entries: list[model_list.ListedModel]
    ) -> None:
        if await in_database(_write)(backend.id, entries):
            await self._store.load()


@transaction.atomic
def _write(backend_id: int, entries: list[model_list.ListedModel]) -> bool:
    """Make the backend's rows fit its list; True when anything changed."""
    rows = {row.name: row for row in DiscoveredModel.objects.filter(backend_id=backend_id)}
    changed = False
    for entry in entries:
        row = rows.pop(entry.name, None) or DiscoveredModel(backend_id=backend_id, name=entry.name)
        # A bare entry tells nothing, so it does not undo details that came earlier.
        columns = {"listed": True} if row.pk and entry.is_bare else entry.columns()
        if row.pk is None or any(getattr(row, k) != v for k, v in columns.items()):
            for name, value in columns.items():
                setattr(row, name, value)
            row.save()
            changed = True
    gone = [row.pk for row in rows.values() if row.listed]
    if gone and entries:
        DiscoveredModel.objects.filter(pk__in=gone).update(listed=False)
        changed = True
    return changed
