"""Requests and the connections under them: made, kept, given up, found broken."""

from __future__ import annotations

import asyncio

import pytest

from bridge.outbound import client as outbound
from bridge.outbound.address import address_of
from bridge.outbound.client import HttpClient
from bridge.outbound.errors import (
    AddressError,
    SilentError,
)
from tests.bridge.outbound.serving import (
    LINE,
    WAIT,
    WHOLE,
    answering,
    body_of,
    fetched,
    get,
    serving,
)

LARGE = b"x" * 8_000_000


async def test_request_is_written_as_it_is_given(client: HttpClient) -> None:
    told = list[bytes]()
    async with serving(answering(WHOLE, told=told)) as server:
        lines = {"accept": "*/*", "x-key": "é"}
        url = f"http://127.0.0.1:{server.port}/v1/a b?c=d e#f"
        await body_of(await client.request("POST", url, lines, b"{}", WAIT))
    assert told == [
        f"POST /v1/a%20b?c=d%20e HTTP/1.1\r\nhost: 127.0.0.1:{server.port}\r\n"
        "accept: */*\r\nx-key: é\r\ncontent-length: 2\r\n\r\n".encode("latin-1")
    ]


@pytest.mark.parametrize("value", ["a\r\nx: y", "a\nb", "a\0b", "\x1b", "€"])
@pytest.mark.parametrize("where", ["name", "value"])
def test_header_that_would_be_two_is_not_sent(value: str, where: str) -> None:
    headers = {"x": value} if where == "value" else {value: "x"}
    with pytest.raises(AddressError):
        address_of("http://h/").head("GET", headers, None)


@pytest.mark.parametrize(
    ("url", "host", "target", "place"),
    [
        ("http://h", "h", "/", ("h", 80)),
        ("https://h:443/v1", "h", "/v1", ("h", 443)),
        ("https://h:8443/v1?a=b", "h:8443", "/v1?a=b", ("h", 8443)),
        ("http://[::1]:8000/v1", "[::1]:8000", "/v1", ("::1", 8000)),
        ("http://bücher.test/v1", "xn--bcher-kva.test", "/v1", ("xn--bcher-kva.test", 80)),
    ],
)
def test_address_is_read(url: str, host: str, target: str, place: tuple[str, int]) -> None:
    address = address_of(url)
    assert (address.host, address.target) == (host, target)
    assert (address.server.host, address.server.port) == place


@pytest.mark.parametrize(
    "url",
    [
        "http://h:99999/",
        "http://h:x/",
        "http://[::1/",
        "http:///v1",
        "ftp://h/",
        "http://user:pass@h/",
        f"http://{'a' * 70}.test/",
        "http://..test/",
    ],
)
def test_address_that_cannot_be_asked_is_refused(url: str) -> None:
    with pytest.raises(AddressError):
        address_of(url)


# --- connections that are kept ------------------------------------------------------------------


async def test_connection_is_used_again(client: HttpClient) -> None:
    async with serving(answering(*[WHOLE] * 5)) as server:
        for _ in range(5):
            assert await fetched(client, server.url) == b"{}"
        assert server.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        LINE + b"connection: close\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n{}",
    ],
)
async def test_connection_that_the_server_gives_up_is_not_used_again(
    client: HttpClient, answer: bytes
) -> None:
    async with serving(answering(answer, answer)) as server:
        for _ in range(2):
            assert await fetched(client, server.url) == b"{}"
        assert server.connections == 2


async def test_connection_that_was_idle_for_long_is_not_used_again(
    client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbound, "IDLE_CONNECTION_SECONDS", 0.0)
    async with serving(answering(WHOLE, WHOLE)) as server:
        for _ in range(2):
            assert await fetched(client, server.url) == b"{}"
        assert server.connections == 2


async def test_idle_connections_are_closed_in_time(
    client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without another request."""
    monkeypatch.setattr(outbound, "IDLE_CONNECTION_SECONDS", 0.01)
    async with serving(answering(WHOLE, WHOLE)) as server:
        assert await fetched(client, server.url) == b"{}"
        await asyncio.wait_for(server.all_lost.wait(), WAIT)


async def test_unfinished_reply_takes_its_connection_with_it(client: HttpClient) -> None:
    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(LINE + b"content-length: 9\r\n\r\nabc")
        await reader.read()

    async with serving(converse) as server:
        reply = await get(client, server.url)
        assert await reply.inbox.take(WAIT) == b"abc"
        reply.close()
        await asyncio.wait_for(server.all_lost.wait(), WAIT)


async def test_closing_the_client_closes_what_is_in_use() -> None:
    client = HttpClient(5.0)

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(LINE + b"content-length: 9\r\n\r\nabc")
        await reader.read()

    async with serving(converse) as server:
        reply = await get(client, server.url)
        await client.aclose()
        await asyncio.wait_for(server.all_lost.wait(), WAIT)
        reply.close()


async def test_answer_that_comes_before_the_request_was_read_counts(client: HttpClient) -> None:
    """A server that refuses a large body need not read it."""
    refusal = b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\n{}"
    refused = asyncio.Event()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(refusal)
        await refused.wait()

    async with serving(converse) as server:
        reply = await client.request("POST", server.url, {}, LARGE, WAIT)
        assert (reply.status, await body_of(reply)) == (413, b"{}")
        refused.set()


async def test_large_request_arrives_whole(client: HttpClient) -> None:
    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert f"content-length: {len(LARGE)}".encode() in head
        assert await reader.readexactly(len(LARGE)) == LARGE
        writer.write(WHOLE)

    async with serving(converse) as server:
        reply = await client.request("POST", server.url, {}, LARGE, WAIT)
        assert await body_of(reply) == b"{}"


# --- time ---------------------------------------------------------------------------------------


async def test_server_that_says_nothing_is_given_up(client: HttpClient) -> None:
    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving(converse) as server:
        with pytest.raises(SilentError):
            await get(client, server.url, 0.01)
        await asyncio.wait_for(server.all_lost.wait(), WAIT)


async def test_head_that_drips_is_given_up(client: HttpClient) -> None:
    """A byte now and then puts nothing off."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(LINE)
        while not writer.is_closing():
            writer.write(b"x: y\r\n")
            await writer.drain()
            await asyncio.sleep(0.001)

    async with serving(converse) as server:
        with pytest.raises(SilentError):
            await get(client, server.url, 0.1)
        await asyncio.wait_for(server.all_lost.wait(), WAIT)
