"""What goes wrong on the way to a backend, each on a real socket. wire E2, first rows."""

import asyncio

import pytest

from bridge.backends.client import BackendClient
from bridge.backends.failures import CONNECT_TIMEOUT, UNREACHABLE
from bridge.routing.types import BackendConfig
from bridge.translation.errors.api_error import ApiError
from tests.bridge.making import a_backend, send
from tests.bridge.ports import closed_port, deaf_port
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.replies import Gate


async def failure(upstream: BackendClient, backend: BackendConfig) -> ApiError:
    with pytest.raises(ApiError) as caught:
        await send(upstream, backend)
    return caught.value


async def test_refused_connection_may_be_tried_again(upstream: BackendClient) -> None:
    """wire E2, first row; F112: without host or port."""
    with closed_port() as port:
        error = await failure(upstream, a_backend(f"http://127.0.0.1:{port}/v1"))
    assert (error.status, error.type, error.message) == (502, "api_error", UNREACHABLE)
    assert (error.blames_backend, error.retryable) == (True, True)


async def test_name_that_does_not_resolve_is_unreachable(upstream: BackendClient) -> None:
    """wire E2, first row: DNS failure."""
    error = await failure(upstream, a_backend("http://no-such-host.invalid/v1"))
    assert (error.status, error.message, error.retryable) == (502, UNREACHABLE, True)


async def test_failed_handshake_is_unreachable(upstream: BackendClient) -> None:
    """wire E2, first row: TLS failure; here a server that speaks plain HTTP."""

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
    upstream: BackendClient, main: BackendConfig, backend: FakeBackend
) -> None:
    """wire E2, first row: retried in the connect stage only."""
    backend.on(ALPHA).drop()
    error = await failure(upstream, main)
    assert (error.status, error.message, error.retryable) == (502, UNREACHABLE, False)
    assert error.blames_backend


async def test_connection_that_takes_too_long_is_a_timeout() -> None:
    """wire E2: connect timeout, 504. A second attempt would only wait as long again."""
    upstream = BackendClient(connect_timeout=0.05)
    try:
        with deaf_port() as port:
            error = await failure(upstream, a_backend(f"http://127.0.0.1:{port}/v1"))
    finally:
        await upstream.aclose()
    assert (error.status, error.type, error.message) == (504, "timeout_error", CONNECT_TIMEOUT)
    assert (error.blames_backend, error.retryable, error.unreachable) == (True, False, True)


async def test_silent_backend_is_given_up_after_the_time_of_its_row(
    upstream: BackendClient, backend: FakeBackend
) -> None:
    """wire E2: header timeout; not retried, since the work may be running. F113, R20."""
    backend.on(ALPHA).json({}, before=Gate())
    hasty = a_backend(f"{backend.base_url}/v1", timeout=0.05)
    error = await failure(upstream, hasty)
    assert (error.status, error.type) == (504, "timeout_error")
    assert error.message == "Backend did not answer within 0.05 seconds"
    assert (error.blames_backend, error.retryable) == (True, False)
    await asyncio.to_thread(backend.only_call.wait_left)


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999/v1", "http://[::1/v1", "http://h:x/v1"])
async def test_impossible_address_is_unreachable(upstream: BackendClient, url: str) -> None:
    """wire E2, first row; ours: a typo in a row is no bug of the gateway."""
    error = await failure(upstream, a_backend(url))
    assert (error.status, error.message) == (502, UNREACHABLE)
