"""The way to the backends: the only module that knows the HTTP client.

httpx's requests and replies over aiohttp's connections, for the life of the process: that transport
costs less than half of httpx's own, and httpx's client (redirects, cookies, proxies of the
environment) is not wanted. So a request goes to the address of a backend row with that backend's
credential, no header of the caller travels on, and nothing else is ever called. What can go wrong
on the way is translated by one table.
"""

from __future__ import annotations

import asyncio
import email.utils
import logging
import math
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from bridge.backends import demo
from bridge.routing.resolve import BackendConfig
from bridge.translation.errors.api_error import ApiError

logger = logging.getLogger(__name__)

IDLE_CONNECTION_SECONDS = 4.0
"""Idle connections are given up before the usual server side limit of 5 s, so that a request is
not written into a connection that the backend is just closing."""
CLOSING_SECONDS = 2.0
"""A request that meets a connection which is just closing hears of it within a round trip. What
ends later than this was read, and may have been worked on."""
MAX_ERROR_BYTES = 1024 * 1024

UNREACHABLE = "Could not reach the backend"
CONNECT_TIMEOUT = "Backend connection timed out"
UNREADABLE = "Backend returned an unreadable reply"
CUT_SHORT = "Backend closed the stream before finishing"


def _connect_timeout() -> ApiError:
    return ApiError(504, CONNECT_TIMEOUT, blames_backend=True, retryable=True)


def _unreachable() -> ApiError:
    return ApiError.bad_gateway(UNREACHABLE, retryable=True)


def _dropped() -> ApiError:
    # The request was on its way: the backend may be working on it, so it is not sent twice.
    return ApiError.bad_gateway(UNREACHABLE)


_FAULTS = (
    (aiohttp.ConnectionTimeoutError, _connect_timeout),
    (aiohttp.ClientConnectorError, _unreachable),
    (aiohttp.ServerDisconnectedError, _dropped),
    (httpx.ConnectError, _unreachable),
    (httpx.HTTPError, _dropped),
    (httpx.InvalidURL, _dropped),
    (aiohttp.ClientError, _dropped),
    (OSError, _dropped),
)
"""The first class that fits decides. The transport's own mapping is coarser than ours (it calls a
refused connection a timeout), so the exception behind it is looked at first."""


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError) as error:
        candidates = [e for e in (error.__cause__, error) if e is not None]
        for candidate in candidates:
            for kind, fault in _FAULTS:
                if isinstance(candidate, kind):
                    raise fault() from error
        raise


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


def _note(*, reused: bool) -> None:
    if (noted := _connections.get(None)) is not None:
        noted.append(_Connected(time.monotonic(), reused))


async def _connected(*_: object) -> None:
    _note(reused=False)


async def _connected_before(*_: object) -> None:
    _note(reused=True)


def _trace() -> aiohttp.TraceConfig:
    """Notes when a request got its connection, a new one or one that was idle."""
    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(_connected)
    trace.on_connection_reuseconn.append(_connected_before)
    return trace


def _session(*, keeps: bool) -> aiohttp.ClientSession:
    """Connections; `keeps` them for the next request, or makes a new one for each."""
    pool = {"keepalive_timeout": IDLE_CONNECTION_SECONDS} if keeps else {"force_close": True}
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, **pool),
        cookie_jar=aiohttp.DummyCookieJar(),
        trace_configs=[_trace()],
        auto_decompress=False,
        raise_for_status=False,
    )


class _NotRead(Exception):
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
    cause = error.__cause__ or error
    if isinstance(cause, aiohttp.ServerDisconnectedError):
        return isinstance(cause.message, str)  # otherwise it is the beginning of a reply
    broken = isinstance(cause, (aiohttp.ClientOSError, ConnectionResetError))
    return broken and not isinstance(cause, aiohttp.ClientConnectorError)


async def _send(transport: httpx.AsyncBaseTransport, request: httpx.Request) -> Reply:
    noted: list[_Connected] = []
    _connections.set(noted)
    try:
        response = await transport.handle_async_request(request)
    except (httpx.HTTPError, aiohttp.ClientError, OSError) as error:
        if _was_not_read(error, noted):
            raise _NotRead from error
        raise
    return Reply(response, noted[-1].at if noted else None)


# --- replies ----------------------------------------------------------------------------------


