"""Places for work that must not crowd out everything else: so many at once, so many that wait.

What would wait beyond that is refused at once, so neither memory nor patience is used up.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class FullError(Exception):
    """As many wait already as may."""


class Places:
    """`at_once` may work at a time; the others wait, at most `waiting` and `waiting_bytes`."""

    def __init__(self, at_once: int, waiting: int, waiting_bytes: int = 2**62) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._most = waiting
        self._most_bytes = waiting_bytes
        self.waiting = 0
        self.waiting_bytes = 0

    @asynccontextmanager
    async def take(self, size: int = 0) -> AsyncIterator[None]:
        """A place for that many bytes, after those who came before. Raises FullError."""
        if self._free.locked():
            await self._wait(size)
        else:
            await self._free.acquire()
        try:
            yield
        finally:
            self._free.release()

    async def _wait(self, size: int) -> None:
        if self.waiting >= self._most or self.waiting_bytes + size > self._most_bytes:
            raise FullError
        self.waiting += 1
        self.waiting_bytes += size
        try:
            await self._free.acquire()
        finally:
            self.waiting -= 1
            self.waiting_bytes -= size
