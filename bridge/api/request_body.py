"""Reading an HTTP request from its ASGI messages: headers, body, size limit, content encoding."""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from bridge.translation.errors.api_error import ApiError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 47}
"""Content encodings that the standard library can undo, and zlib's window for each."""


class ClientLeft(Exception):
    """The client went away before its request was complete."""


def headers_of(scope: Scope) -> dict[str, str]:
    """The request's headers, names in lower case; repeated ones are joined with a comma."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def server_address(scope: Scope) -> str:
    """The address on which the server took this request; a Unix socket counts as local."""
    server = scope.get("server")
    return str(server[0]) if server and server[0] else "127.0.0.1"


async def read_body(headers: dict[str, str], receive: Receive, limit: int) -> bytes:
    """The whole body, decoded. Raises a 413 above `limit` bytes, ClientLeft when it never ends."""
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) > limit:
        raise too_large(limit)
    parts, size = list[bytes](), 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        part = message.get("body", b"")
        parts.append(part)
        size += len(part)
        if size > limit:
            raise too_large(limit)
        if not message.get("more_body"):
            break
    return _decoded(b"".join(parts), headers.get("content-encoding", "").strip().lower(), limit)


def too_large(limit: int) -> ApiError:
    message = f"Request exceeds the maximum size of {limit} bytes (setting MAX_BODY_BYTES)"
    return ApiError(413, message)


def _decoded(body: bytes, encoding: str, limit: int) -> bytes:
    if encoding in ("", "identity"):
        return body
    if encoding not in _WINDOWS:
        raise ApiError.invalid(
            f"content-encoding: {encoding[:40]!r} is not supported",
            error_code="request_body_encoding_unsupported",
        )
    inflater = zlib.decompressobj(_WINDOWS[encoding])
    try:
        plain = inflater.decompress(body, limit + 1)
    except zlib.error:
        raise ApiError.invalid(f"content-encoding: the body is not valid {encoding}") from None
    if len(plain) > limit:
        raise too_large(limit)
    if not inflater.eof:
        raise ApiError.invalid(f"content-encoding: the {encoding} body is cut off")
    return plain
