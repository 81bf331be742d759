"""What has come from a server and was not taken yet, and the one that waits for more.

A stream needs several clocks, and a read that a clock cancels must not lose its bytes. So bytes
wait here, and only the waiting times out. What piled up is handed over in portions; a reader that
takes nothing stops the reading from the server after MAX_AHEAD bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextvars import Context
from typing import Any, Protocol

from bridge.outbound.errors import TooMuchError

MAX_AHEAD = 128 * 1024
MAX_PORTION = 64 * 1024
"""Bytes handed over at a time; between two portions others get their turn."""


class Flow(Protocol):
    """Where bytes come from, and can be made to stop coming."""

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Bell:
    """What one task waits on, again and again, without a future for each time.

    It is a future as far as a task can tell (`asyncio.isfuture`). `ring` lets the task go on before
    it returns, or, where another task rings, in the next turn of the loop as `ring_soon` does.
    """

    __slots__ = ("_asyncio_future_blocking", "_callback", "_context", "_is_cancelled", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._asyncio_future_blocking = False
        self._loop = loop
        self._callback: Callable[[Bell], object] | None = None
        self._context: Context | None = None
        self._is_cancelled = False

    def __await__(self) -> Generator[Any, None, None]:
        self._asyncio_future_blocking = True
        yield self

    def ring(self) -> None:
        callback, context = self._callback, self._context
        if callback is None or context is None:
            return
        if asyncio.current_task(self._loop) is not None:
            self.ring_soon()
            return
        self._callback = self._context = None
        context.run(callback, self)

    def ring_soon(self) -> None:
        if (callback := self._callback) is not None:
            self._loop.call_soon(callback, self, context=self._context)
            self._callback = self._context = None

    # --- what a task calls ---

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def add_done_callback(
        self, callback: Callable[[Bell], object], *, context: Context | None = None
    ) -> None:
        self._callback, self._context = callback, context

    def cancel(self, msg: object = None) -> bool:
        if self._callback is None:
            return False  # it rings already
        self._is_cancelled = True
        self.ring_soon()
        return True

    def result(self) -> None:
        if self._is_cancelled:
            self._is_cancelled = False
            raise asyncio.CancelledError


def _as_it_is(error: Exception) -> Exception:
    return error


class Inbox:
    """Bytes for one reader. Create it on the running loop; `aclose` it in any case.

    worded     how an error reads for the reader
    received   bytes so far
    """

    def __init__(self, flow: Flow | None = None, limit: int | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._bell = Bell(self._loop)
        self._flow = flow
        self._left = limit
        self._chunks: list[bytes] = []
        self._size = 0
        self._is_paused = self._more_at_once = self._has_struck = False
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        self._interruption: Exception | None = None
        self.received = 0
        self.is_over = False
        self.failure: Exception | None = None
        self.worded = _as_it_is

    # --- the side of the server ---

    def feed(self, data: bytes) -> None:
        """More has come. The reader hears of it by `ring` or `ring_soon`."""
        size = len(data)
        if self._left is not None:
            self._left -= size
            if self._left < 0:
                self.end(TooMuchError())
        if self.is_over or not size:
            return
        self._chunks.append(data)
        self._size += size
        self.received += size
        if self._size > MAX_AHEAD and not self._is_paused:
            self._is_paused = True
            if self._flow is not None:
                self._flow.pause_reading()

    def end(self, failure: Exception | None = None) -> None:
        """Nothing comes any more, because of `failure` if one is given. The first one counts."""
        if not self.is_over:
            self.is_over, self.failure = True, failure

    def detach(self) -> None:
        """What brought the bytes serves somebody else from now on."""
        if self._is_paused and self._flow is not None:
            self._flow.resume_reading()
        self._flow = None

    def ring(self) -> None:
        """Let the reader go on before this returns, if there is something to take."""
        if self._chunks or self.is_over:
            self._bell.ring()

    def ring_soon(self) -> None:
        self._bell.ring_soon()

    def wake(self) -> None:
        """Let the reader go on before this returns, whether or not there is something to take."""
        self._bell.ring()

    # --- the side of the reader ---

    def now(self) -> float:
        """The time by which it waits, in seconds."""
        return self._loop.time()

    def restrict(self, limit: int | None) -> None:
        """More than `limit` bytes in all, with those that wait already, are an error."""
        self._left = None if limit is None else limit - self._size
        if self._left is not None and self._left < 0:
            self._chunks.clear()
            self.is_over, self.failure = True, TooMuchError()

    async def take(self, seconds: float | None) -> bytes | None:
        """The next bytes; b"" at the end; None when nothing came for that many `seconds`.

        Raises what the source failed with, after everything in front of it was taken.
        """
        if self._more_at_once:
            self._more_at_once = False
            await asyncio.sleep(0)
        while not (self._chunks or self.is_over) and self._interruption is None:
            if not await self.wait(seconds):
                return None
        if self._interruption is not None:
            raise self._interruption
        if self._chunks:
            return self._portion()
        if self.failure is not None:
            raise self.worded(self.failure)
        return b""

    def fail(self, error: Exception) -> None:
        """Let the next `take` raise this, whatever the server still sends."""
        self._interruption = error
        self._bell.ring_soon()

    async def wait(self, seconds: float | None) -> bool:
        """Whether something happened within so many seconds. One timer serves all waits: it is set
        anew when it strikes too early, and not for every piece that came in time."""
        self._has_struck = False
        if seconds is not None:
            self._deadline = self._loop.time() + seconds
            if self._timer is None or self._timer.when() > self._deadline:
                self._set_timer()
        elif self._timer is not None:
            self._stop_timer()
        await self._bell
        return not self._has_struck

    def close(self) -> None:
        """Nobody reads any more."""
        self._stop_timer()
        self.worded = _as_it_is  # else the reader and this would hold each other

    async def aclose(self) -> None:
        """The same, and whatever reads ahead has ended."""
        self.close()

    def _portion(self) -> bytes:
        """What piled up, as far as one step may take it."""
        chunks = self._chunks
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self._size = 0
        if len(data) > MAX_PORTION:
            data, rest = data[:MAX_PORTION], data[MAX_PORTION:]
            chunks.append(rest)
            self._size, self._more_at_once = len(rest), True
        if self._is_paused and self._size <= MAX_AHEAD:
            self._is_paused = False
            if self._flow is not None:
                self._flow.resume_reading()
        return data

    # --- the timer ---

    def _set_timer(self) -> None:
        self._stop_timer()
        self._timer = self._loop.call_at(self._deadline, self._strike)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _strike(self) -> None:
        self._timer = None
        if self._loop.time() < self._deadline:
            self._set_timer()
        else:
            self._has_struck = True
            self._bell.ring_soon()
