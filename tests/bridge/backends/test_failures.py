"""Causes of failures: what operators read, and what clients do not."""

from __future__ import annotations

import errno
import os
import ssl
from pathlib import Path

import pytest

from bridge.backends import failures
from bridge.backends.client import BackendClient
from bridge.backends.failures import CONNECT_TIMEOUT, SHORTAGE, UNREACHABLE, UNREADABLE
from bridge.outbound import dialing
from bridge.outbound.errors import ConnectError
from bridge.routing.types import BackendConfig
from bridge.translation.errors.api_error import ApiError
from bridge.translation.response.message_stream import CUT_SHORT
from tests.bridge.making import SECRET, a_backend, send
from tests.bridge.ports import answering_port, closed_port, deaf_port, no_descriptor_left
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.certificates import self_signed, server_context

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


async def failure(upstream: BackendClient, url: str) -> ApiError:
    with pytest.raises(ApiError) as caught:
        await send(upstream, a_backend(url))
    return caught.value


async def test_name_that_does_not_resolve(upstream: BackendClient) -> None:
    error = await failure(upstream, "http://no-such-host.invalid/v1")
    assert error.message == UNREACHABLE
    assert error.cause == "host name does not resolve: Name or service not known"
    assert error.for_operators == f"{UNREACHABLE} ({error.cause})"
    assert (error.unreachable, error.blames_backend) == (True, True)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_port_that_is_closed(upstream: BackendClient, host: str) -> None:
    with closed_port() as port:
        error = await failure(upstream, f"http://{host}:{port}/v1")
    assert (error.message, error.cause) == (UNREACHABLE, "connection refused")
    assert error.unreachable


async def test_host_that_swallows_packets() -> None:
    hasty = BackendClient(connect_timeout=0.05)
    with deaf_port() as port:
        error = await failure(hasty, f"http://127.0.0.1:{port}/v1")
    await hasty.aclose()
    assert (error.message, error.cause) == (CONNECT_TIMEOUT, "no answer to the connection attempt")
    assert (error.unreachable, error.retryable) == (True, False)


@pytest.mark.parametrize(
    ("answer", "message", "cause"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", UNREADABLE, "reply is not HTTP: Bad status line"),
        (b"\x00\x01\x02\xff" * 10, UNREADABLE, "reply is not HTTP: Bad status line"),
        (b"hello\n", UNREADABLE, "reply is not HTTP: Bad status line"),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabc",
            UNREADABLE,
            "reply is not HTTP: Duplicate Content-Length",
        ),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: -3\r\n\r\nabc",
            UNREADABLE,
            "reply is not HTTP: Invalid character in Content-Length",
        ),
        (b"\x15\x03\x01\x00\x02\x02\x46", UNREADABLE, "the port speaks TLS, the address says http"),
        (b"", UNREACHABLE, "connection was closed without a reply"),
        (b"HTTP/1.1 200 O", UNREACHABLE, "connection was closed without a reply"),
    ],
)
async def test_server_that_answers_something_else(
    upstream: BackendClient, answer: bytes, message: str, cause: str
) -> None:
    """The server is there, so it is not called unreachable to other requests."""
    async with answering_port(answer) as port:
        error = await failure(upstream, f"http://127.0.0.1:{port}/v1")
    assert error.message == message
    assert error.cause.startswith(cause)
    assert (error.unreachable, error.blames_backend, error.retryable) == (False, True, False)


