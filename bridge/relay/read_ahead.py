"""The body of a backend's answer, read ahead, so that a wait for it may time out.

A stream needs three clocks (time to ping, backend idle, finish overdue), and a read that is
cancelled by a clock is lost with its connection. So a task of its own reads, and the waiting is
done here. What piled up meanwhile is handed over in portions; a client that takes nothing stops
the reading after MAX_AHEAD bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from bridge.translation.errors.api_error import ApiError
from bridge.translation.response.translate import TOO_LARGE

MAX_AHEAD = 128 * 1024
MAX_PORTION = 64 * 1024
"""Bytes handed over at a time; between two portions others get their turn."""


class ReadAhead:
    """Bytes from `source`. Create it on the running loop; `aclose` it in any case.

    More than `limit` bytes in all are an error. A stream that the client reads needs no limit.
    """

    def __init__(self, source: AsyncIterator[bytes], limit: int | None = None) -> None:
        self._left = limit
        self._chunks: list[bytes] = []
        self._size = 0
        self._more_at_once = False
        self._failure: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._room = asyncio.Event()
        self._room.set()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        self._reader = self._loop.create_task(self._read(source))
        self._reader.add_done_callback(self._wake)

    async def _read(self, source: AsyncIterator[bytes]) -> None:
        async for chunk in source:
            if self._left is not None:
                self._count(len(chunk))
            self._chunks.append(chunk)
            self._size += len(chunk)
            if self._waiter is not None:
                self._wake()
            if self._size > MAX_AHEAD:
                self._room.clear()
                await self._room.wait()

    def _count(self, size: int) -> None:
        self._left = (self._left or 0) - size
        if self._left < 0:
            raise ApiError.bad_gateway(TOO_LARGE)

    def _wake(self, _: object = None) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def take(self, seconds: float) -> bytes | None:
        """The next bytes; b"" at the end; None when nothing came for that many `seconds`.

        Raises what the source raised, after everything in front of it was taken.
        """
        if self._more_at_once:
            self._more_at_once = False
            await asyncio.sleep(0)
        if not self._chunks and not self._reader.done() and self._failure is None:
            await self._wait(seconds)
        if self._failure is not None:
            raise self._failure
        if self._chunks:
            return self._portion()
        if not self._reader.done():
            return None
        self._reader.result()
        return b""

    def _portion(self) -> bytes:
        """What piled up, as far as one step may take it."""
        data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self._size = 0
        if len(data) > MAX_PORTION:
            data, rest = data[:MAX_PORTION], data[MAX_PORTION:]
            self._chunks.append(rest)
            self._size, self._more_at_once = len(rest), True
        if self._size <= MAX_AHEAD:
            self._room.set()
        return data

    def fail(self, error: Exception) -> None:
        """Let the next `take` raise this, whatever the source still has."""
        self._failure = error
        self._wake()

    async def _wait(self, seconds: float) -> None:
        """Until there is something to take. One timer serves all waits: it is set anew when it
        rings too early, and not for every piece that came in time."""
        self._waiter = self._loop.create_future()
        self._deadline = self._loop.time() + seconds
        if self._timer is None or self._timer.when() > self._deadline:
            self._set_timer()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._deadline, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._waiter is None:
            return
        if self._loop.time() < self._deadline:
            self._set_timer()
        else:
            self._wake()

    async def aclose(self) -> None:
        """Stop reading. The source is left in the middle; its owner closes it."""
        if self._timer is not None:
            self._timer.cancel()
        if not self._reader.done():
            self._reader.cancel()
            await asyncio.wait({self._reader})
