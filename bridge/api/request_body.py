"""Reading an HTTP request from its ASGI messages: headers, body, limits, content encoding."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from bridge.keys.client_address import Address, client_address
from bridge.process_settings import BodySettings
from bridge.runtime.body_memory import Share
from bridge.translation.errors.api_error import ApiError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 47}
"""Content encodings that the standard library can undo, and zlib's window for each."""

SLOWEST = 1024
"""Bytes a second that a body must come with on the average, after BODY_IDLE_TIMEOUT."""
INLINE_BYTES = 256 * 1024
"""Compressed bodies up to this size are unpacked on the event loop."""


class ClientLeftError(Exception):
    """The client went away before its request was complete."""


_READ = "bridge.headers"


def headers_of(scope: Scope) -> dict[str, str]:
    """The request's headers, names in lower case; repeated ones are joined with a comma.

    They are read once for each request and kept in its scope. Not to be changed.
    """
    known: dict[str, str] | None = scope.get(_READ)
    if known is None:
        known = scope[_READ] = _read_headers(scope)
    return known


def _read_headers(scope: Scope) -> dict[str, str]:
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


class BodyReader:
    """Receives a body within its limits: `limit` bytes, its share of the memory, and time."""

    def __init__(self, receive: Receive, limit: int, share: Share, settings: BodySettings) -> None:
        self._receive, self._limit, self._share = receive, limit, share
        self._settings = settings
        self._started = asyncio.get_running_loop().time()
        self._size = 0
        self.is_complete = False

    async def receive(self) -> MutableMapping[str, Any]:
        """The next ASGI message. Raises a 408, 413 or 529; behind the body it only waits."""
        if self.is_complete:
            return await self._receive()
        try:
            async with asyncio.timeout(self._patience()):
                message = await self._receive()
        except TimeoutError:
            raise ApiError(408, "Request body did not come in time (BODY_IDLE_TIMEOUT)") from None
        size = len(message.get("body", b""))
        self._size += size
        if self._size > self._limit:
            raise too_large(self._limit, self._settings)
        self._share.take(size)
        self.is_complete = not message.get("more_body")
        return message

    def _patience(self) -> float:
        """Seconds for the next piece, which keep the whole from being slower than SLOWEST."""
        idle = self._settings.body_idle_timeout
        passed = asyncio.get_running_loop().time() - self._started
        return max(0.0, min(idle, idle + self._size / SLOWEST - passed))


def client_of(scope: Scope, trust_forwarded: bool) -> Address | None:
    """Who sends this request, as far as it can be known."""
    peer = scope.get("client")
    forwarded = headers_of(scope).get("x-forwarded-for", "")
    return client_address(str(peer[0]) if peer else "", forwarded, trust_forwarded)


async def read_body(
    headers: dict[str, str],
    receive: Receive,
    share: Share,
    settings: BodySettings,
    most: int | None = None,
) -> bytes:
    """The whole body, decoded, of at most MAX_BODY_BYTES, or `most` where that is less.

    Raises ApiError, and ClientLeftError when it never ends.
    """
    length, limit = headers.get("content-length", ""), settings.max_body_bytes
    limit = limit if most is None else min(limit, most)
    if length.isdecimal() and int(length) > limit:
        raise too_large(limit, settings)
    encoding = headers.get("content-encoding", "").strip().lower()
    _check_encoding(encoding)
    reader, parts = BodyReader(receive, limit, share, settings), list[bytes]()
    while not reader.is_complete:
        message = await reader.receive()
        if message["type"] == "http.disconnect":
            raise ClientLeftError
        parts.append(message.get("body", b""))
    body = b"".join(parts)
    if encoding in ("", "identity"):
        return body
    if len(body) > INLINE_BYTES:
        plain = await asyncio.to_thread(_decoded, body, encoding, limit, settings)
    else:
        plain = _decoded(body, encoding, limit, settings)
    share.take(len(plain))
    return plain


def too_large(limit: int, settings: BodySettings | None = None) -> ApiError:
    """The refusal; it names the setting where that is the limit."""
    is_setting = settings is not None and limit == settings.max_body_bytes
    setting = " (setting MAX_BODY_BYTES)" if is_setting else ""
    return ApiError(413, f"Request exceeds the maximum size of {limit} bytes{setting}")


def _check_encoding(encoding: str) -> None:
    """One encoding is undone; several in each other would multiply what a few bytes become."""
    if encoding and encoding != "identity" and encoding not in _WINDOWS:
        raise ApiError.invalid(
            f"content-encoding: {encoding[:40]!r} is not supported",
            error_code="request_body_encoding_unsupported",
        )


def _decoded(body: bytes, encoding: str, limit: int, settings: BodySettings) -> bytes:
    inflater = zlib.decompressobj(_WINDOWS[encoding])
    try:
        plain = inflater.decompress(body, limit + 1)
    except zlib.error:
        raise ApiError.invalid(f"content-encoding: the body is not valid {encoding}") from None
    if len(plain) > limit:
        raise too_large(limit, settings)
    if not inflater.eof:
        raise ApiError.invalid(f"content-encoding: the {encoding} body is cut off")
    if inflater.unused_data:
        raise ApiError.invalid(f"content-encoding: bytes follow the {encoding} body")
    return plain
