"""Backend model lists -> rows, on a schedule.

Each backend is asked for its list at the start, every DISCOVERY_INTERVAL after that, and not more
often than DISCOVERY_MIN_INTERVAL while it answers errors. A list that needs a key when the
operator has none is read with the key of the next request, which is used once and not kept.
A failed read changes nothing: the last known list stays.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field

from channels.db import database_sync_to_async
from django.conf import settings
from django.db import DatabaseError, transaction

from bridge.backends import model_list
from bridge.backends.client import BackendClient
from bridge.backends.health import Health
from bridge.configuration.snapshot_store import SnapshotStore
from bridge.models import DiscoveredModel
from bridge.routing.resolve import BackendConfig
from bridge.translation.errors.api_error import ApiError
from bridge.translation.json import decode

logger = logging.getLogger(__name__)

TICK = 1.0
FIRST_WAIT = 3.0
"""Longest that a request waits for the first list of a backend."""
RECHECK_PAUSE = 10.0
LIST_TIMEOUT = 15.0
MAX_LIST_BYTES = 32 * 1024 * 1024
DETAILS_TIMEOUT = 10.0
MAX_DETAILS = 50
"""How many models are asked for one by one, where that tells more than the list."""


@dataclass(slots=True)
class DiscoveryProgress:
    """What discovery did for one backend so far. Times by the monotonic clock.

    `listed` models were in its list, unless `failure` says why there was none.
    """

    due_at: float = 0.0
    rechecked_at: float = float("-inf")
    needs_key: bool = False
    listed: int = 0
    failure: str = ""
    tried: asyncio.Event = field(default_factory=asyncio.Event)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class _Answered(Exception):
    """The backend is there, but what it said is no model list."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Discovery:
    """Keeps the model rows of all backends current."""

    def __init__(self, upstream: BackendClient, health: Health, store: SnapshotStore) -> None:
        self._upstream = upstream
        self._health = health
        self._store = store
        self._progress: dict[str, DiscoveryProgress] = {}

    def progress(self, backend: BackendConfig) -> DiscoveryProgress:
        return self._progress.setdefault(f"{backend.name} {backend.url}", DiscoveryProgress())

    async def run(self) -> None:
        """Refresh what is due, for as long as the process lives."""
        while True:
            await self._store.loaded()
            due = [b for b in self._backends() if self._is_due(b)]
            await asyncio.gather(*(self.refresh(backend, backend.key) for backend in due))
            await asyncio.sleep(TICK)

    def _backends(self) -> list[BackendConfig]:
        return [b for b in self._store.current.routes.backends if not (b.is_demo or b.broken)]

    def _is_due(self, backend: BackendConfig) -> bool:
        progress = self.progress(backend)
        return progress.due_at <= time.monotonic() and not (progress.needs_key and not backend.key)

    async def prepare(self, key: str) -> None:
        """Before routing: give a backend whose list is not known yet a moment to tell it.

        `key` is the caller's; it is tried where the list needs one.
        """
        unknown = [b for b in self._backends() if b.models is None]
        waits = [self._first_list(backend, key) for backend in unknown]
        if waits:
            await asyncio.wait([asyncio.ensure_future(w) for w in waits], timeout=FIRST_WAIT)

    async def _first_list(self, backend: BackendConfig, key: str) -> None:
        progress = self.progress(backend)
        await progress.tried.wait()
        if progress.needs_key and key:
            await self.refresh(backend, key, only_if_due=True)

    async def recheck(self, backend: BackendConfig, key: str) -> None:
        """The list seems to be out of date: read it again, but not for every such request."""
        progress = self.progress(backend)
        now = time.monotonic()
        if not backend.is_demo and now - progress.rechecked_at > RECHECK_PAUSE:
            progress.rechecked_at = now
            await self.refresh(backend, backend.key or key)

    async def refresh(self, backend: BackendConfig, key: str, *, only_if_due: bool = False) -> None:
        """Read the list now. Never raises; what went wrong is logged and shown by /health."""
        progress = self.progress(backend)
        async with progress.lock:
            if only_if_due and progress.due_at > time.monotonic():
                return
            try:
                async with asyncio.timeout(LIST_TIMEOUT):
                    document = await self._get(backend, key, "models")
                entries = await self._with_details(backend, key, model_list.read_list(document))
                await self._store_entries(backend, entries)
                progress.listed, progress.failure = len(entries), ""
                self._note(backend, progress, settings.DISCOVERY_INTERVAL, reachable=True)
            except _Answered as answer:
                progress.failure = f"It answered with status {answer.status}."
                self._refused(backend, progress, answer.status in (401, 403), bool(key))
            except (ApiError, TimeoutError) as error:
                progress.failure = getattr(error, "message", "") or "It did not answer in time."
                self._note(backend, progress, settings.DISCOVERY_INTERVAL, reachable=False)
            except DatabaseError as error:
                progress.failure = "It could not be stored."
                logger.warning("model list of %s not stored: %s", backend.name, error)
                self._note(backend, progress, settings.DISCOVERY_INTERVAL, reachable=True)
            finally:
                progress.tried.set()

    def _refused(
        self, backend: BackendConfig, progress: DiscoveryProgress, wants_key: bool, with_key: bool
    ) -> None:
        """The backend answered, but with no list."""
        if wants_key and not progress.needs_key:
            logger.info("the model list of %s needs a key", backend.name)
        progress.needs_key = wants_key and not backend.key
        asked_in_vain = progress.needs_key and not with_key
        pause = 0.0 if asked_in_vain else settings.DISCOVERY_MIN_INTERVAL
        self._note(backend, progress, pause, reachable=True)

    def _note(
        self, backend: BackendConfig, progress: DiscoveryProgress, pause: float, *, reachable: bool
    ) -> None:
        condition = self._health.of(backend)
        if condition.reachable is not reachable:
            logger.info("backend %s is %s", backend.name, "up" if reachable else "not reachable")
        condition.reachable = reachable
        progress.due_at = time.monotonic() + pause

    async def _get(self, backend: BackendConfig, key: str, path: str) -> object:
        reply = await self._upstream.get(backend, key, path)
        try:
            raw = await reply.read(MAX_LIST_BYTES)
            if reply.status != 200:
                raise _Answered(reply.status)
            return decode(raw)
        except ValueError:
            raise _Answered(reply.status) from None
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
        except (_Answered, ApiError, TimeoutError):
            pass  # the list alone is good enough
        return [found.get(entry.name, entry) for entry in entries]

    async def remember_refused(
        self, backend: BackendConfig, model: str, names: tuple[str, ...]
    ) -> None:
        """Note in the model's row that the backend refuses these fields."""
        try:
            await database_sync_to_async(_add_refused)(backend.id, model, names)
        except DatabaseError as error:
            logger.warning("refused fields of %s not stored: %s", model, error)

    async def _store_entries(
        self, backend: BackendConfig, entries: list[model_list.ListedModel]
    ) -> None:
        if await database_sync_to_async(_write)(backend.id, entries):
            await self._store.load()


@transaction.atomic
def _write(backend_id: int, entries: list[model_list.ListedModel]) -> bool:
    """Make the backend's rows fit its list; True when anything changed."""
    rows = {row.name: row for row in DiscoveredModel.objects.filter(backend_id=backend_id)}
    changed = False
    for entry in entries:
        row = rows.pop(entry.name, None) or DiscoveredModel(backend_id=backend_id, name=entry.name)
        # A bare entry tells nothing, so it does not undo what details once told.
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


def _add_refused(backend_id: int, model: str, names: tuple[str, ...]) -> None:
    row = DiscoveredModel.objects.filter(backend_id=backend_id, name=model).first()
    if row is not None and not set(names) <= set(row.refused):
        row.refused = sorted({*row.refused, *names})
        row.save()
