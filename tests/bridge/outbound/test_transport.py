"""The connections of our own as a transport of httpx."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from bridge.outbound import transport
from bridge.outbound.errors import ClosedError, SilentError
from tests.bridge.outbound.serving import LINE, WAIT, WHOLE, answering, serving

COOKIE = LINE + b"set-cookie: a=b; path=/\r\ncontent-length: 2\r\n\r\n{}"
ELSEWHERE = b"HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n"


async def test_request_of_a_client_goes_out_once_with_each_header_once() -> None:
    told = list[bytes]()
    async with serving(answering(WHOLE, told=told)) as server, transport.client(WAIT) as client:
        reply = await client.post(f"{server.url}/a b", content=b"[1]", headers={"x-key": "secret"})
    assert (reply.status_code, reply.json()) == (200, {})
    head = told[0].decode().lower()
    assert head.startswith("post /v1/a%20b http/1.1\r\n")
    names = [line.partition(":")[0] for line in head.splitlines()[1:] if line]
    assert sorted(names) == sorted(set(names))
    assert {"host", "content-length", "x-key"} <= set(names)


async def test_cookies_are_not_kept_and_redirects_not_followed() -> None:
    told = list[bytes]()
    answers = answering(COOKIE, ELSEWHERE, told=told)
    async with serving(answers) as server, transport.client(WAIT) as client:
        await client.get(server.url)
        reply = await client.get(server.url)
    assert reply.status_code == 302
    assert len(told) == 2
    assert b"cookie" not in told[1].lower()


async def test_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(answering(WHOLE)) as server:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        async with transport.client(WAIT) as client:
            assert (await client.get(server.url)).status_code == 200


async def test_body_that_nobody_reads_to_its_end_takes_its_connection_with_it() -> None:
    begun = LINE + b"content-length: 100\r\n\r\nfirst"
    async with serving(answering(begun, WHOLE)) as server, transport.client(WAIT) as client:
        async with client.stream("GET", server.url) as reply:
            assert await anext(reply.aiter_raw()) == b"first"
        await server.all_lost.wait()


async def test_silence_ends_with_the_read_timeout() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving(silent) as server, transport.client(WAIT) as client:
        with pytest.raises(SilentError):
            await client.get(server.url, timeout=httpx.Timeout(WAIT, read=0.05))


async def test_errors_are_those_of_the_connections() -> None:
    async with serving(answering(b"")) as server, transport.client(WAIT) as client:
        with pytest.raises(ClosedError):
            await client.post(server.url, content=b"x")
        with pytest.raises(httpx.InvalidURL):
            await client.get("http://[::1/")


async def test_headers_of_a_reply_need_not_be_ascii() -> None:
    """Latin-1 of old servers, UTF-8 of others, and what is neither."""
    lines = "x-old: caf\xe9\r\n".encode("latin-1") + "x-new: caf\xe9 \u2603\r\n".encode()
    answer = LINE + lines + b"x-raw: \xff\xfe\r\ncontent-length: 2\r\n\r\n{}"
    async with serving(answering(answer)) as server, transport.client(WAIT) as client:
        reply = await client.get(server.url)
    raw = dict(reply.headers.raw)
    assert raw[b"x-old"] == b"caf\xe9"
    assert raw[b"x-new"].decode() == "caf\xe9 \u2603"
    assert raw[b"x-raw"] == b"\xff\xfe"
    assert reply.content == b"{}"
