"""The pause between two rounds of a loop that runs for as long as its process."""

from __future__ import annotations

import asyncio


class Pause:
    """Lasts for some seconds, or until something ends it, which may come before it has begun."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._is_ended = False
        self._over: asyncio.Future[None] | None = None

    def end(self) -> None:
        """Let the next round begin now; behind the one that runs, if there is one."""
        self._is_ended = True
        if self._over is not None:
            _resolve(self._over)

    async def over(self) -> bool:
        """Wait for the next round; whether something has ended the pause."""
        if not self._is_ended:
            loop = asyncio.get_running_loop()
            self._over = loop.create_future()
            timer = loop.call_later(self.seconds, _resolve, self._over)
            try:
                await self._over
            finally:
                timer.cancel()
                self._over = None
        is_ended, self._is_ended = self._is_ended, False
        return is_ended


def _resolve(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)
