"""Compressed replies of a backend: one layer, in bounded steps, up to a limit."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator

import pytest

from bridge.backends import client
from bridge.backends.client import BackendClient
from bridge.backends.failures import UNREADABLE
from bridge.http import encoding
from bridge.http.encoding import PIECE, TooLargeError, UndecodableError, decoded
from bridge.routing.types import BackendConfig
from bridge.translation.errors.api_error import ApiError
from bridge.translation.response.translate import TOO_LARGE
from tests.bridge.making import send
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.compression import gzipped
from tests.fakes.replies import fixed

TEXT = b'{"choices": []}' * 1000
LIMIT = 1_000_000


def bare(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


async def pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def unpacked(body: bytes, header: str, size: int = 100, limit: int = LIMIT) -> list[bytes]:
    return [piece async for piece in decoded(pieces(body, size), header, limit)]


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize(
    ("header", "body"),
    [
        ("gzip", gzipped(TEXT)),
        ("GZIP", gzipped(TEXT)),
        ("x-gzip", gzipped(TEXT)),
        ("identity, gzip", gzipped(TEXT)),
        ("gzip", gzipped(TEXT[:500]) + gzipped(TEXT[500:])),
        ("gzip", gzipped(TEXT) + b"\0" * 20),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", bare(TEXT)),
        ("identity", TEXT),
        ("", TEXT),
    ],
)
async def test_one_layer_is_unpacked(header: str, body: bytes, size: int) -> None:
    assert b"".join(await unpacked(body, header, size)) == TEXT


@pytest.mark.parametrize(
    ("header", "body", "reason"),
    [
        ("gzip, gzip", gzipped(gzipped(TEXT)), "nested content encodings"),
        ("deflate, gzip", gzipped(zlib.compress(TEXT)), "nested content encodings"),
        ("br", b"\x0b", "content encoding br"),
        ("gzip", TEXT, "damaged"),
        ("gzip", gzipped(TEXT)[:-9], "incomplete"),
        ("deflate", zlib.compress(TEXT)[:-9], "incomplete"),
    ],
)
async def test_other_bodies_are_refused(header: str, body: bytes, reason: str) -> None:
    with pytest.raises(UndecodableError, match=reason):
        await unpacked(body, header)


@pytest.mark.parametrize("header", ["gzip", "deflate"])
async def test_expansion_is_bounded(header: str) -> None:
    """One read of the socket may hold a thousand times its size."""
    zeros = b"\0" * (3 * PIECE)
    body = gzipped(zeros) if header == "gzip" else zlib.compress(zeros)
    found = await unpacked(body, header, size=len(body))
    assert b"".join(found) == zeros
    assert max(map(len, found)) <= PIECE
    with pytest.raises(TooLargeError):
        await unpacked(body, header, size=len(body), limit=len(zeros) - 1)


async def test_bytes_behind_the_end_are_not_kept() -> None:
    unpacker = encoding._Unpacker("gzip")
    assert b"".join(unpacker.pieces(gzipped(b"a"))) == b"a"
    for _ in range(100):
        assert list(unpacker.pieces(b"\0" * PIECE)) == []
    assert len(unpacker._zlib.unused_data) == 0  # type: ignore[union-attr]


async def refusal(upstream: BackendClient, main: BackendConfig) -> ApiError:
    with pytest.raises(ApiError) as caught:
        await send(upstream, main)
    return caught.value


async def test_reply_in_nested_encodings_is_an_error(
    upstream: BackendClient, main: BackendConfig, backend: FakeBackend
) -> None:
    bomb = gzipped(gzipped(b"\0" * 10_000_000))
    backend.on(ALPHA).each(
        lambda _: fixed(bomb, "application/json", headers={"content-encoding": "gzip, gzip"})
    )
    error = await refusal(upstream, main)
    assert (error.status, error.message) == (502, UNREADABLE)
    assert (error.cause, error.blames_backend) == ("nested content encodings", True)


async def test_reply_that_unpacks_to_too_much_is_an_error(
    upstream: BackendClient,
    main: BackendConfig,
    backend: FakeBackend,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client, "MAX_REPLY_BYTES", 50_000)
    bomb = gzipped(b"\0" * 1_000_000)
    backend.on(ALPHA).each(
        lambda _: fixed(bomb, "application/json", headers={"content-encoding": "gzip"})
    )
    error = await refusal(upstream, main)
    assert (error.status, error.message) == (502, TOO_LARGE)
