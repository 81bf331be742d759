"""The pause between two rounds of a loop that runs for as long as its process."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class Pause:
    """Lasts for some seconds, or until something ends it, which may come before it has begun."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ended = asyncio.Event()

    def end(self) -> None:
        """Let the next round begin now; behind the one that runs, if there is one."""
        self._ended.set()

    async def over(self) -> None:
        """Wait for the next round."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._seconds):
                await self._ended.wait()
        self._ended.clear()
