"""Reading a request from its ASGI messages."""

import asyncio
import random
import zlib
from collections.abc import MutableMapping
from dataclasses import replace
from typing import Any

import pytest

from bridge import process_settings
from bridge.api import request_body
from bridge.api.request_body import ClientLeftError, headers_of
from bridge.api.request_body import read_body as read
from bridge.process_settings import BodySettings
from bridge.runtime.body_memory import BodyMemory
from bridge.translation.errors.api_error import ApiError
from tests.fakes.compression import gzipped

Message = MutableMapping[str, Any]
LIMIT = 1000


def limits(**changes: Any) -> BodySettings:
    return replace(process_settings.read().bodies, **{"max_body_bytes": LIMIT, **changes})


async def read_body(headers: dict[str, str], incoming: "Incoming", limit: int) -> bytes:
    """With memory for two bodies."""
    with BodyMemory(2 * LIMIT, "setting MAX_BODY_MEMORY").share() as share:
        return await read(headers, incoming, share, limits(max_body_bytes=limit))


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


async def test_body_is_joined_from_its_parts() -> None:
    assert await read_body({}, Incoming(b"ab", b"", b"c"), LIMIT) == b"abc"
    assert await read_body({}, Incoming(b""), LIMIT) == b""


async def test_client_that_leaves_in_the_middle_is_noticed() -> None:
    with pytest.raises(ClientLeftError):
        await read_body({}, Incoming(b"ab", left=True), LIMIT)


async def test_limit_is_exact() -> None:
    """wire F13 and E1: one byte over is a 413 that names number and setting."""
    assert len(await read_body({}, Incoming(b"x" * LIMIT), LIMIT)) == LIMIT
    error = await refusal(Incoming(b"x" * LIMIT, b"y"))
    assert (error.status, error.type) == (413, "request_too_large")
    assert error.message.startswith("Request exceeds the maximum size of 1000 bytes")


async def test_limit_of_the_setting_is_named_as_such() -> None:
    error = await refusal(Incoming(b"x" * LIMIT, b"y"))
    assert error.message.endswith("1000 bytes (setting MAX_BODY_BYTES)")


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
        ("gzip", gzipped(TEXT)),
        (" GZIP ", gzipped(TEXT)),
        ("x-gzip", gzipped(TEXT)),
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
    "body",
    [
        b"no gzip at all",
        gzipped(TEXT)[:-4],
        gzipped(TEXT)[:5],
        b"",
        gzipped(TEXT) + b"more",
    ],
)
async def test_broken_compression_is_the_callers_fault(body: bytes) -> None:
    assert (await refusal(Incoming(body), content_encoding="gzip")).status == 400


async def test_body_that_swells_is_stopped_at_the_limit() -> None:
    """Ours: a kilobyte may hold a gigabyte."""
    bomb = gzipped(b"0" * 500_000)
    assert len(bomb) < LIMIT
    assert (await refusal(Incoming(bomb), content_encoding="gzip")).status == 413


async def test_compressed_body_is_unpacked_once_whatever_its_size() -> None:
    """Work of a large one is done off the event loop, within the same limits."""
    plain = random.Random(1).randbytes(400_000)
    packed = gzipped(plain)
    with BodyMemory(10**6, "").share() as share:
        encoded = {"content-encoding": "gzip"}
        assert await read(encoded, Incoming(packed), share, limits(max_body_bytes=10**6)) == plain
        assert share.size == len(packed) + len(plain)


async def test_bodies_that_are_held_share_the_memory() -> None:
    """What many send must not add up."""
    memory = BodyMemory(2 * LIMIT, "setting MAX_BODY_MEMORY")
    with memory.share() as first:
        await read({}, Incoming(b"x" * LIMIT), first, limits())
        with memory.share() as second:
            await read({}, Incoming(b"x" * LIMIT), second, limits())
            with memory.share() as third, pytest.raises(ApiError) as caught:
                await read({}, Incoming(b"x"), third, limits())
        assert (caught.value.status, memory.held) == (529, LIMIT)
        assert "MAX_BODY_MEMORY" in caught.value.message
    assert memory.held == 0


async def test_body_that_stops_coming_is_not_waited_for() -> None:
    async def silence() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    with BodyMemory(LIMIT, "").share() as share, pytest.raises(ApiError) as caught:
        await read({}, silence, share, limits(body_idle_timeout=0.01))
    assert (caught.value.status, caught.value.type) == (408, "timeout_error")
    assert "BODY_IDLE_TIMEOUT" in caught.value.message


async def test_body_that_comes_byte_by_byte_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each piece in time, the whole too slow."""
    monkeypatch.setattr(request_body, "SLOWEST", 10**12)

    async def drip() -> Message:
        await asyncio.sleep(0)
        return {"type": "http.request", "body": b"x", "more_body": True}

    with BodyMemory(10**9, "").share() as share, pytest.raises(ApiError) as caught:
        await read({}, drip, share, limits(max_body_bytes=10**9, body_idle_timeout=0.02))
    assert caught.value.status == 408 and share.size > 1
