"""httpx's requests and replies over connections of our own.

httpx reads addresses and builds requests; `HttpClient` does what goes over the wire. A reply's body
can be read as httpx has it, or from the inbox of `ReplyBody`, whose reader goes on within the turn
of the event loop in which bytes came.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from bridge.outbound.client import HttpClient
from bridge.outbound.connection import HttpReply
from bridge.outbound.tunnel import ForwardProxy

OF_THE_CONNECTION = frozenset({"host", "content-length", "connection", "transfer-encoding"})
"""Headers that `HttpClient` writes itself, or that are about a connection."""
WAIT_SECONDS = 60.0
"""For the head of a reply, where a request names no `read` timeout."""


class OutboundTransport(httpx.AsyncBaseTransport):
    """All connections of one process. They are made by its first request.

    A request's body is held in memory, and its `read` timeout is the whole time until the head of
    the reply, in seconds. Raises the errors of `bridge.outbound.errors` and OSError, which tell
    more causes apart than httpx's.
    """

    def __init__(self, connect_timeout: float, proxy: ForwardProxy | None = None) -> None:
        self._client = HttpClient(connect_timeout, proxy)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        headers = {
            name: value for name, value in request.headers.items() if name not in OF_THE_CONNECTION
        }
        sent = None if request.method == "GET" and not body else body
        seconds = request.extensions.get("timeout", {}).get("read") or WAIT_SECONDS
        reply = await self._client.request(request.method, str(request.url), headers, sent, seconds)
        lines = [
            (name.encode("latin-1"), text.encode("latin-1")) for name, text in reply.headers.items()
        ]
        return httpx.Response(reply.status, headers=lines, stream=ReplyBody(reply))

    async def aclose(self) -> None:
        await self._client.aclose()


class ReplyBody(httpx.AsyncByteStream):
    """The body of one reply. Closing it unfinished closes its connection."""

    def __init__(self, reply: HttpReply) -> None:
        self.reply = reply

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while data := await self.reply.inbox.take(None):
            yield data

    async def aclose(self) -> None:
        self.reply.close()


def client(seconds: float, headers: Mapping[str, str] | None = None) -> httpx.AsyncClient:
    """A client whose requests may take so many seconds until the head of a reply.

    It follows no redirect, keeps no cookie and asks no proxy of the environment.
    """
    return httpx.AsyncClient(
        transport=OutboundTransport(seconds),
        timeout=seconds,
        headers=headers,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        trust_env=False,
    )
