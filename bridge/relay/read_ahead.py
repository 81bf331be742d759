"""The body of a backend's answer, read ahead, so that a wait for it may time out.

What comes from a socket waits in an inbox as it is read there. A body that is made here, or
unpacked, is read by a task of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from bridge.backends.client import Reply
from bridge.outbound.errors import TooMuchError
from bridge.outbound.inbox import Inbox
from bridge.translation.errors.api_error import ApiError
from bridge.translation.response.translate import TOO_LARGE


def inbox_of(reply: Reply, limit: int | None = None) -> Inbox:
    """Where the body of a reply arrives, without its content encoding. More than `limit` bytes in
    all are an error; a stream that the client reads needs no limit."""
    if reply.inbox is None:
        return ReadAhead(reply.chunks(), limit)
    reply.inbox.restrict(limit)
    return reply.inbox


class ReadAhead(Inbox):
    """Bytes from `source`. Create it on the running loop; `aclose` it in any case."""

    def __init__(self, source: AsyncIterator[bytes], limit: int | None = None) -> None:
        self._room = asyncio.Event()
        self._room.set()
        super().__init__(_Gate(self._room), limit)
        self.worded = _worded
        self._reader = asyncio.get_running_loop().create_task(self._read(source))
        self._reader.add_done_callback(self._ended)

    async def _read(self, source: AsyncIterator[bytes]) -> None:
        async for chunk in source:
            self.feed(chunk)
            self.ring_soon()
            if self.is_over:
                return
            if not self._room.is_set():
                await self._room.wait()

    def _ended(self, reader: asyncio.Task[None]) -> None:
        error = None if reader.cancelled() else reader.exception()
        self.end(error if isinstance(error, Exception) else None)
        self.ring_soon()

    async def aclose(self) -> None:
        """Stop reading. The source is left in the middle; its owner closes it."""
        self.close()
        if not self._reader.done():
            self._reader.cancel()
            await asyncio.wait({self._reader})


class _Gate:
    """What lets the source go on."""

    def __init__(self, room: asyncio.Event) -> None:
        self.pause_reading, self.resume_reading = room.clear, room.set


def _worded(error: Exception) -> Exception:
    return ApiError.bad_gateway(TOO_LARGE) if isinstance(error, TooMuchError) else error
