"""Servers of a test's own: they answer as they are told, whatever HTTP says."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from bridge.outbound.client import HttpClient
from bridge.outbound.connection import HttpReply

LINE = b"HTTP/1.1 200 OK\r\n"
CHUNKED = LINE + b"transfer-encoding: chunked\r\n\r\n"
WHOLE = LINE + b"content-length: 2\r\n\r\n{}"
WAIT = 25.0

Converse = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """What it was sent: the heads of requests, each with the number of its connection."""

    def __init__(self) -> None:
        self.port = 0
        self.heads: list[tuple[int, bytes]] = []
        self.connections = self.lost = 0
        self.all_lost = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"


@asynccontextmanager
async def serving(
    converse: Converse, host: str = "127.0.0.1", context: ssl.SSLContext | None = None
) -> AsyncIterator[Server]:
    """A server that talks so on each connection, and closes it then. Its connections have ended
    when it has."""
    told, running = Server(), set[asyncio.Task[None]]()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        told.connections += 1
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await converse(reader, writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        told.lost += 1
        told.all_lost.set()

    server = await asyncio.start_server(connected, host, 0, ssl=context)
    told.port = server.sockets[0].getsockname()[1]
    try:
        yield told
    finally:
        server.close()
        if running:
            await asyncio.wait(running, timeout=WAIT)


def answering(*answers: bytes, told: list[bytes] | None = None) -> Converse:
    """One answer for each request on a connection, which is closed behind the last of them."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            head = await reader.readuntil(b"\r\n\r\n")
            if told is not None:
                told.append(head)
            writer.write(answer)
            await writer.drain()

    return converse


async def get(client: HttpClient, url: str, seconds: float = WAIT) -> HttpReply:
    return await client.request("GET", url, {}, None, seconds)


async def body_of(reply: HttpReply) -> bytes:
    """All of it. The reply is closed."""
    parts = list[bytes]()
    try:
        while part := await reply.inbox.take(WAIT):
            parts.append(part)
        assert part == b""
    finally:
        reply.close()
    return b"".join(parts)


async def fetched(client: HttpClient, url: str) -> bytes:
    return await body_of(await get(client, url))
