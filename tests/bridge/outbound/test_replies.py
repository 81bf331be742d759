"""Replies as servers send them, good ones and hostile ones, each over a real socket."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading

import pytest

from bridge.outbound.client import HttpClient
from bridge.outbound.connection import MAX_HEAD_BYTES
from bridge.outbound.errors import ClosedError, IncompleteError, NotHttpError, OutboundError
from bridge.outbound.inbox import MAX_AHEAD
from tests.bridge.outbound.serving import (
    CHUNKED,
    LINE,
    WAIT,
    WHOLE,
    answering,
    body_of,
    fetched,
    get,
    serving,
)

MOST_OF_ONE_READ = 256 * 1024


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (WHOLE, 200, b"{}"),
        (LINE + b"\r\nto the end", 200, b"to the end"),
        (b"HTTP/1.0 200 OK\r\n\r\nold", 200, b"old"),
        (LINE + b"transfer-encoding: gzip\r\n\r\nabc", 200, b"abc"),
        (CHUNKED + b"3\r\nabc\r\n2;name=value\r\nde\r\n0\r\n\r\n", 200, b"abcde"),
        (CHUNKED + b"3 \r\nabc\r\n0\r\nexpires: never\r\n\r\n", 200, b"abc"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", 304, b""),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + WHOLE, 200, b"{}"),
        (b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" * 3 + WHOLE, 200, b"{}"),
        (b"HTTP/1.1 101 Go\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nraw", 101, b""),
        (LINE.replace(b"\r", b"") + b"content-length: 2\n\n{}", 200, b"{}"),
        (b"HTTP/1.1 200\r\ncontent-length: 2\r\n\r\n{}", 200, b"{}"),
        (b"\r\n" + WHOLE, 200, b"{}"),
        (LINE + b"upgrade: h2c\r\ncontent-length: 2\r\n\r\n{}", 200, b"{}"),
    ],
)
async def test_reply_is_read(client: HttpClient, answer: bytes, status: int, body: bytes) -> None:
    async with serving(answering(answer)) as server:
        reply = await get(client, server.url)
        assert (reply.status, await body_of(reply)) == (status, body)


async def test_reply_may_come_byte_by_byte(client: HttpClient) -> None:
    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        own: socket.socket = writer.get_extra_info("socket")
        own.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in CHUNKED + b"3\r\nabc\r\n0\r\nx: y\r\n\r\n":
            writer.write(bytes([byte]))
            await asyncio.sleep(0)

    async with serving(converse) as server:
        assert await fetched(client, server.url) == b"abc"


async def test_header_names_are_lower_case_and_repeated_ones_joined(client: HttpClient) -> None:
    lines = b"X-One: 1\r\nx-one: 2\r\nX-Two: \xe9\r\nfolded: a\r\n b\r\n"
    async with serving(answering(LINE + lines + b"content-length: 2\r\n\r\n{}")) as server:
        reply = await get(client, server.url)
        assert await body_of(reply) == b"{}"
    assert reply.headers["x-one"] == "1, 2"
    assert reply.headers["x-two"] == "é"
    assert reply.headers["folded"].split() == ["a", "b"]


async def test_trailers_are_not_taken_for_headers(client: HttpClient) -> None:
    """Else a body could change what its own head says."""
    async with serving(answering(CHUNKED + b"0\r\nretry-after: 9\r\n\r\n")) as server:
        reply = await get(client, server.url)
        assert await body_of(reply) == b""
    assert reply.headers == {"transfer-encoding": "chunked"}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "Bad status line b'SSH-2.0"),
        (b"ICY 200 OK\r\n\r\n", "Bad status line b'ICY"),
        (b"HTTP/1.1 20 OK\r\n\r\n", "Bad status line"),
        (b"HTTP/1.1 099 Low\r\n\r\n", "Bad status line"),
        (b"junk" + WHOLE, "Bad status line b'junkHTTP"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "Bad status line b'\\x15"),
        (b"HTTP/1.1 150 X\r\ncontent-length: 5\r\n\r\nhello" + WHOLE, "Body behind an interim"),
        (LINE + b"a:\r\n" * (MAX_HEAD_BYTES // 4) + b"content-length: 2\r\n\r\n{}", "of headers"),
        (LINE + b"x : y\r\n\r\n", "Invalid header token"),
        (LINE + b"no colon\r\n\r\n", "Invalid header token"),
        (LINE + b"x: a\x00b\r\n\r\n", "Invalid header value char"),
        (LINE + b"content-length: 3\r\ncontent-length: 3\r\n\r\nabc", "Duplicate Content-Length"),
        (LINE + b"content-length: -3\r\n\r\nabc", "Invalid character in Content-Length"),
        (LINE + b"content-length: 2, 2\r\n\r\n{}", "Invalid character in Content-Length"),
        (LINE + b"content-length: " + b"9" * 30 + b"\r\n\r\n", "Content-Length overflow"),
        (
            LINE + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            "Transfer-Encoding can't be present with Content-Length",
        ),
        (
            CHUNKED[:-2] + b"content-length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            "Content-Length can't be present with Transfer-Encoding",
        ),
        (CHUNKED + b"zz\r\nabc", "Invalid character in chunk size"),
        (CHUNKED + b"F" * 18 + b"\r\nabc", "Chunk size overflow"),
        (LINE + b"x: y\r\n" * MAX_HEAD_BYTES, "bytes of headers"),
        (LINE + b"x: " + b"y" * (MAX_HEAD_BYTES + 1) + b"\r\n\r\n", "bytes of headers"),
        (b"HTTP/1.1 200 " + b"y" * 2 * MAX_HEAD_BYTES, "bytes of headers"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * MAX_HEAD_BYTES, "bytes of headers"),
        (CHUNKED + b"3;" + b"y" * 2 * MAX_HEAD_BYTES, "bytes of headers"),
    ],
)
async def test_reply_that_is_not_http_is_refused(
    client: HttpClient, answer: bytes, reason: str
) -> None:
    async with serving(answering(answer)) as server:
        with pytest.raises(OutboundError) as caught:
            await fetched(client, server.url)
    assert isinstance(caught.value, (NotHttpError, IncompleteError))
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (b"zz\r\n", "Invalid character in chunk size"),
        (b"3\r\nabcde\r\n", "Expected LF after chunk data"),
        (b"0\r\n" + b"x: y\r\n" * MAX_HEAD_BYTES, "bytes of headers"),
        (b"3;" + b"y" * 2 * MAX_HEAD_BYTES, "bytes of headers"),
        (b"", "Not enough data to satisfy transfer length header"),
    ],
)
async def test_body_that_goes_wrong_ends_in_an_error(
    client: HttpClient, more: bytes, reason: str
) -> None:
    """What came before it is the reader's."""
    begun = asyncio.Event()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(CHUNKED + b"3\r\nabc\r\n")
        await begun.wait()
        writer.write(more)

    async with serving(converse) as server:
        reply = await get(client, server.url)
        assert await reply.inbox.take(WAIT) == b"abc"
        begun.set()
        with pytest.raises(IncompleteError, match=reason):
            await body_of(reply)


