"""The way to the backends: this module and `failures` alone know the HTTP client.

aiohttp's sessions without what browsers want: no redirects, no cookies, no proxies of the
environment, nothing unpacked. So a request goes to the address of a backend row with that backend's
credential, no header of the caller travels on, and nothing else is ever called. What can go wrong
on the way is translated by the table of `failures`.
"""

from __future__ import annotations

import asyncio
import email.utils
import logging
import math
import time
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Sequence,
)
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakSet

import aiohttp

from bridge.backends import demo, encoding, failures
from bridge.backends.encoding import TooLargeError, UndecodableError
from bridge.backends.failures import UNREADABLE
from bridge.routing.types import BackendConfig
from bridge.translation.errors.api_error import ApiError
from bridge.translation.response.message_stream import CUT_SHORT
from bridge.translation.response.translate import MAX_REPLY_BYTES, TOO_LARGE

logger = logging.getLogger(__name__)

IDLE_CONNECTION_SECONDS = 4.0
"""Idle connections are given up before the usual server side limit of 5 s, so that a request is
not written into a connection that the backend is just closing."""
CLOSING_SECONDS = 2.0
"""A request that meets a connection which is just closing hears of it within a round trip. What
ends later than this was read, and may have been worked on."""
MAX_ERROR_BYTES = 1024 * 1024

# --- connections ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Connected:
    """That a request got its connection: when, and whether it had served others before."""

    at: float
    reused: bool


_connections: ContextVar[list[_Connected]] = ContextVar("the connections of this request")


def has_connected() -> bool:
    """Whether this task's latest request got a connection, and so was on its way."""
    return bool(_connections.get(None))


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


# --- replies ----------------------------------------------------------------------------------


class Reply:
    """A backend's answer, its body not read yet. Header names are lower case.

    `connected_at` is the moment, by the monotonic clock, from which the request had a connection;
    `secrets` stand in no error.
    """

    def __init__(
        self,
        status: int,
        headers: dict[str, str],
        body: AsyncIterable[bytes],
        close: Callable[[], Awaitable[None]],
        connected_at: float | None = None,
        secrets: tuple[str, ...] = (),
    ) -> None:
        self._body, self._close = body, close
        self._secrets = secrets
        self.connected_at = connected_at
        self.status, self.headers = status, headers
        if when := _seconds_until(headers.get("retry-after", "")):
            headers["retry-after"] = when

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "")

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises ApiError when it breaks off."""
        source = self._body
        # Every layer that a chunk goes through costs, and only encoded ones need more than one.
        if header := self.headers.get("content-encoding"):
            source = encoding.decoded(source, header, MAX_REPLY_BYTES)
        try:
            async for chunk in source:
                yield chunk
        except UndecodableError as error:
            raise ApiError.bad_gateway(UNREADABLE, cause=str(error)) from error
        except TooLargeError as error:
            raise ApiError.bad_gateway(TOO_LARGE) from error
        except failures.NETWORK_ERRORS as error:
            cause = failures.to_error(error, self._secrets).cause
            raise ApiError.bad_gateway(CUT_SHORT, cause=cause) from error

    async def read(self, limit: int) -> bytes:
        """At most `limit` bytes of the body."""
        parts, size = list[bytes](), 0
        async for chunk in self.chunks():
            parts.append(chunk)
            size += len(chunk)
            if size >= limit:
                break
        return b"".join(parts)[:limit]

    async def aclose(self) -> None:
        """Close; an unfinished body takes its connection with it, which stops the backend."""
        with suppress(*failures.NETWORK_ERRORS):
            await self._close()


async def _close(response: aiohttp.ClientResponse) -> None:
    response.release()
    await response.wait_for_close()


def _headers(response: aiohttp.ClientResponse) -> dict[str, str]:
    """Names in lower case; repeated ones are joined with a comma."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in response.raw_headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


# --- requests ---------------------------------------------------------------------------------


_OWN_HEADERS = {"accept": "*/*", "accept-encoding": "identity", "user-agent": "claude-bridge"}


