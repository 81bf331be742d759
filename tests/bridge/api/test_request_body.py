"""Reading a request from its ASGI messages."""

import gzip
import zlib
from collections.abc import MutableMapping
from typing import Any

import pytest

from bridge.api.request_body import ClientLeft, headers_of, read_body, server_address
from bridge.translation.errors.api_error import ApiError

Message = MutableMapping[str, Any]
LIMIT = 1000
TEXT = b'{"model": "m"}'


class Incoming:
    """The server's side: these messages, one by one."""

    def __init__(self, *parts: bytes, left: bool = False) -> None:
        self.messages: list[Message] = [
            {"type": "http.request", "body": part, "more_body": left or i < len(parts) - 1}
            for i, part in enumerate(parts)
        ]
        if left:
            self.messages.append({"type": "http.disconnect"})

    async def __call__(self) -> Message:
        return self.messages.pop(0)


async def refusal(incoming: Incoming, **headers: str) -> ApiError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with pytest.raises(ApiError) as caught:
        await read_body(named, incoming, LIMIT)
    return caught.value


def test_header_names_are_lower_case_and_repeats_are_joined() -> None:
    """wire A2: anthropic-beta may be repeated."""
    raw = [(b"Anthropic-Beta", b"a,b"), (b"anthropic-beta", b"c"), (b"X-Name", b"M\xfcller")]
    assert headers_of({"headers": raw}) == {"anthropic-beta": "a,b, c", "x-name": "M\u00fcller"}


@pytest.mark.parametrize(
    ("server", "address"),
    [(("192.0.2.7", 80), "192.0.2.7"), (None, "127.0.0.1"), (("", None), "127.0.0.1")],
)
def test_server_address_is_where_the_request_arrived(server: object, address: str) -> None:
    """G10 hangs on it; a Unix socket counts as local."""
    assert server_address({"server": server}) == address


async def test_body_is_joined_from_its_parts() -> None:
    assert await read_body({}, Incoming(b"ab", b"", b"c"), LIMIT) == b"abc"
    assert await read_body({}, Incoming(b""), LIMIT) == b""


async def test_client_that_leaves_in_the_middle_is_noticed() -> None:
    with pytest.raises(ClientLeft):
        await read_body({}, Incoming(b"ab", left=True), LIMIT)


async def test_limit_is_exact() -> None:
    """wire F13 and E1: one byte over is a 413 that names number and setting."""
    assert len(await read_body({}, Incoming(b"x" * LIMIT), LIMIT)) == LIMIT
    error = await refusal(Incoming(b"x" * LIMIT, b"y"))
    assert (error.status, error.type) == (413, "request_too_large")
    assert error.message.startswith("Request exceeds the maximum size of 1000 bytes")
    assert "MAX_BODY_BYTES" in error.message


async def test_announced_length_is_believed_before_a_byte_is_read() -> None:
    incoming = Incoming(b"x")
    assert (await refusal(incoming, content_length="1001")).status == 413
    assert len(incoming.messages) == 1


@pytest.mark.parametrize("length", ["", "abc", "-5", "5.0"])
async def test_strange_length_is_measured_instead(length: str) -> None:
    assert await read_body({"content-length": length}, Incoming(TEXT), LIMIT) == TEXT


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("", TEXT),
        ("identity", TEXT),
        ("gzip", gzip.compress(TEXT)),
        (" GZIP ", gzip.compress(TEXT)),
        ("x-gzip", gzip.compress(TEXT)),
        ("deflate", zlib.compress(TEXT)),
    ],
)
async def test_compressed_body_is_unpacked(encoding: str, body: bytes) -> None:
    """wire A2, content-encoding: accept what is cheap."""
    assert await read_body({"content-encoding": encoding}, Incoming(body), LIMIT) == TEXT


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "nonsense"])
async def test_other_encodings_are_refused_with_their_code(encoding: str) -> None:
    """wire A2: else 400 with error code request_body_encoding_unsupported."""
    error = await refusal(Incoming(TEXT), content_encoding=encoding)
    assert (error.status, error.error_code) == (400, "request_body_encoding_unsupported")


@pytest.mark.parametrize(
    "body", [b"no gzip at all", gzip.compress(TEXT)[:-4], gzip.compress(TEXT)[:5], b""]
)
async def test_broken_compression_is_the_callers_fault(body: bytes) -> None:
    assert (await refusal(Incoming(body), content_encoding="gzip")).status == 400


async def test_body_that_swells_is_stopped_at_the_limit() -> None:
    """Ours: a kilobyte may hold a gigabyte."""
    bomb = gzip.compress(b"0" * 500_000)
    assert len(bomb) < LIMIT
    assert (await refusal(Incoming(bomb), content_encoding="gzip")).status == 413
