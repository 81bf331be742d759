"""The way to the backends: this module, `transport` and `failures` alone know the HTTP client.

A request goes to the address of a backend row with that backend's credential, no header of the
caller travels on, and nothing else is ever called. httpx's client (redirects, cookies, proxies of
the environment) is not wanted, so requests go to the transport directly. What can go wrong on the
way is translated by the table of `failures`.
"""

from __future__ import annotations

import asyncio
import email.utils
import math
import time
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import suppress
from functools import lru_cache
from urllib.parse import urlsplit

import httpx

from bridge.backends import demo, failures
from bridge.backends.failures import UNREADABLE
from bridge.backends.transport import BackendTransport, connected_at
from bridge.http import encoding
from bridge.http.encoding import TooLargeError, UndecodableError
from bridge.routing.types import BackendConfig
from bridge.translation.errors.api_error import ApiError
from bridge.translation.response.message_stream import CUT_SHORT
from bridge.translation.response.translate import MAX_REPLY_BYTES, TOO_LARGE

MAX_ERROR_BYTES = 1024 * 1024

# --- replies ----------------------------------------------------------------------------------


class Reply:
    """A backend's answer, its body not read yet. Header names are lower case.

    `connected_at` is the moment, by the monotonic clock, from which the request had a connection;
    `secrets` stand in no error.
    """

    def __init__(
        self,
        response: httpx.Response,
        connected_at: float | None = None,
        secrets: tuple[str, ...] = (),
    ) -> None:
        self._response = response
        self._secrets = secrets
        self.connected_at = connected_at
        self.status, self.headers = response.status_code, _headers(response)
        if when := _seconds_until(self.headers.get("retry-after", "")):
            self.headers["retry-after"] = when

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "")

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises ApiError when it breaks off."""
        stream = self._response.stream
        assert isinstance(stream, AsyncIterable)
        source: AsyncIterable[bytes] = stream
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
            await self._response.aclose()


def _headers(response: httpx.Response) -> dict[str, str]:
    """Names in lower case; repeated ones are joined with a comma."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in response.headers.raw:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


# --- requests ---------------------------------------------------------------------------------


_address = lru_cache(maxsize=256)(httpx.URL)
"""Addresses of backends are few, and reading one costs as much as sending the request."""
_OWN_HEADERS = {"accept": "*/*", "accept-encoding": "identity", "user-agent": "claude-bridge"}


class BackendClient:
    """The HTTP client of one process. Its connections are made by its first request."""

    def __init__(self, connect_timeout: float) -> None:
        self._transport = BackendTransport(connect_timeout)

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
        transport = _DEMO if backend.is_demo else self._transport
        try:
            async with asyncio.timeout(backend.timeout):
                return await _send(transport, method, url, headers, body, _secrets(backend, key))
        except TimeoutError:
            raise did_not_answer(backend.timeout) from None

    async def aclose(self) -> None:
        await self._transport.aclose()


async def _send(
    transport: httpx.AsyncBaseTransport,
    method: str,
    url: str,
    headers: dict[str, str],
    body: bytes | None,
    secrets: tuple[str, ...],
) -> Reply:
    try:
        # A stream, for which httpx adds no headers: the connections below add those of their own.
        stream = httpx.ByteStream(body or b"")
        request = httpx.Request(method, _address(url), headers=headers, stream=stream)
        response = await transport.handle_async_request(request)
    except failures.NETWORK_ERRORS as error:
        raise failures.to_error(error, secrets) from error
    return Reply(response, connected_at(), secrets)


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


class _DemoTransport(httpx.AsyncBaseTransport):
    """The demo backend, reached the same way as a real one."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = demo.answer(request.read())
        headers = {"content-type": answer.content_type}
        return httpx.Response(200, headers=headers, stream=_DemoBody(answer))


class _DemoBody(httpx.AsyncByteStream):
    def __init__(self, answer: demo.DemoAnswer) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._answer.chunks:
            yield chunk
            await asyncio.sleep(self._answer.pause)


_DEMO = _DemoTransport()
