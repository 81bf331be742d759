"""The body of a request under daphne, handed to the application as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, MutableMapping
from typing import Any

MAX_UNREAD_BYTES = 64 * 1024
"""Received and not yet taken by the application; above it the connection is not read."""


class Incoming:
    """What an application receives of a request. `put_nowait` is daphne's side of it."""

    def __init__(self, flow: Callable[[bool], None], invite: Callable[[], None]) -> None:
        self.is_complete = False
        self._flow = flow
        """Lets the connection be read, or not."""
        self._invite = invite
        """Tells a client that waits with its body that it may send it."""
        self._is_invited = False
        self._has_left = False
        self._is_given = False
        self._pieces: list[bytes] = []
        self._size = 0
        self._news = asyncio.Event()

    def feed(self, piece: bytes) -> None:
        if self._has_left:
            return
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size > MAX_UNREAD_BYTES:
            self._flow(False)
        self._news.set()

    def end(self) -> None:
        """The body is complete."""
        self.is_complete = True
        self._news.set()

    def put_nowait(self, message: MutableMapping[str, Any]) -> None:
        """Daphne puts an empty body here, which is not the body, and says when the client left."""
        if message["type"] == "http.disconnect":
            self._has_left = True
            self._pieces, self._size = [], 0
            self._news.set()

    async def receive(self) -> dict[str, Any]:
        """The next ASGI message. After the body, only that the client has left."""
        if not (self.is_complete or self._is_invited or self._has_left):
            self._is_invited = True
            self._invite()
        while not self._has_left and (self._is_given or not (self._pieces or self.is_complete)):
            self._news.clear()
            await self._news.wait()
        if self._has_left:
            return {"type": "http.disconnect"}
        body = b"".join(self._pieces)
        self._pieces, self._size = [], 0
        self._is_given = self.is_complete
        if not self.is_complete:
            self._flow(True)
        return {"type": "http.request", "body": body, "more_body": not self.is_complete}
