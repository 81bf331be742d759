"""The client of the backends against real sockets. wire.md E2, first rows; C1, last row; G11."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from bridge.routing import Backend
from bridge.translation.errors import ApiError
from bridge.upstream import CONNECT_TIMEOUT, CUT_SHORT, UNREACHABLE, Reply, Upstream
from tests.bridge.making import SECRET, a_backend
from tests.bridge.ports import closed_port, deaf_port
from tests.fakes.backend import ALPHA, MODELS, FakeBackend
from tests.fakes.chunks import text
from tests.fakes.replies import End, Gate

BODY = b'{"model":"test/alpha","messages":[],"stream":true}'
SOME = 100_000
WAIT = 5.0


async def ask(upstream: Upstream, backend: Backend, key: str = SECRET) -> bytes:
    """One chat request; the whole of its answer."""
    reply = await upstream.send(backend, key, BODY)
    try:
        return await reply.read(SOME)
    finally:
        await reply.aclose()


async def failure(upstream: Upstream, backend: Backend) -> ApiError:
    with pytest.raises(ApiError) as caught:
        await ask(upstream, backend)
    return caught.value


# --- what is sent ------------------------------------------------------------------------------


async def test_request_goes_to_the_address_of_the_row(
    upstream: Upstream, main: Backend, backend: FakeBackend
) -> None:
    await ask(upstream, main)
    call = backend.only_call
    assert (call.method, call.path, call.raw) == ("POST", "/v1/chat/completions", BODY)
    assert call.header("host") == main.host


async def test_only_these_headers_are_sent(
    upstream: Upstream, main: Backend, backend: FakeBackend
) -> None:
    """wire.md C1: never forward client headers."""
    await ask(upstream, main)
    sent = {name: value for name, value in backend.only_call.headers if name != "host"}
    assert sent.pop("content-length") == str(len(BODY))
    assert sent.pop("connection", "keep-alive") == "keep-alive"
    assert sent.pop("accept", "*/*") == "*/*"
    assert sent == {
        "content-type": "application/json",
        "authorization": f"Bearer {SECRET}",
        "accept-encoding": "identity",
        "user-agent": "claude-bridge",
    }


async def test_key_goes_into_the_header_of_the_row(
    upstream: Upstream, backend: FakeBackend
) -> None:
    """wire.md G11: a backend row may name another header."""
    await ask(upstream, a_backend(f"{backend.base_url}/v1", auth_header="api-key"))
    call = backend.only_call
    assert (call.header("api-key"), call.header("authorization")) == (SECRET, None)


async def test_no_key_means_no_header(
    upstream: Upstream, main: Backend, backend: FakeBackend
) -> None:
    await ask(upstream, main, key="")
    assert backend.only_call.header("authorization") is None


async def test_key_that_is_no_plain_text_is_no_bug(upstream: Upstream, main: Backend) -> None:
    """Ours: a caller's strange key may be refused, here or by the backend, but breaks nothing."""
    with suppress(ApiError):
        await ask(upstream, main, key="cl\u00e9")


async def test_list_is_read_below_the_base(
    upstream: Upstream, main: Backend, backend: FakeBackend
) -> None:
    reply = await upstream.get(main, SECRET, "models")
    assert (reply.status, b'"data"' in await reply.read(SOME)) == (200, True)
    await reply.aclose()
    assert backend.wait_for_request(MODELS).method == "GET"


async def test_redirect_is_not_followed(
    upstream: Upstream, main: Backend, backend: FakeBackend
) -> None:
    """wire.md E2, 3xx; design.md, Egress."""
    backend.on(ALPHA).json({}, 307, {"location": f"{backend.base_url}/elsewhere"})
    reply = await upstream.send(main, SECRET, BODY)
    await reply.aclose()
    assert (reply.status, len(backend.requests)) == (307, 1)


async def test_cookies_are_not_kept(
    upstream: Upstream, main: Backend, backend: FakeBackend
) -> None:
    """Ours: one caller's session must not become the next one's."""
    backend.on(ALPHA).json({}, headers={"set-cookie": "session=1; Path=/"})
    await ask(upstream, main)
    await ask(upstream, main)
    assert [call.header("cookie") for call in backend.calls] == [None, None]


