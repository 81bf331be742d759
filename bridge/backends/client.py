"""The way to the backends: a request for one of them, and its reply.

A request goes to the address of a backend row with that backend's credential, no header of the
caller travels on, and nothing else is ever called. Of httpx only its reading of addresses is used:
its requests and replies would cost 35 microseconds of CPU more. What can go wrong on the way is
translated by the table of `failures`.
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

from bridge import process_settings
from bridge.backends import demo, failures
from bridge.backends.failures import UNREADABLE
from bridge.http import encoding
from bridge.http.encoding import TooLargeError, UndecodableError
from bridge.outbound.client import HttpClient, connected_at
from bridge.outbound.errors import SilentError, TooMuchError
from bridge.outbound.inbox import Inbox
from bridge.outbound.transport import WAIT_SECONDS, ReplyBody
from bridge.outbound.tunnel import proxy_of
from bridge.routing.types import BackendConfig
from bridge.translation.errors.api_error import ApiError
from bridge.translation.response.message_stream import CUT_SHORT
from bridge.translation.response.translate import MAX_REPLY_BYTES, TOO_LARGE

MAX_ERROR_BYTES = 1024 * 1024

# --- replies ----------------------------------------------------------------------------------


class Reply:
    """A backend's answer, its body not read yet. Header names are lower case.

    inbox         where the body arrives as it is; None where `chunks` alone has it
    connected_at  the moment, by the monotonic clock, from which the request had a connection
    secrets       stand in no error
    """

    def __init__(
        self,
        status: int,
        headers: dict[str, str],
        body: httpx.AsyncByteStream,
        connected_at: float | None = None,
        secrets: tuple[str, ...] = (),
    ) -> None:
        self._body = body
        self._secrets = secrets
        self.connected_at = connected_at
        self.status, self.headers = status, headers
        self.inbox: Inbox | None = None
        if isinstance(body, ReplyBody):
            body.reply.inbox.worded = self._worded
            if not self.headers.get("content-encoding"):
                self.inbox = body.reply.inbox
        if when := _seconds_until(self.headers.get("retry-after", "")):
            self.headers["retry-after"] = when

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "")

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises ApiError when it breaks off."""
        source: AsyncIterable[bytes] = self._body
        if header := self.headers.get("content-encoding"):
            source = encoding.decoded(source, header, MAX_REPLY_BYTES)
        try:
            async for chunk in source:
                yield chunk
        except UndecodableError as error:
            raise ApiError.bad_gateway(UNREADABLE, cause=str(error)) from error
        except TooLargeError as error:
            raise ApiError.bad_gateway(TOO_LARGE) from error

    def _worded(self, error: Exception) -> Exception:
        """Why the body broke off, for whoever reads it."""
        if isinstance(error, TooMuchError):
            return ApiError.bad_gateway(TOO_LARGE)
        cause = failures.to_error(error, self._secrets).cause
        return ApiError.bad_gateway(CUT_SHORT, cause=cause)

    async def read(self, limit: int, seconds: float | None = None) -> bytes:
        """At most `limit` bytes of the body, and no more than what comes within `seconds`."""
        parts, size = list[bytes](), 0
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                async for chunk in self.chunks():
                    parts.append(chunk)
                    size += len(chunk)
                    if size >= limit:
                        break
        return b"".join(parts)[:limit]

    async def aclose(self) -> None:
        """Close; an unfinished body takes its connection with it, which stops the backend."""
        await self._body.aclose()


# --- requests ---------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def _address(url: str) -> str:
    """An address as it is asked. Those of backends are few, and reading one costs as much as
    sending the request."""
    return str(httpx.URL(url))


_OWN_HEADERS = {"accept": "*/*", "accept-encoding": "identity", "user-agent": "claude-bridge"}


class BackendClient:
    """The HTTP client of one process. Its connections are made by its first request."""

    def __init__(self, connect_timeout: float) -> None:
        settings = process_settings.read().backends
        proxy = proxy_of(settings.backend_proxy, tuple(settings.backend_no_proxy))
        self._client = HttpClient(connect_timeout, proxy)

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
        secrets = (key, *_secrets(backend.url))
        if backend.is_demo:
            return _demo_reply(body or b"", secrets)
        try:
            seconds = backend.timeout or WAIT_SECONDS
            reply = await self._client.request(method, _address(url), headers, body, seconds)
        except SilentError:
            raise did_not_answer(backend.timeout) from None
        except failures.NETWORK_ERRORS as error:
            raise failures.to_error(error, secrets) from error
        return Reply(reply.status, reply.headers, ReplyBody(reply), connected_at(), secrets)

    async def aclose(self) -> None:
        await self._client.aclose()


@lru_cache(maxsize=256)
def _secrets(url: str) -> tuple[str, ...]:
    """What no error may show beside the credential: the backend's address."""
    try:
        return urlsplit(url).netloc, urlsplit(url).hostname or ""
    except ValueError:
        return (url,)


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
        moment = email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return ""
    return str(max(0, math.ceil(moment - time.time())))


def _demo_reply(body: bytes, secrets: tuple[str, ...]) -> Reply:
    """A reply of the demo backend, as if it were a real one."""
    answer = demo.answer(body)
    headers = {"content-type": answer.content_type}
    return Reply(200, headers, _DemoBody(answer), connected_at(), secrets)


class _DemoBody(httpx.AsyncByteStream):
    def __init__(self, answer: demo.DemoAnswer) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._answer.chunks:
            yield chunk
            await asyncio.sleep(self._answer.pause)
