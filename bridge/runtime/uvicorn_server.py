"""Uvicorn's server for one process, which sleeps while nothing happens."""

from __future__ import annotations

import asyncio
from types import FrameType

import uvicorn

from bridge.pauses import Pause

TICK_SECONDS = 1.0
"""Between two dates for the headers of answers."""


class CalmServer(uvicorn.Server):
    """Uvicorn looks ten times a second whether a signal came; this one is woken by it."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._pause = Pause(TICK_SECONDS)
        self._loop: asyncio.AbstractEventLoop | None = None

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        while not await self.on_tick(0):
            await self._pause.over()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._pause.end)  # a signal comes at any moment