async def test_body_that_is_too_short_says_by_how_much(client: HttpClient) -> None:
    async with serving(answering(LINE + b"content-length: 30\r\n\r\nabc")) as server:
        with pytest.raises(IncompleteError, match="received 3 of 30 bytes"):
            await fetched(client, server.url)


@pytest.mark.parametrize("beginning", [b"", b"HTTP/1.1 200 O", LINE + b"content-le"])
async def test_connection_that_ends_before_the_head_is_an_error(
    client: HttpClient, beginning: bytes
) -> None:
    async with serving(answering(beginning)) as server:
        with pytest.raises(ClosedError):
            await get(client, server.url)


async def test_reset_is_told_as_one(client: HttpClient) -> None:
    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        own: socket.socket = writer.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async with serving(converse) as server:
        with pytest.raises(ConnectionResetError):
            await get(client, server.url)


async def test_reset_is_no_end_of_a_body_that_goes_on_until_the_end(client: HttpClient) -> None:
    begun = asyncio.Event()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(LINE + b"\r\nhalf")
        await begun.wait()
        own: socket.socket = writer.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async with serving(converse) as server:
        reply = await get(client, server.url)
        assert await reply.inbox.take(WAIT) == b"half"
        begun.set()
        with pytest.raises(IncompleteError, match="ConnectionResetError"):
            await body_of(reply)


