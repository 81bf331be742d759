"""A time-out for what another server must answer, fair to it while this process is busy itself.

A loop that has hundreds of requests to work on reads an answer long after it came. By the clock
alone Redis would count as away at the very moment when many requests have to be counted together.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

TICK_SECONDS = 0.05


class Patience:
    """As `asyncio.timeout`: TimeoutError after so many seconds, of those in which the loop had its
    turn. What a tick comes late is given on top.

        async with Patience(1.0):
            await answer
    """

    def __init__(self, seconds: float) -> None:
        self._limit = asyncio.timeout(seconds)
        self._loop = asyncio.get_running_loop()
        self._tick: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        await self._limit.__aenter__()
        self._wait()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._tick is not None:
            self._tick.cancel()
        await self._limit.__aexit__(kind, error, trace)

    def _wait(self) -> None:
        self._tick = self._loop.call_later(TICK_SECONDS, self._came)

    def _came(self) -> None:
        """Timers come in their order, so this one comes before the end that it puts off."""
        assert self._tick is not None
        end, late = self._limit.when(), self._loop.time() - self._tick.when()
        if end is not None and not self._limit.expired():
            self._limit.reschedule(end + late)
            self._wait()
