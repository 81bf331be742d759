"""Reads of the database for the event loop of the data plane, where a client may ask at any rate.

An answer serves for a moment, whoever asks for the same meanwhile waits for one read, and no more
than a few threads read at a time.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from channels.db import database_sync_to_async

from bridge.places import FullError, Places

KEPT_SECONDS = 2.0
"""So long an answer serves for the same question."""
MOST_KEPT = 4096
READS_AT_ONCE = 4
READS_WAITING = 64
READS_OF_ONE = 8
"""So many different questions may one asker have open: the others find places too."""
READ_SECONDS = 5.0
"""So long somebody waits for an answer."""

T = TypeVar("T")


class KeptReads:
    """Create it inside the running event loop."""

    def __init__(self) -> None:
        self._reads: dict[Hashable, tuple[float, asyncio.Task[Any]]] = {}
        self._open: Counter[Hashable] = Counter()
        self._places = Places(READS_AT_ONCE, READS_WAITING)

    async def read(self, question: Hashable, work: Callable[[], T], asker: Hashable = None) -> T:
        """What `work` finds in a thread, now or a moment ago. `question`: what it is the answer to.

        Raises what `work` raises, TimeoutError where that takes too long or too many wait, and
        FullError where the asker has too many open.
        """
        now = asyncio.get_running_loop().time()
        begun, reading = self._reads.get(question, (0.0, None))
        if reading is None or (reading.done() and now - begun > KEPT_SECONDS):
            if len(self._reads) >= MOST_KEPT:
                self._reads.clear()
            reading = self._begin(work, asker)
            self._reads[question] = now, reading
        async with asyncio.timeout(READ_SECONDS):
            found: T = await asyncio.shield(reading)
            return found

    def _begin(self, work: Callable[[], T], asker: Hashable) -> asyncio.Task[T]:
        if asker is not None and self._open[asker] >= READS_OF_ONE:
            raise FullError

        def end(_: asyncio.Task[T]) -> None:
            self._open[asker] -= 1
            if not self._open[asker]:
                del self._open[asker]

        self._open[asker] += 1
        reading = asyncio.ensure_future(self._read(work))
        reading.add_done_callback(_seen)
        reading.add_done_callback(end)
        return reading

    async def _read(self, work: Callable[[], T]) -> T:
        """A place is taken until the thread is done, also when nobody waits for it any more."""
        try:
            async with self._places.take():
                found: T = await database_sync_to_async(work, thread_sensitive=False)()
                return found
        except FullError:
            raise TimeoutError from None


def _seen(reading: asyncio.Task[Any]) -> None:
    """Its error, if it has one, is of no interest when nobody waits for it any more."""
    if not reading.cancelled():
        reading.exception()