@pytest.mark.parametrize("junk", [b"JUNK", b"\x00", WHOLE, b"HTTP/1.1 500 No\r\n\r\n"])
async def test_bytes_behind_a_reply_answer_nothing(client: HttpClient, junk: bytes) -> None:
    """Neither this request nor the next one, which goes over another connection."""
    async with serving(answering(WHOLE + junk, WHOLE)) as server:
        for _ in range(2):
            assert await fetched(client, server.url) == b"{}"
        assert server.connections == 2


async def test_bytes_that_come_unasked_end_the_connection(client: HttpClient) -> None:
    answered, sent = asyncio.Event(), asyncio.Event()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(WHOLE)
        await answered.wait()
        writer.write(WHOLE)
        sent.set()
        await reader.read()

    async with serving(converse) as server:
        assert await fetched(client, server.url) == b"{}"
        answered.set()
        await asyncio.wait_for(server.all_lost.wait(), WAIT)
        assert await fetched(client, server.url) == b"{}"
        assert server.connections == 2


async def test_reply_that_waits_already_answers_no_later_request(client: HttpClient) -> None:
    """It came while the event loop was busy, and was not read before the next request."""
    go, sent = threading.Event(), threading.Event()
    listening = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"

    def serve() -> None:
        first, _ = listening.accept()
        first.recv(MAX_HEAD_BYTES)
        first.sendall(WHOLE)
        go.wait(WAIT)
        first.sendall(WHOLE.replace(b"{}", b"[]"))
        sent.set()
        second, _ = listening.accept()
        second.recv(MAX_HEAD_BYTES)
        second.sendall(WHOLE)
        for each in (first, second):
            each.close()

    with listening:
        serving_it = asyncio.create_task(asyncio.to_thread(serve))
        assert await fetched(client, url) == b"{}"
        go.set()
        assert sent.wait(WAIT)  # the loop stands still
        assert await fetched(client, url) == b"{}"
        await serving_it


async def test_reader_that_takes_nothing_stops_the_server(client: HttpClient) -> None:
    """And takes all of it in the end, over a connection that is as good as before."""
    size, written = 64 * MAX_AHEAD, 0

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        own: socket.socket = writer.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
        writer.transport.set_write_buffer_limits(0)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(LINE + b"content-length: %d\r\n\r\n" % size)
        while written < size:
            writer.write(b"x" * MAX_AHEAD)
            written += MAX_AHEAD
            await writer.drain()
        await reader.readuntil(b"\r\n\r\n")
        writer.write(WHOLE)

    async with serving(converse) as server:
        reply = await get(client, server.url)
        await _stands_still(lambda: written)
        assert written < size
        assert reply.inbox.received <= MAX_AHEAD + MOST_OF_ONE_READ
        assert len(await body_of(reply)) == size
        assert await fetched(client, server.url) == b"{}"
        assert server.connections == 1


async def _stands_still(value: object) -> None:
    """Return when a number has not changed for as many turns as anything takes here."""
    assert callable(value)
    before, turns = value(), 0
    while turns < 200:
        await asyncio.sleep(0.001)
        now = value()
        before, turns = now, turns + 1 if now == before else 0
