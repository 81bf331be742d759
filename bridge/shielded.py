"""Work that its caller's cancellation does not end: what was taken out of memory gets stored."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Shielded:
    """Work of one part of a process that goes on when whoever waits for it is cancelled."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`, or its error."""
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def finished(self) -> None:
        """Wait for all that still runs; an error went to its caller. Cancellation ends it."""
        await asyncio.gather(*self._running, return_exceptions=True)
