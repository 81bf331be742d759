"""Bodies that a backend compressed although it was asked not to: unpacked in bounded steps.

A few kilobytes can unpack to gigabytes, and twice packed ones to terabytes. So only one layer is
unpacked, in pieces of at most PIECE bytes, and not more than a limit in all.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterable, AsyncIterator, Iterator

PIECE = 64 * 1024
GZIP_MAGIC = b"\x1f\x8b"
_WINDOWS = {
    "gzip": zlib.MAX_WBITS | 16,
    "x-gzip": zlib.MAX_WBITS | 16,
    "deflate": zlib.MAX_WBITS,
}


class UndecodableError(Exception):
    """The body is not in the encoding that its header names, or the gateway does not read it."""


class TooLargeError(Exception):
    """The body unpacks to more than the limit."""


def layers(header: str) -> list[str]:
    """The encodings that a `content-encoding` header names, without those that change nothing."""
    names = (name.strip().lower() for name in header.split(","))
    return [name for name in names if name not in ("", "identity")]


async def decoded(source: AsyncIterable[bytes], header: str, limit: int) -> AsyncIterator[bytes]:
    """The unpacked body. Raises UndecodableError and TooLargeError."""
    names = layers(header)
    if not names:
        async for chunk in source:
            yield chunk
        return
    if len(names) > 1:
        raise UndecodableError("nested content encodings")
    if names[0] not in _WINDOWS:
        raise UndecodableError(f"content encoding {names[0][:20]}")
    size = 0
    unpacker = _Unpacker(names[0])
    async for chunk in source:
        for piece in unpacker.pieces(chunk):
            size += len(piece)
            if size > limit:
                raise TooLargeError
            yield piece
            await asyncio.sleep(0)  # one chunk may hold a thousand pieces
    if not unpacker.is_complete:
        raise UndecodableError("the compressed body is incomplete")


class _Unpacker:
    """One layer. `deflate` is zlib's format by the standard, and the bare one by habit."""

    def __init__(self, name: str) -> None:
        self._format = name
        self._head = b""
        self._zlib: zlib._Decompress | None = None
        self._begun = False

    @property
    def is_complete(self) -> bool:
        if self._zlib is None:
            return not (self._head or self._begun)
        return self._zlib.eof

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """What `data` unpacks to, at most PIECE bytes at a time."""
        piece = b""
        while data or len(piece) == PIECE:
            if self._zlib is None or self._zlib.eof:
                data = self._next_member(data)
            if self._zlib is None or self._zlib.eof:
                return
            piece = self._step(self._zlib, data)
            data = self._zlib.unused_data or self._zlib.unconsumed_tail
            if piece:
                yield piece

    def _next_member(self, data: bytes) -> bytes:
        """Begin the body, or another member of a gzip file, when its first two bytes are there.

        Returns the bytes that are to be read. What follows the end and is no member is padding.
        """
        head, self._head = self._head + data, b""
        if len(head) < len(GZIP_MAGIC):
            self._head = head
        elif self._zlib is None or (self._format != "deflate" and head.startswith(GZIP_MAGIC)):
            is_bare = self._format == "deflate" and not _is_zlib(head)
            self._zlib = zlib.decompressobj(-zlib.MAX_WBITS if is_bare else _WINDOWS[self._format])
        return head

    def _step(self, unpack: zlib._Decompress, data: bytes) -> bytes:
        try:
            piece = unpack.decompress(data, PIECE)
        except zlib.error as error:
            raise UndecodableError("the compressed body is damaged") from error
        self._begun = True
        return piece


def _is_zlib(head: bytes) -> bool:
    """Whether the first two bytes are a zlib header (RFC 1950)."""
    return head[0] & 15 == zlib.DEFLATED and (head[0] * 256 + head[1]) % 31 == 0
