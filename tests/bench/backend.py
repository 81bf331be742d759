"""The backend of the loads: cheap, and told by each request what to answer.

python -m tests.bench.backend 18001
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from functools import cache
from typing import Any

import uvloop

from tests.bench.loads import MODEL, WRONG_KEY

_ASKED = re.compile(rb"answer (\d+) chunks (\d+) ms apart(?:, refuse first: (\d+))?")
_LENGTH = re.compile(rb"content-length: *(\d+)")
_JSON = b"content-type: application/json\r\ncontent-length: %d\r\n\r\n"
_EVENTS = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)


def _document(status: bytes, content: Any) -> bytes:
    body = json.dumps(content).encode()
    return b"HTTP/1.1 " + status + b"\r\n" + _JSON % len(body) + body


_USAGE = {"prompt_tokens": 100, "completion_tokens": 40, "total_tokens": 140}
_MESSAGE = {"role": "assistant", "content": "A plain answer of some words. " * 8}
MODELS = _document(b"200 OK", {"object": "list", "data": [{"id": MODEL, "object": "model"}]})
PLAIN = _document(
    b"200 OK",
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1764000000,
        "model": MODEL,
        "choices": [{"index": 0, "message": _MESSAGE, "finish_reason": "stop"}],
        "usage": _USAGE,
    },
)
UNKNOWN = _document(b"401 Unauthorized", {"error": {"message": "no such key"}})
BUSY = _document(b"503 Service Unavailable", {"error": {"message": "busy"}})


def _chunk(delta: Any, finish: str | None = None, usage: Any = None) -> bytes:
    choices = [] if usage else [{"index": 0, "delta": delta, "finish_reason": finish}]
    content = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1764000000,
        "model": MODEL,
        "choices": choices,
    } | ({"usage": usage} if usage else {})
    return _framed(b"data: " + json.dumps(content, separators=(",", ":")).encode() + b"\n\n")


def _framed(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


@cache
def _chunks(count: int) -> tuple[bytes, ...]:
    words = [_chunk({"content": f" word{number}"}) for number in range(count)]
    usage = _USAGE | {"completion_tokens": count}
    end = [
        _chunk({}, "stop"),
        _chunk(None, usage=usage),
        _framed(b"data: [DONE]\n\n"),
        _framed(b""),
    ]
    return (_chunk({"role": "assistant", "content": ""}), *words, *end)


class BenchBackend(asyncio.Protocol):
    """One connection. Of a request only one sentence is read, which says what to answer."""

    refused = set[bytes]()

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._missing = 0
        self._head = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._parts.append(data)
        if self._head:
            self._missing -= len(data)
        else:
            self._begin(b"".join(self._parts))
        if self._head and self._missing <= 0:
            head, request = self._head, b"".join(self._parts)
            self._parts, self._head = [], b""
            self._answer(head, _ASKED.search(request))

    def _begin(self, read: bytes) -> None:
        end = read.find(b"\r\n\r\n")
        if end >= 0:
            self._head = read[:end].lower()
            length = _LENGTH.search(self._head)
            self._missing = int(length[1]) - (len(read) - end - 4) if length else 0

    def _answer(self, head: bytes, asked: re.Match[bytes] | None) -> None:
        if WRONG_KEY.encode() in head:
            self._transport.write(UNKNOWN)
        elif head.startswith(b"get"):
            self._transport.write(MODELS)
        elif asked and asked[3] and asked[3] not in self.refused:
            self.refused.add(asked[3])
            self._transport.write(BUSY)
        elif asked and int(asked[1]):
            sending = self._stream(int(asked[1]), int(asked[2]) / 1000)
            self._task = asyncio.get_running_loop().create_task(sending)
        else:
            self._transport.write(PLAIN)

    async def _stream(self, count: int, gap: float) -> None:
        self._transport.write(_EVENTS)
        for chunk in _chunks(count):
            if self._transport.is_closing():
                return
            self._transport.write(chunk)
            await asyncio.sleep(gap)


async def serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(BenchBackend, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