async def test_plain_server_behind_an_address_with_https(upstream: BackendClient) -> None:
    async with answering_port(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        error = await failure(upstream, f"https://127.0.0.1:{port}/v1")
    assert (error.message, error.unreachable) == (UNREACHABLE, True)
    assert error.cause.startswith("TLS handshake failed: ")


@pytest.mark.parametrize(
    ("name", "days_ago", "is_trusted", "cause"),
    [
        ("localhost", 0, False, "TLS certificate is not trusted: self-signed certificate"),
        ("localhost", 9, True, "TLS certificate is not trusted: certificate has expired"),
        ("elsewhere.test", 0, True, "TLS certificate is for another name: "),
    ],
)
async def test_certificate_that_does_not_fit(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    days_ago: int,
    is_trusted: bool,
    cause: str,
) -> None:
    certificate = self_signed(tmp_path, name, days_ago=days_ago)
    trust = ssl.create_default_context(cafile=certificate if is_trusted else None)
    monkeypatch.setattr(dialing, "trust", lambda: trust)
    upstream = BackendClient(5.0)
    async with answering_port(OK, server_context(certificate)) as port:
        error = await failure(upstream, f"https://localhost:{port}/v1")
    await upstream.aclose()
    assert (error.message, error.unreachable) == (UNREACHABLE, True)
    assert error.cause.startswith(cause)
    assert str(port) not in error.cause


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "no-such-host.invalid"])
async def test_process_without_descriptors_blames_nobody_but_itself(host: str) -> None:
    """Also where the resolver cannot open its files, and reports some other error."""
    upstream = BackendClient(5.0)
    with closed_port() as port, no_descriptor_left():
        error = await failure(upstream, f"http://{host}:{port}/v1")
    await upstream.aclose()
    assert (error.status, error.type) == (529, "overloaded_error")
    assert error.message == f"{SHORTAGE}: Too many open files"
    assert error.cause == "shortage on the gateway's machine: Too many open files"
    assert (error.blames_backend, error.unreachable, error.retryable) == (False, False, False)


@pytest.mark.parametrize(
    "number",
    [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENETUNREACH, errno.EADDRNOTAVAIL],
)
def test_shortage_of_this_machine_blames_no_backend(number: int) -> None:
    error = failures.to_error(ConnectError(OSError(number, os.strerror(number))))
    assert (error.status, error.blames_backend) == (529, False)
    assert os.strerror(number) in error.message


@pytest.mark.parametrize(
    ("text", "is_local"),
    [
        ("Multiple exceptions: [Errno 101] a, [Errno 111] b", False),
        ("Multiple exceptions: [Errno 101] a, [Errno 99] b", True),
        ("Multiple exceptions: nothing known", False),
    ],
)
def test_host_of_several_addresses_is_judged_by_the_one_that_answered(
    text: str, is_local: bool
) -> None:
    error = failures.to_error(ConnectError(OSError(text)))
    assert error.blames_backend is not is_local


def test_host_that_a_router_calls_unreachable_is_to_blame() -> None:
    error = failures.to_error(ConnectError(OSError(errno.EHOSTUNREACH, "No route to host")))
    assert (error.blames_backend, error.unreachable) == (True, True)
    assert error.cause == "host is unreachable: No route to host"


async def test_secrets_and_addresses_stand_in_no_cause(upstream: BackendClient) -> None:
    """A hostile server may answer what it was sent."""
    async with answering_port(f"{SECRET} 127.0.0.1\x1b[31m\r\n".encode()) as port:
        error = await failure(upstream, f"http://127.0.0.1:{port}/v1")
    assert error.cause.startswith("reply is not HTTP")
    assert SECRET not in error.cause
    assert "127.0.0.1" not in error.cause
    assert error.cause.isprintable()
    assert len(error.cause) < 200


async def test_body_that_breaks_off_has_its_cause(
    upstream: BackendClient, main: BackendConfig, backend: FakeBackend
) -> None:
    async with answering_port(b"HTTP/1.1 200 OK\r\ncontent-length: 30\r\n\r\nabc") as port:
        error = await failure(upstream, f"http://127.0.0.1:{port}/v1")
    assert error.message == CUT_SHORT
    assert error.cause.startswith("body is incomplete: Not enough data")
    backend.on(ALPHA).drop()
    assert (await failure(upstream, main.url)).cause == "connection was closed without a reply"
