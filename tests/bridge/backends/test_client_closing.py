"""Connections that a backend closes although it promised to keep them, on real sockets.

wire E2, first row, tells "not sent twice" for a request that a backend has taken; these here were
written into a connection that was already at its end.
"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from bridge.backends.client import BackendClient
from bridge.backends.failures import UNREACHABLE
from bridge.ledger.record import Record
from bridge.outbound import client
from bridge.relay import attempt
from bridge.routing.types import BackendConfig
from bridge.runtime.gateway import Gateway
from bridge.translation.errors.api_error import ApiError
from tests.bridge.making import CHAT_BODY, SECRET, SOME, a_backend, send
from tests.bridge.roads import answer_to, call
from tests.fakes.backend import ALPHA, HELLO, FakeBackend

LARGE_BODY = CHAT_BODY[:-1] + b',"user":"' + b"x" * 1_000_000 + b'"}'


async def failure(upstream: BackendClient, backend: BackendConfig) -> ApiError:
    with pytest.raises(ApiError) as caught:
        await send(upstream, backend)
    return caught.value


async def test_request_right_behind_an_answer_survives_its_closing(
    upstream: BackendClient, main: BackendConfig, backend: FakeBackend
) -> None:
    """Observed backend (llama.cpp): keep-alive is promised, and the connection closed at once."""
    backend.on(ALPHA).json({}).close_behind()
    for _ in range(20):
        assert await send(upstream, main) == b"{}"
    assert len(backend.calls) == 20


async def test_large_request_survives_it_as_well(
    upstream: BackendClient, main: BackendConfig, backend: FakeBackend
) -> None:
    """Ours: the pipe breaks while its body is being written, which is another error."""
    backend.on(ALPHA).json({}).close_behind()
    for _ in range(5):
        reply = await upstream.send(main, SECRET, LARGE_BODY)
        assert await reply.read(SOME) == b"{}"
    assert [call.raw for call in backend.calls] == [LARGE_BODY] * 5


async def test_new_connection_that_is_dropped_gets_nothing_twice(
    upstream: BackendClient, main: BackendConfig, backend: FakeBackend
) -> None:
    """wire E2, first row: the backend has taken it, and may be working on it."""
    backend.on(ALPHA).drop()
    error = await failure(upstream, main)
    assert (error.status, error.retryable, error.blames_backend) == (502, False, True)
    assert len(backend.calls) == 1


async def test_second_connection_that_is_dropped_gets_nothing_twice_either(
    upstream: BackendClient, main: BackendConfig, backend: FakeBackend
) -> None:
    """Ours: once more over a new connection, and that is all."""
    backend.on(ALPHA).json({}).drop()
    await send(upstream, main)
    error = await failure(upstream, main)
    assert (error.message, error.retryable, error.blames_backend) == (UNREACHABLE, False, True)
    assert len(backend.calls) == 3


async def test_connection_that_ends_after_a_while_was_read(
    upstream: BackendClient,
    main: BackendConfig,
    backend: FakeBackend,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ours: a server that dies over a request is not given the same one again."""
    monkeypatch.setattr(client, "CLOSING_SECONDS", 0.0)
    backend.on(ALPHA).json({}).drop()
    await send(upstream, main)
    error = await failure(upstream, main)
    assert (error.message, error.retryable, error.blames_backend) == (UNREACHABLE, False, True)
    assert len(backend.calls) == 2


# --- ends that only a hand-made server has -------------------------------------------------------

End = Callable[[asyncio.StreamWriter], None]


def close(writer: asyncio.StreamWriter) -> None:
    writer.close()


def reset(writer: asyncio.StreamWriter) -> None:
    """Closing without lingering sends a reset."""
    own: socket.socket = writer.get_extra_info("socket")
    own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def half_a_head(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-le")
    writer.close()


@asynccontextmanager
async def ending_server(end: End) -> AsyncIterator[tuple[BackendConfig, list[int]]]:
    """Every connection answers once and meets the second request with that end.

    With it comes, for each connection, how many heads of requests were read.
    """
    heads: list[int] = []

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(0)
        number = len(heads) - 1
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                heads[number] += 1
                if heads[number] == 2:
                    end(writer)
                    return
                await reader.readexactly(len(CHAT_BODY))
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield a_backend(f"http://127.0.0.1:{port}/v1"), heads
    finally:
        server.close()


@pytest.mark.parametrize("end", [close, reset])
async def test_every_way_to_close_is_understood(upstream: BackendClient, end: End) -> None:
    """Ours: a socket that is closed with a request in it sends a reset."""
    async with ending_server(end) as (main, heads):
        assert [await send(upstream, main) for _ in range(2)] == [b"{}"] * 2
    assert heads == [2, 1]


async def test_what_was_not_read_goes_over_a_new_connection(upstream: BackendClient) -> None:
    """Ours: the next one that is idle may be closing too."""
    async with ending_server(close) as (main, heads):
        await asyncio.gather(*(send(upstream, main) for _ in range(3)))
        assert heads == [1, 1, 1]
        assert await send(upstream, main) == b"{}"
    assert sorted(heads) == [1, 1, 1, 2]


async def test_beginning_of_a_reply_shows_that_it_was_read(upstream: BackendClient) -> None:
    """Ours: only what nobody read is sent again."""
    async with ending_server(half_a_head) as (main, heads):
        await send(upstream, main)
        error = await failure(upstream, main)
    assert (error.status, error.retryable, error.blames_backend) == (502, False, True)
    assert heads == [2]


async def test_backend_that_is_gone_by_then_is_unreachable(upstream: BackendClient) -> None:
    """wire E2, first row: a refused connection is a refused one, also for the second attempt."""
    async with ending_server(close) as (main, heads):
        await send(upstream, main)
    error = await failure(upstream, main)
    assert (error.message, error.retryable, error.blames_backend) == (UNREACHABLE, True, True)


# --- what the road makes of it -------------------------------------------------------------------


@pytest.mark.parametrize("streamed", [False, True])
async def test_nobody_hears_of_it(
    engine: Gateway,
    backend: FakeBackend,
    records: list[Record],
    monkeypatch: pytest.MonkeyPatch,
    streamed: bool,
) -> None:
    """Ours: no error, no pause, no failure of the backend, and the second chance is still there."""
    monkeypatch.setattr(attempt, "PAUSE_RANGE", (3600.0, 3600.0))
    backend.on(ALPHA).answer(*HELLO).close_behind()
    answers = [await answer_to(engine, call(stream=streamed)) for _ in range(10)]
    assert [answer.status for answer in answers] == [200] * 10
    assert [(record.attempts, record.remedies) for record in records] == [(1, [])] * 10
    assert engine.health.reports == {}
    assert len(backend.calls) == 10
