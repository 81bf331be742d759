"""New connections: names, addresses, TLS, and what is left of one that nobody wants."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.outbound import dialing
from bridge.outbound.address import HttpServer
from bridge.outbound.client import HttpClient
from bridge.outbound.connection import HttpConnection
from bridge.outbound.errors import (
    CertificateError,
    ConnectError,
    ConnectTimeoutError,
    SilentError,
)
from tests.bridge.outbound.serving import (
    WAIT,
    WHOLE,
    answering,
    fetched,
    get,
    serving,
)
from tests.bridge.ports import answering_port, deaf_port
from tests.fakes.certificates import self_signed, server_context


async def test_host_that_swallows_packets_is_given_up() -> None:
    client = HttpClient(connect_timeout=0.05)
    with deaf_port() as port, pytest.raises(ConnectTimeoutError):
        await get(client, f"http://127.0.0.1:{port}/")
    with deaf_port() as port, pytest.raises(SilentError):
        await get(client, f"http://127.0.0.1:{port}/", 0.01)
    await client.aclose()


# --- names, addresses, TLS ----------------------------------------------------------------------

Names = dict[str, list[tuple[Any, ...]]]


def an_address(host: str, port: int) -> tuple[Any, ...]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    place = (host, port, 0, 0) if ":" in host else (host, port)
    return family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", place


@pytest.fixture
async def looked_up(monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], list[str]]:
    """Names that were looked up, and the addresses that each of them has."""
    asked, addresses = list[str](), list[str]()
    loop = asyncio.get_running_loop()
    original = loop.getaddrinfo

    async def getaddrinfo(host: str, port: int, **options: Any) -> list[tuple[Any, ...]]:
        if host in addresses:  # uvloop asks for what it connects to
            return [*await original(host, port, **options)]
        asked.append(host)
        await asyncio.sleep(0)
        return [an_address(each, port) for each in addresses]

    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
    return asked, addresses


async def test_ipv6_is_spoken(client: HttpClient) -> None:
    told = list[bytes]()
    async with serving(answering(WHOLE, told=told), "::1") as server:
        assert await fetched(client, f"http://[::1]:{server.port}/v1") == b"{}"
        assert f"host: [::1]:{server.port}\r\n".encode() in told[0]


async def test_name_is_looked_up_once_for_all(
    client: HttpClient, looked_up: tuple[list[str], list[str]]
) -> None:
    asked, addresses = looked_up
    addresses.append("127.0.0.1")
    async with serving(answering(WHOLE)) as server:
        url = f"http://backend.test:{server.port}/"
        assert await asyncio.gather(*(fetched(client, url) for _ in range(5))) == [b"{}"] * 5
        assert server.connections == 5
    assert asked == ["backend.test"]


async def test_cancelled_request_takes_no_name_from_the_others(
    client: HttpClient, looked_up: tuple[list[str], list[str]]
) -> None:
    looked_up[1].append("127.0.0.1")
    async with serving(answering(WHOLE)) as server:
        url = f"http://backend.test:{server.port}/"
        first, second = (asyncio.create_task(fetched(client, url)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        assert await second == b"{}"
        with pytest.raises(asyncio.CancelledError):
            await first


async def test_next_address_is_tried_where_one_is_dead(
    client: HttpClient, looked_up: tuple[list[str], list[str]]
) -> None:
    """One refuses at once, and one of another family says nothing at all."""
    looked_up[1].extend(["127.0.0.9", "127.0.0.1"])
    async with serving(answering(WHOLE)) as server:
        assert await fetched(client, f"http://backend.test:{server.port}/") == b"{}"


async def test_address_that_swallows_packets_does_not_hold_up_the_next(
    client: HttpClient,
    looked_up: tuple[list[str], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = asyncio.get_running_loop()
    connect = loop.sock_connect

    async def swallowing(sock: socket.socket, address: Any) -> None:
        if address[0] == "127.0.0.9":
            await asyncio.Event().wait()
        await connect(sock, address)

    monkeypatch.setattr(loop, "sock_connect", swallowing)
    monkeypatch.setattr(dialing, "NEXT_ADDRESS_SECONDS", 0.01)
    looked_up[1].extend(["127.0.0.9", "127.0.0.1"])
    async with serving(answering(WHOLE)) as server:
        assert await fetched(client, f"http://backend.test:{server.port}/") == b"{}"


async def test_all_addresses_that_refuse_are_one_error(
    client: HttpClient, looked_up: tuple[list[str], list[str]]
) -> None:
    looked_up[1].extend(["127.0.0.9", "127.0.0.8"])
    async with serving(answering(WHOLE)) as server:
        with pytest.raises(ConnectError, match="Errno 111"):
            await fetched(client, f"http://backend.test:{server.port}/")


async def test_certificate_is_checked_against_the_authorities_of_the_system(
    client: HttpClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SSL_CERT_FILE names others."""
    certificate = self_signed(tmp_path, "localhost")
    async with answering_port(WHOLE, server_context(certificate)) as port:
        url = f"https://localhost:{port}/v1"
        dialing.trust.cache_clear()
        with pytest.raises(CertificateError, match="self-signed"):
            await fetched(client, url)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        dialing.trust.cache_clear()
        assert await fetched(client, url) == b"{}"
    dialing.trust.cache_clear()


async def test_certificate_for_another_name_is_refused(
    client: HttpClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    dialing.trust.cache_clear()
    async with answering_port(WHOLE, server_context(certificate)) as port:
        with pytest.raises(CertificateError):
            await fetched(client, f"https://127.0.0.1:{port}/v1")
    dialing.trust.cache_clear()


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ssl.SSLContext]:
    """Of a server at localhost that is believed."""
    certificate = self_signed(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    dialing.trust.cache_clear()
    yield server_context(certificate)
    dialing.trust.cache_clear()


async def test_dial_that_is_cancelled_at_its_last_step_leaves_nothing(
    client: HttpClient, trusted: ssl.SSLContext
) -> None:
    """TLS is agreed on, and nobody wants the connection any more. The number of its socket is the
    next one's, which must not meet what is left of it."""
    async with answering_port(WHOLE, trusted) as port:
        lost = asyncio.Event()

        class Unwanted(HttpConnection):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                super().connection_made(transport)
                dialed.cancel()

        def make() -> HttpConnection:
            return Unwanted(lambda connection: None, lambda connection: lost.set())

        server = HttpServer(True, "localhost", port)
        dialed = asyncio.create_task(dialing.Dialer(WAIT).dial(server, make))
        with pytest.raises(asyncio.CancelledError):
            await dialed
        await asyncio.wait_for(lost.wait(), WAIT)
        for _ in range(3):
            assert await fetched(client, f"https://localhost:{port}/v1") == b"{}"


async def test_server_that_does_not_hear_the_end_of_tls_is_left(
    trusted: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialing, "GOODBYE_SECONDS", 0.01)
    lost = asyncio.Event()

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await lost.wait()

    def make() -> HttpConnection:
        return HttpConnection(lambda connection: None, lambda connection: lost.set())

    async with serving(deaf, context=trusted) as at:
        server = HttpServer(True, "localhost", at.port)
        connection = await dialing.Dialer(WAIT).dial(server, make)
        connection.close()
        await asyncio.wait_for(lost.wait(), WAIT)
