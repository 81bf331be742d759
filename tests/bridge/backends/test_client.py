"""The answer of a backend over a real socket. wire E2, D7."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from bridge.backends.client import BackendClient, Reply
from bridge.outbound.connection import HttpReply
from bridge.outbound.inbox import Inbox
from bridge.routing.types import BackendConfig
from bridge.translation.errors.api_error import ApiError
from bridge.translation.response.message_stream import CUT_SHORT
from tests.bridge.making import CHAT_BODY, SECRET, SOME, a_backend, send
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import text
from tests.fakes.replies import End, Gate

WAIT = 25.0


async def test_answer_comes_in_the_pieces_in_which_it_was_sent(
    upstream: BackendClient, main: BackendConfig, backend: FakeBackend
) -> None:
    gate = Gate()
    backend.on(ALPHA).stream("data: 1\n\n", gate, "data: 2\n\n", done=False)
    reply = await upstream.send(main, SECRET, CHAT_BODY)
    chunks = reply.chunks()
    assert reply.content_type.startswith("text/event-stream")
    assert await anext(chunks) == b"data: 1\n\n"
    gate.open()
    assert b"".join([chunk async for chunk in chunks]) == b"data: 2\n\n"
    await reply.aclose()


@pytest.mark.parametrize("end", list(End))
async def test_body_that_breaks_off_is_an_error(
    upstream: BackendClient, main: BackendConfig, backend: FakeBackend, end: End
) -> None:
    """wire D7: transport error."""
    backend.on(ALPHA).stream(text("He"), end)
    reply = await upstream.send(main, SECRET, CHAT_BODY)
    with pytest.raises(ApiError) as caught:
        await reply.read(SOME)
    await reply.aclose()
    error = caught.value
    assert (error.status, error.message, error.retryable) == (502, CUT_SHORT, False)


async def test_only_so_many_bytes_are_read(
    upstream: BackendClient, main: BackendConfig, backend: FakeBackend
) -> None:
    """Ours: an error page has no business being huge."""
    backend.on(ALPHA).raw("x" * 50_000, "text/plain", 500)
    reply = await upstream.send(main, SECRET, CHAT_BODY)
    assert await reply.read(1000) == b"x" * 1000
    await reply.aclose()


async def test_body_that_is_kept_back_is_not_waited_for(
    upstream: BackendClient, main: BackendConfig, backend: FakeBackend
) -> None:
    gate = Gate()
    backend.on(ALPHA).stream("begun", gate, done=False)
    reply = await upstream.send(main, SECRET, CHAT_BODY)
    assert await anext(reply.chunks()) == b"begun"
    assert await reply.read(SOME, 0.01) == b""
    await reply.aclose()
    await asyncio.to_thread(backend.only_call.wait_left)


async def test_closing_an_unfinished_answer_stops_the_backend(
    upstream: BackendClient, main: BackendConfig, backend: FakeBackend
) -> None:
    """wire D2, client gone: close at once."""
    gate = Gate()
    backend.on(ALPHA).stream(text("He"), gate)
    reply = await upstream.send(main, SECRET, CHAT_BODY)
    await anext(reply.chunks())
    await reply.aclose()
    await asyncio.to_thread(backend.only_call.wait_left)


async def test_cancelled_request_stops_the_backend(
    upstream: BackendClient, main: BackendConfig, backend: FakeBackend
) -> None:
    """Ours: a client's leaving closes the upstream at once; here before the head."""
    gate = Gate()
    backend.on(ALPHA).json({}, before=gate)
    asking = asyncio.create_task(send(upstream, main))
    await asyncio.to_thread(gate.wait_reached)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await asyncio.to_thread(backend.only_call.wait_left)


@asynccontextmanager
async def counting_server() -> AsyncIterator[tuple[str, list[int]]]:
    """A server that keeps its connections; for each of them, the number of requests."""
    counts: list[int] = []

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        counts.append(0)
        number = len(counts) - 1
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(len(CHAT_BODY))
                counts[number] += 1
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/v1", counts
    finally:
        server.close()


async def test_connection_is_used_again_after_a_whole_answer(upstream: BackendClient) -> None:
    """Ours: one long-lived client."""
    async with counting_server() as (url, counts):
        for _ in range(4):
            assert await send(upstream, a_backend(url)) == b"{}"
    assert counts == [4]


async def test_parallel_requests_do_not_wait_for_each_other(
    upstream: BackendClient, main: BackendConfig, backend: FakeBackend
) -> None:
    """Ours: no limit of connections; twice the usual hundred of a client's pool."""
    gate = Gate()
    backend.on(ALPHA).json({}, before=gate)
    asking = [asyncio.create_task(send(upstream, main)) for _ in range(200)]
    await asyncio.to_thread(backend.wait_for_calls, 200)
    gate.open()
    assert await asyncio.wait_for(asyncio.gather(*asking), WAIT) == [b"{}"] * 200


async def test_request_leaves_nothing_to_the_collector_of_garbage(upstream: BackendClient) -> None:
    """Ours: it is called rarely, and what it must find stays until then."""
    async with counting_server() as (url, _):
        await send(upstream, a_backend(url))
        gc.collect()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            for _ in range(3):
                await send(upstream, a_backend(url))
            gc.collect()
            left = [each for each in gc.garbage if isinstance(each, (Reply, HttpReply, Inbox))]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
    assert left == []


# --- retry-after -------------------------------------------------------------------------------


async def wait_told(
    upstream: BackendClient, main: BackendConfig, backend: FakeBackend, value: str
) -> str:
    backend.on(ALPHA).error(429, "slow", {"retry-after": value})
    reply: Reply = await upstream.send(main, SECRET, CHAT_BODY)
    await reply.aclose()
    return reply.headers["retry-after"]


NO_DATES = [
    f"Wed, 21 Oct {year} 07:28:00 {zone}"
    for year, zone in (("9" * 20, "GMT"), ("15", "+" + "9" * 20))
]


@pytest.mark.parametrize("value", ["7", "1.5", "0", "soon", "", *NO_DATES])
async def test_retry_after_in_seconds_is_left_as_it_is(
    upstream: BackendClient, main: BackendConfig, backend: FakeBackend, value: str
) -> None:
    assert await wait_told(upstream, main, backend, value) == value


@pytest.mark.parametrize(("ahead", "least", "most"), [(20, 19, 21), (-500, 0, 0)])
async def test_retry_after_as_a_date_becomes_seconds(
    upstream: BackendClient,
    main: BackendConfig,
    backend: FakeBackend,
    ahead: int,
    least: int,
    most: int,
) -> None:
    """wire E2, 429: dates turned into seconds; F115."""
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=ahead), usegmt=True)
    assert least <= int(await wait_told(upstream, main, backend, moment)) <= most


# --- the demo ----------------------------------------------------------------------------------


async def test_demo_is_reached_the_same_way(upstream: BackendClient) -> None:
    """design, Demo backend: no socket, no key."""
    demo = a_backend("demo://local/v1", name="demo")
    body = b'{"model":"demo/echo","messages":[{"role":"user","content":"hi"}]}'
    reply = await upstream.send(demo, "", body)
    assert (reply.status, reply.content_type) == (200, "application/json")
    assert b"You wrote: hi" in await reply.read(SOME)
    await reply.aclose()