async def test_proxy_of_the_shell_is_not_used(
    main: Backend, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """design.md, Egress: only the addresses of backend rows are ever called."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    upstream = Upstream(WAIT)
    try:
        assert b"Hello" in await ask(upstream, main)
    finally:
        await upstream.aclose()


# --- what goes wrong before an answer ----------------------------------------------------------


async def test_refused_connection_may_be_tried_again(upstream: Upstream) -> None:
    """wire.md E2, first row; F112: without host or port."""
    with closed_port() as port:
        error = await failure(upstream, a_backend(f"http://127.0.0.1:{port}/v1"))
    assert (error.status, error.type, error.message) == (502, "api_error", UNREACHABLE)
    assert (error.blames_backend, error.retryable) == (True, True)


async def test_name_that_does_not_resolve_is_unreachable(upstream: Upstream) -> None:
    """wire.md E2, first row: DNS failure."""
    error = await failure(upstream, a_backend("http://no-such-host.invalid/v1"))
    assert (error.status, error.message, error.retryable) == (502, UNREACHABLE, True)


async def test_failed_handshake_is_unreachable(upstream: Upstream) -> None:
    """wire.md E2, first row: TLS failure; here a server that speaks plain HTTP."""

    async def answer_plainly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer_plainly, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    error = await failure(upstream, a_backend(f"https://127.0.0.1:{port}/v1"))
    server.close()
    assert (error.status, error.message) == (502, UNREACHABLE)
    assert (error.blames_backend, error.retryable) == (True, True)


async def test_connection_dropped_before_the_head_is_not_tried_again(
    upstream: Upstream, main: Backend, backend: FakeBackend
) -> None:
    """wire.md E2, first row: retried in the connect stage only."""
    backend.on(ALPHA).drop()
    error = await failure(upstream, main)
    assert (error.status, error.message, error.retryable) == (502, UNREACHABLE, False)
    assert error.blames_backend


async def test_connection_that_takes_too_long_is_a_timeout() -> None:
    """wire.md E2: connect timeout, 504, may be tried again."""
    upstream = Upstream(connect_timeout=0.05)
    try:
        with deaf_port() as port:
            error = await failure(upstream, a_backend(f"http://127.0.0.1:{port}/v1"))
    finally:
        await upstream.aclose()
    assert (error.status, error.type, error.message) == (504, "timeout_error", CONNECT_TIMEOUT)
    assert (error.blames_backend, error.retryable) == (True, True)


async def test_silent_backend_is_given_up_after_the_time_of_its_row(
    upstream: Upstream, backend: FakeBackend
) -> None:
    """wire.md E2: header timeout; not retried, since the work may be running."""
    backend.on(ALPHA).json({}, before=Gate())
    hasty = a_backend(f"{backend.base_url}/v1", timeout=0.05)
    error = await failure(upstream, hasty)
    assert (error.status, error.type) == (504, "timeout_error")
    assert error.message == "Backend did not answer within 0.05 seconds"
    assert (error.blames_backend, error.retryable) == (True, False)
    await asyncio.to_thread(backend.only_call.wait_left)


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999/v1", "http://[::1/v1", "http://h:x/v1"])
async def test_impossible_address_is_unreachable(upstream: Upstream, url: str) -> None:
    """wire.md E2, first row; ours: a typo in a row is no bug of the gateway."""
    error = await failure(upstream, a_backend(url))
    assert (error.status, error.message) == (502, UNREACHABLE)


# --- the answer --------------------------------------------------------------------------------


async def test_answer_comes_in_the_pieces_in_which_it_was_sent(
    upstream: Upstream, main: Backend, backend: FakeBackend
) -> None:
    gate = Gate()
    backend.on(ALPHA).stream("data: 1\n\n", gate, "data: 2\n\n", done=False)
    reply = await upstream.send(main, SECRET, BODY)
    chunks = reply.chunks()
    assert reply.content_type.startswith("text/event-stream")
    assert await anext(chunks) == b"data: 1\n\n"
    gate.open()
    assert b"".join([chunk async for chunk in chunks]) == b"data: 2\n\n"
    await reply.aclose()


@pytest.mark.parametrize("end", list(End))
async def test_body_that_breaks_off_is_an_error(
    upstream: Upstream, main: Backend, backend: FakeBackend, end: End
) -> None:
    """wire.md D7: transport error."""
    backend.on(ALPHA).stream(text("He"), end)
    reply = await upstream.send(main, SECRET, BODY)
    with pytest.raises(ApiError) as caught:
        await reply.read(SOME)
    await reply.aclose()
    error = caught.value
    assert (error.status, error.message, error.retryable) == (502, CUT_SHORT, False)


async def test_only_so_many_bytes_are_read(
    upstream: Upstream, main: Backend, backend: FakeBackend
) -> None:
    """Ours: an error page has no business being huge."""
    backend.on(ALPHA).raw("x" * 50_000, "text/plain", 500)
    reply = await upstream.send(main, SECRET, BODY)
    assert await reply.read(1000) == b"x" * 1000
    await reply.aclose()


async def test_closing_an_unfinished_answer_stops_the_backend(
    upstream: Upstream, main: Backend, backend: FakeBackend
) -> None:
    """wire.md D2, client gone: close at once."""
    gate = Gate()
    backend.on(ALPHA).stream(text("He"), gate)
    reply = await upstream.send(main, SECRET, BODY)
    await anext(reply.chunks())
    await reply.aclose()
    await asyncio.to_thread(backend.only_call.wait_left)


async def test_cancelled_request_stops_the_backend(
    upstream: Upstream, main: Backend, backend: FakeBackend
) -> None:
    """Issue 2, item 5: a client's leaving closes the upstream at once; here before the head."""
    gate = Gate()
    backend.on(ALPHA).json({}, before=gate)
    asking = asyncio.create_task(ask(upstream, main))
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
                await reader.readexactly(len(BODY))
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


async def test_connection_is_used_again_after_a_whole_answer(upstream: Upstream) -> None:
    """Issue 2, item 5: one long-lived client."""
    async with counting_server() as (url, counts):
        for _ in range(4):
            assert await ask(upstream, a_backend(url)) == b"{}"
    assert counts == [4]


async def test_parallel_requests_do_not_wait_for_each_other(
    upstream: Upstream, main: Backend, backend: FakeBackend
) -> None:
    """Ours: no limit of connections; twice the usual hundred of a client's pool."""
    gate = Gate()
    backend.on(ALPHA).json({}, before=gate)
    asking = [asyncio.create_task(ask(upstream, main)) for _ in range(200)]
    await asyncio.to_thread(backend.wait_for_calls, 200)
    gate.open()
    assert await asyncio.wait_for(asyncio.gather(*asking), WAIT) == [b"{}"] * 200


# --- retry-after -------------------------------------------------------------------------------


async def wait_told(upstream: Upstream, main: Backend, backend: FakeBackend, value: str) -> str:
    backend.on(ALPHA).error(429, "slow", {"retry-after": value})
    reply: Reply = await upstream.send(main, SECRET, BODY)
    await reply.aclose()
    return reply.headers["retry-after"]


@pytest.mark.parametrize("value", ["7", "1.5", "0", "soon", ""])
async def test_retry_after_in_seconds_is_left_as_it_is(
    upstream: Upstream, main: Backend, backend: FakeBackend, value: str
) -> None:
    assert await wait_told(upstream, main, backend, value) == value


@pytest.mark.parametrize(("ahead", "least", "most"), [(20, 19, 21), (-500, 0, 0)])
async def test_retry_after_as_a_date_becomes_seconds(
    upstream: Upstream, main: Backend, backend: FakeBackend, ahead: int, least: int, most: int
) -> None:
    """wire.md E2, 429: dates turned into seconds; F115."""
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=ahead), usegmt=True)
    assert least <= int(await wait_told(upstream, main, backend, moment)) <= most


# --- the demo ----------------------------------------------------------------------------------


async def test_demo_is_reached_the_same_way(upstream: Upstream) -> None:
    """design.md, Demo backend: no socket, no key."""
    demo = a_backend("demo://local/v1", name="demo")
    body = b'{"model":"demo/echo","messages":[{"role":"user","content":"hi"}]}'
    reply = await upstream.send(demo, "", body)
    assert (reply.status, reply.content_type) == (200, "application/json")
    assert b"You said: hi" in await reply.read(SOME)
    await reply.aclose()