class Reply:
    """A backend's answer, its body not read yet. Header names are lower case.

    `connected_at` is the moment, by the monotonic clock, from which the request had a connection.
    """

    def __init__(self, response: httpx.Response, connected_at: float | None = None) -> None:
        self._response = response
        self.connected_at = connected_at
        self.status = response.status_code
        self.headers = dict(response.headers)
        if when := _seconds_until(self.headers.get("retry-after", "")):
            self.headers["retry-after"] = when

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "")

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises ApiError when it breaks off."""
        response = self._response
        # Every layer that a chunk goes through costs, and only encoded ones need more than one.
        encoded = "content-encoding" in self.headers
        source = response.aiter_bytes() if encoded else response.stream
        assert isinstance(source, AsyncIterable)
        try:
            async for chunk in source:
                yield chunk
        except httpx.DecodingError as error:
            raise ApiError.bad_gateway(UNREADABLE) from error
        except (httpx.HTTPError, aiohttp.ClientError, OSError) as error:
            raise ApiError.bad_gateway(CUT_SHORT) from error

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
        with suppress(httpx.HTTPError, aiohttp.ClientError, OSError):
            await self._response.aclose()


# --- requests ---------------------------------------------------------------------------------


_HEADERS = {"accept": "*/*", "accept-encoding": "identity", "user-agent": "claude-bridge"}
_parsed = lru_cache(maxsize=256)(httpx.URL)
"""Addresses of backends are few, and reading one costs as much as reading the request."""


class BackendClient:
    """The way out of one process. Create it on the running event loop."""

    def __init__(self, connect_timeout: float) -> None:
        self._kept = AiohttpTransport(client=_session(keeps=True))
        self._fresh = AiohttpTransport(client=_session(keeps=False))
        self._demo = _DemoTransport()
        self._terms = {"timeout": httpx.Timeout(None, connect=connect_timeout).as_dict()}

    async def send(self, backend: BackendConfig, key: str, body: bytes) -> Reply:
        """POST a chat request. Returns when the headers are there; raises ApiError."""
        return await self.post(backend, key, "chat/completions", body)

    async def post(self, backend: BackendConfig, key: str, path: str, body: bytes) -> Reply:
        """POST to `path` below the backend's base URL; with a slash in front, below its root."""
        headers = {"content-type": "application/json", **credential_header(backend, key)}
        base = backend.url.rpartition("/")[0] if path.startswith("/") else f"{backend.url}/"
        return await self._request(backend, "POST", f"{base}{path}", headers, body)

    async def get(self, backend: BackendConfig, key: str, path: str) -> Reply:
        """GET `path` below the backend's base URL."""
        headers = credential_header(backend, key)
        return await self._request(backend, "GET", f"{backend.url}/{path}", headers, None)

    async def _request(
        self,
        backend: BackendConfig,
        method: str,
        url: str,
        headers: dict[str, str],
        body: bytes | None,
    ) -> Reply:
        try:
            async with asyncio.timeout(backend.timeout):
                with _translated():
                    request = httpx.Request(
                        method,
                        _parsed(url),
                        headers=_HEADERS | headers,
                        content=body,
                        extensions=self._terms,
                    )
                    return await self._deliver(request, backend)
        except TimeoutError:
            raise did_not_answer(backend.timeout) from None

    async def _deliver(self, request: httpx.Request, backend: BackendConfig) -> Reply:
        """Send; once more if nobody read it, over a new connection and without a pause.

        Other idle connections may be closing too, and a new one never fails like this. It is no
        second try: whatever the first chance meets now, the caller's second one is still left.
        """
        if backend.is_demo:
            return await _send(self._demo, request)
        try:
            return await _send(self._kept, request)
        except _NotRead:
            logger.debug("backend %s was closing a connection; sent again", backend.name)
            return await _send(self._fresh, request)

    async def aclose(self) -> None:
        for transport in (self._kept, self._fresh):
            await transport.aclose()


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


class _DemoTransport(httpx.AsyncBaseTransport):
    """The demo backend, reached the same way as a real one."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = demo.answer(await request.aread())
        headers = {"content-type": answer.content_type}
        return httpx.Response(200, headers=headers, stream=_DemoBody(answer))


class _DemoBody(httpx.AsyncByteStream):
    def __init__(self, answer: demo.DemoAnswer) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._answer.chunks:
            yield chunk
            await asyncio.sleep(self._answer.pause)