@dataclass(frozen=True, slots=True)
class _Request:
    """What is sent; `secrets` stand in no error about it."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None
    secrets: tuple[str, ...]


class BackendClient:
    """The HTTP client of one process. Its connections are made by its first request."""

    def __init__(self, connect_timeout: float) -> None:
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        self._patience = aiohttp.ClientTimeout(sock_connect=connect_timeout)

    async def send(
        self, backend: BackendConfig, key: str, body: bytes, traceparent: str = ""
    ) -> Reply:
        """POST a chat request. Returns when the headers are there; raises ApiError.

        `traceparent`: the span that this call is, for the backend's own traces.
        """
        return await self.post(backend, key, "chat/completions", body, traceparent)

    async def post(
        self, backend: BackendConfig, key: str, path: str, body: bytes, traceparent: str = ""
    ) -> Reply:
        """POST to `path` below the backend's base URL; with a slash in front, below its root."""
        base = backend.url.rpartition("/")[0] if path.startswith("/") else f"{backend.url}/"
        return await self._request(backend, key, "POST", f"{base}{path}", body, traceparent)

    async def get(self, backend: BackendConfig, key: str, path: str) -> Reply:
        """GET `path` below the backend's base URL."""
        return await self._request(backend, key, "GET", f"{backend.url}/{path}", None)

    async def _request(
        self,
        backend: BackendConfig,
        key: str,
        method: str,
        url: str,
        body: bytes | None,
        traceparent: str = "",
    ) -> Reply:
        headers = _OWN_HEADERS | credential_header(backend, key)
        if body is not None:
            headers["content-type"] = "application/json"
        if traceparent:
            headers["traceparent"] = traceparent
        secrets = _secrets(backend, key)
        try:
            async with asyncio.timeout(backend.timeout):
                if backend.is_demo:
                    return _demo_reply(body or b"")
                request = _Request(method, url, headers, body, secrets)
                return await self._deliver(request, backend.name)
        except TimeoutError:
            raise did_not_answer(backend.timeout) from None

    async def _deliver(self, request: _Request, backend: str) -> Reply:
        """Send; once more if nobody read it, over a new connection and without a pause.

        Other idle connections may be closing too, and a new one never fails like this. It is no
        second try: whatever the first chance meets now, the caller's second one is still left.
        """
        try:
            return await self._send(request, keeps=True)
        except _NotReadError:
            logger.debug("backend %s was closing a connection; sent again", backend)
            return await self._send(request, keeps=False)

    async def _send(self, request: _Request, *, keeps: bool) -> Reply:
        noted: list[_Connected] = []
        _connections.set(noted)
        session = self._sessions.get(keeps)
        if session is None:
            session = self._sessions[keeps] = _session(keeps=keeps)
        try:
            response = await session.request(
                request.method,
                request.url,
                headers=request.headers,
                data=request.body,
                allow_redirects=False,
                timeout=self._patience,
            )
        except failures.NETWORK_ERRORS as error:
            if _was_not_read(error, noted):
                raise _NotReadError from error
            raise failures.to_error(error, request.secrets) from error
        connected_at = noted[-1].at if noted else None
        close = partial(_close, response)
        body = response.content.iter_any()
        return Reply(
            response.status, _headers(response), body, close, connected_at, request.secrets
        )

    async def aclose(self) -> None:
        for session in self._sessions.values():
            await session.close()


def _secrets(backend: BackendConfig, key: str) -> tuple[str, ...]:
    """What no error may show: the credential and the backend's address."""
    try:
        return key, backend.host, urlsplit(backend.url).hostname or ""
    except ValueError:
        return key, backend.url


def did_not_answer(seconds: float) -> ApiError:
    """The backend took a request and stayed silent. Not retried: the work may be running."""
    return ApiError(504, f"Backend did not answer within {seconds:g} seconds", blames_backend=True)


def credential_header(backend: BackendConfig, key: str) -> dict[str, str]:
    """The one header that carries the key; none without a key."""
    if not key:
        return {}
    if not (key.isascii() and key.isprintable()):
        raise ApiError.bad_gateway("Gateway credentials cannot be sent to the backend")
    return {backend.auth_header: f"Bearer {key}" if backend.auth_header == "authorization" else key}


def _seconds_until(text: str) -> str:
    """A `retry-after` given as a date, as seconds from now; "" for any other form."""
    if not text or text[0].isdigit():
        return ""
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return ""
    return str(max(0, math.ceil(moment.timestamp() - time.time())))


def _demo_reply(body: bytes) -> Reply:
    """The demo backend's answer, which goes on as one of a real backend does."""
    answer = demo.answer(body)
    pieces = _demo_pieces(answer)
    return Reply(200, {"content-type": answer.content_type}, pieces, pieces.aclose)


async def _demo_pieces(answer: demo.DemoAnswer) -> AsyncGenerator[bytes]:
    for chunk in answer.chunks:
        yield chunk
        await asyncio.sleep(answer.pause)
