"""The connections to the backends: httpx's requests and replies over aiohttp's connections.

aiohttp reads and writes HTTP in C, at less than half the price of httpx's own connections. Nothing
of what browsers want is on: no redirects, no cookies, no proxies of the environment, nothing
unpacked. Exceptions are aiohttp's, which tell more causes apart than httpx's; `failures` has them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

import aiohttp
import httpx

logger = logging.getLogger(__name__)

IDLE_CONNECTION_SECONDS = 4.0
"""Idle connections are given up before the usual server side limit of 5 s, so that a request is
not written into a connection that the backend is just closing."""
CLOSING_SECONDS = 2.0
"""A request that meets a connection which is just closing hears of it within a round trip. What
ends later than this was read, and may have been worked on."""


@dataclass(frozen=True, slots=True)
class _Connected:
    """That a request got its connection: when, and whether it had served others before."""

    at: float
    reused: bool


_connections: ContextVar[list[_Connected]] = ContextVar("the connections of this request")


def has_connected() -> bool:
    """Whether this task's latest request got a connection, and so was on its way."""
    return bool(_connections.get(None))


def connected_at() -> float | None:
    """The moment, by the monotonic clock, at which this task's latest request got it."""
    noted = _connections.get(None)
    return noted[-1].at if noted else None


class _Connector(aiohttp.TCPConnector):
    """Notes when a request got its connection, a new one or one that was idle.

    aiohttp's tracing says the same, at the price of a dozen calls for each request.
    """

    def __init__(self, **pool: Any) -> None:
        super().__init__(limit=0, **pool)
        self._served = WeakSet[object]()

    async def connect(self, *request: Any, **options: Any) -> aiohttp.connector.Connection:
        connection = await super().connect(*request, **options)
        if (noted := _connections.get(None)) is not None:
            protocol = connection.protocol
            noted.append(_Connected(time.monotonic(), protocol in self._served))
            self._served.add(protocol)
        return connection


def _session(*, keeps: bool) -> aiohttp.ClientSession:
    """Connections; `keeps` them for the next request, or makes a new one for each."""
    pool = {"keepalive_timeout": IDLE_CONNECTION_SECONDS} if keeps else {"force_close": True}
    return aiohttp.ClientSession(
        connector=_Connector(**pool),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        raise_for_status=False,
    )


class _NotReadError(Exception):
    """The backend was closing the connection that the request was written into."""


def _was_not_read(error: Exception, noted: Sequence[_Connected]) -> bool:
    """Whether a request failed only because its connection had come to its end.

    Some servers promise to keep a connection and then close it right behind their answer
    (llama.cpp's does so after each stream). A request that follows at once is written before the
    news is here, and meets a closed socket: nobody has read it, so it may be sent again, although
    it is a POST, and the backend is not to blame. It looks like this:

    - the connection was used before; what drops a new one has taken the request;
    - it ended at once, and not after a while of work;
    - no byte of a reply came.
    """
    if not noted or not noted[-1].reused or time.monotonic() - noted[-1].at > CLOSING_SECONDS:
        return False
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return isinstance(error.message, str)  # otherwise it is the beginning of a reply
    broken = isinstance(error, (aiohttp.ClientOSError, ConnectionResetError))
    return broken and not isinstance(error, aiohttp.ClientConnectorError)


class _Body(httpx.AsyncByteStream):
    """The body of a reply, piece by piece as it arrives."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._response.content.iter_any()

    async def aclose(self) -> None:
        """An unfinished body takes its connection with it."""
        self._response.release()
        await self._response.wait_for_close()


class BackendTransport(httpx.AsyncBaseTransport):
    """All connections of one process. They are made by its first request."""

    def __init__(self, connect_timeout: float) -> None:
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        self._patience = aiohttp.ClientTimeout(sock_connect=connect_timeout)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send; once more if nobody read it, over a new connection and without a pause.

        Other idle connections may be closing too, and a new one never fails like this. It is no
        second try: whatever the first chance meets now, the caller's second one is still left.
        Raises what `failures.NETWORK_ERRORS` names.
        """
        try:
            return await self._send(request, keeps=True)
        except _NotReadError:
            logger.debug("a backend was closing a connection; sent again")
            return await self._send(request, keeps=False)

    async def _send(self, request: httpx.Request, *, keeps: bool) -> httpx.Response:
        noted: list[_Connected] = []
        _connections.set(noted)
        session = self._sessions.get(keeps)
        if session is None:
            session = self._sessions[keeps] = _session(keeps=keeps)
        try:
            response = await session.request(
                request.method,
                str(request.url),
                headers=request.headers.multi_items(),
                data=request.read() or None,
                allow_redirects=False,
                timeout=self._patience,
            )
        except (aiohttp.ClientError, OSError) as error:
            if _was_not_read(error, noted):
                raise _NotReadError from error
            raise
        headers = list(response.raw_headers)
        return httpx.Response(response.status, headers=headers, stream=_Body(response))

    async def aclose(self) -> None:
        for session in self._sessions.values():
            await session.close()
