"""The snapshot of this process, and the loop that keeps it current.

A reload builds a new snapshot beside the old one and swaps a reference: running requests keep
theirs. When the database is away, the last good snapshot serves on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from django.db import DatabaseError, InterfaceError

from bridge.configuration import environment, snapshot
from bridge.configuration.row_faults import Fault
from bridge.configuration.snapshot import Snapshot
from bridge.database_steps import in_database
from bridge.pauses import Pause

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
RARELY_SECONDS = 10.0
"""Between two looks at rows while every change of them is told of."""
LOOK_SECONDS = 5.0
LOOK_GAP = 0.2
"""Longest wait for a look at the rows that requests asked for, and the time between two of them."""
MOST_WAITING = 256
"""Requests that may wait for one; the others go on with the snapshot that there is."""


class SnapshotStore:
    """Holds the current snapshot of this process. Create it on the running loop."""

    def __init__(self) -> None:
        self.current = Snapshot()
        self.prepare: Callable[[Snapshot], Awaitable[None]] = _nothing
        """Awaited before a snapshot becomes the current one. Must neither raise nor take long."""
        self.is_told = False
        """Whether `wake` is called for every change, whoever makes it."""
        self._loading = asyncio.Lock()
        self._loaded = asyncio.Event()
        self._pause = Pause(POLL_SECONDS)
        self._next_look: asyncio.Future[None] | None = None
        self._waiting = 0
        self._last_look = 0.0

    async def load(self) -> None:
        """Read the rows if their version is new. Raises DatabaseError."""
        async with self._loading:
            found = await in_database(snapshot.read)(self.current)
            if found is not None:
                self._report(found)
                await self.prepare(found)
                self.current = found
        self._loaded.set()

    def use(self, snapshot: Snapshot) -> None:
        """Make this the current snapshot."""
        self.current = snapshot
        self._loaded.set()

    @property
    def is_loaded(self) -> bool:
        return self._loaded.is_set()

    async def loaded(self) -> None:
        """Wait for the first snapshot."""
        await self._loaded.wait()

    async def start(self) -> None:
        """Bring the environment's rows up to date and load the first snapshot."""
        await in_database(environment.apply)()
        await self.load()

    def wake(self) -> None:
        """Look now: a change of the configuration was announced."""
        self._pause.end()

    async def look(self) -> None:
        """Wait until the rows were looked at once more, from this moment on.

        One look serves all that wait, and they are at least LOOK_GAP apart.
        """
        if self._waiting >= MOST_WAITING:
            return
        loop = asyncio.get_running_loop()
        if self._next_look is None:
            self._next_look = loop.create_future()
            loop.call_at(self._last_look + LOOK_GAP, self._pause.end)
        self._waiting += 1
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await asyncio.shield(self._next_look)
        finally:
            self._waiting -= 1

    def _looked(self, look: asyncio.Future[None] | None) -> None:
        if look is not None and not look.done():
            self._last_look = asyncio.get_running_loop().time()
            look.set_result(None)

    async def keep_current(self) -> None:
        """Reload within a second of any change, for as long as the process lives."""
        away = False
        while True:
            look, self._next_look = self._next_look, None
            try:
                await (self.load() if self.is_loaded else self.start())
                if away:
                    logger.warning("the configuration is current again")
                away = False
            except (DatabaseError, InterfaceError) as error:
                if not away:
                    logger.error("the database is away, the last snapshot serves on: %s", error)
                away = True
            except Exception:  # a row that cannot even be read must not end this loop
                if not away:
                    logger.exception("the rows are not readable, the last snapshot serves on")
                away = True
            self._looked(look)
            self._pause.seconds = RARELY_SECONDS if self.is_told and not away else POLL_SECONDS
            await self._pause.over()

    def _report(self, found: Snapshot) -> None:
        """Each broken row once, when it breaks."""
        for fault in found.faults:
            if fault not in self.current.faults:
                logger.error("%s %s is not as it should be: %s", *_named(fault))


async def _nothing(found: Snapshot) -> None:
    return None


def _named(fault: Fault) -> tuple[str, str, str]:
    return fault.kind, fault.name, fault.reason
