"""Requests to other servers, over connections that are kept for the next one.

No redirect is followed, no cookie kept, no proxy of the environment asked, nothing unpacked.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from contextvars import ContextVar

from bridge.outbound.address import HttpServer, address_of
from bridge.outbound.connection import HttpConnection, HttpReply
from bridge.outbound.dialing import Dialer
from bridge.outbound.errors import ClosedError, SilentError
from bridge.outbound.tunnel import ForwardProxy

logger = logging.getLogger(__name__)

IDLE_CONNECTION_SECONDS = 4.0
"""Idle connections are given up before the usual server side limit of 5 s, so that a request is
not written into a connection that the server is just closing."""
CLOSING_SECONDS = 2.0
"""A request that meets a connection which is just closing hears of it within a round trip. What
ends later than this was read, and may have been worked on."""


_connected_at: ContextVar[float | None] = ContextVar("when the latest request got its connection")


def connected_at() -> float | None:
    """The moment, by the monotonic clock, at which this task's latest request got a connection,
    and so was on its way; None before that."""
    return _connected_at.get(None)


class HttpClient:
    """All connections of one process. They are made by its first request."""

    def __init__(self, connect_timeout: float, proxy: ForwardProxy | None = None) -> None:
        self._dialer = Dialer(connect_timeout, proxy)
        self._open = set[HttpConnection]()
        self._all_lost = asyncio.Event()
        self._idle: dict[HttpServer, list[HttpConnection]] = {}
        self._sweeping: asyncio.TimerHandle | None = None

    async def request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, seconds: float
    ) -> HttpReply:
        """The reply, when its head is there. Close it in any case.

        A request that nobody read is sent once more, over a new connection and without a pause:
        other idle connections may be closing too, and a new one never fails like this. It is no
        second try: whatever the first chance meets now, the caller's second one is still left.
        Raises OutboundError, SilentError among them after so many `seconds`, and OSError.
        """
        _connected_at.set(None)
        address = address_of(url)
        head, content = address.head(method, headers, body), body or b""
        deadline = time.monotonic() + seconds
        if (kept := self._kept(address.server)) is not None:
            reply = _sent(kept, head, content)
            try:
                return await _answered(reply, seconds)
            except (ClosedError, ConnectionError):
                if not _was_not_read(reply):
                    raise
                logger.debug("a server was closing a connection; sent again")
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                made = await self._made(address.server)
        except TimeoutError:
            raise SilentError from None
        return await _answered(_sent(made, head, content), deadline - time.monotonic())

    async def aclose(self) -> None:
        """Close all connections, those in use as well."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        self._idle.clear()
        for connection in [*self._open]:
            connection.abort()
        if self._open:
            self._all_lost.clear()
            await self._all_lost.wait()

    # --- connections ---

    def _kept(self, server: HttpServer) -> HttpConnection | None:
        """An idle connection, the one that was used last."""
        idle = self._idle.get(server)
        now = asyncio.get_running_loop().time()
        while idle:
            connection = idle.pop()
            if connection.is_usable():
                is_fresh = now - connection.idle_at < IDLE_CONNECTION_SECONDS
                if is_fresh and connection.is_quiet():
                    return connection
                connection.close()
        return None

    async def _made(self, server: HttpServer) -> HttpConnection:
        def keep(connection: HttpConnection) -> None:
            self._keep(server, connection)

        connection = await self._dialer.dial(server, lambda: HttpConnection(keep, self._lose))
        self._open.add(connection)
        return connection

    def _lose(self, connection: HttpConnection) -> None:
        self._open.discard(connection)
        if not self._open:
            self._all_lost.set()

    def _keep(self, server: HttpServer, connection: HttpConnection) -> None:
        loop = asyncio.get_running_loop()
        connection.idle_at = loop.time()
        self._idle.setdefault(server, []).append(connection)
        if self._sweeping is None:
            self._sweeping = loop.call_later(IDLE_CONNECTION_SECONDS, self._sweep)

    def _sweep(self) -> None:
        """Close what was idle for too long. One timer serves all connections."""
        self._sweeping = None
        loop = asyncio.get_running_loop()
        oldest = loop.time() - IDLE_CONNECTION_SECONDS
        for server, connections in [*self._idle.items()]:
            for connection in connections:
                if connection.idle_at <= oldest:
                    connection.close()
            left = [each for each in connections if each.is_usable()]
            if left:
                self._idle[server] = left
            else:
                del self._idle[server]
        if self._idle:
            first = min(each.idle_at for of in self._idle.values() for each in of)
            self._sweeping = loop.call_at(first + IDLE_CONNECTION_SECONDS, self._sweep)


def _sent(connection: HttpConnection, head: bytes, body: bytes) -> HttpReply:
    _connected_at.set(time.monotonic())
    return connection.send(head, body)


async def _answered(reply: HttpReply, seconds: float) -> HttpReply:
    """The reply, when its head is there."""
    try:
        await reply.wait_for_head(seconds)
    except BaseException:
        reply.close()
        raise
    return reply


def _was_not_read(reply: HttpReply) -> bool:
    """Whether a request failed on a kept connection only because that had come to its end.

    Some servers promise to keep a connection and then close it right behind their answer
    (llama.cpp's does so after each stream). A request that follows at once is written before the
    news is here, and meets a closed socket: nobody has read it, so it may be sent again, although
    it is a POST, and the server is not to blame. It looks like this:

    - the connection was used before; what drops a new one has taken the request;
    - it ended at once, and not after a while of work;
    - no byte of a reply came.
    """
    at = connected_at()
    ended_at_once = at is not None and time.monotonic() - at <= CLOSING_SECONDS
    return ended_at_once and not reply.has_begun
