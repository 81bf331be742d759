"""The floor: the smallest Python relay that does the work, on the same server.

Bytes of the backend are parsed by llhttp, chunks read by msgspec and written as events, in one
turn of the loop; nothing is checked, counted, repaired or retried. What a gateway costs beyond this
is what its promises cost.

    PORT=8001 BACKEND_URL=http://127.0.0.1:18001/v1/chat/completions python -m tests.bench.floor
"""

from __future__ import annotations

import asyncio
import os
from typing import Any
from urllib.parse import urlsplit

import httptools
import msgspec
import uvicorn

JSON_LINES = [(b"content-type", b"application/json")]
STREAM_LINES = [(b"content-type", b"text/event-stream")]
_encode = msgspec.json.encode


class Delta(msgspec.Struct):
    content: str | None = None


class Choice(msgspec.Struct):
    delta: Delta = msgspec.field(default_factory=Delta)
    message: Delta = msgspec.field(default_factory=Delta)


class Chunk(msgspec.Struct):
    choices: list[Choice] = []


class Question(msgspec.Struct):
    model: str
    messages: list[msgspec.Raw]
    max_tokens: int
    stream: bool = False
    system: msgspec.Raw = msgspec.Raw(b"null")
    tools: msgspec.Raw = msgspec.Raw(b"null")


_question = msgspec.json.Decoder(Question).decode
_chunk = msgspec.json.Decoder(Chunk).decode


class Backend(asyncio.Protocol):
    """A connection to the backend, used for one request after the other."""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def ask(self, data: bytes) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._read: list[bytes] = []
        self._news: asyncio.Future[None] | None = None
        self.is_over = False
        self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def on_body(self, body: bytes) -> None:
        self._read.append(body)

    def on_message_complete(self) -> None:
        self.is_over = True

    @property
    def status(self) -> int:
        return int(self._parser.get_status_code())

    async def read(self) -> bytes:
        """What has come since the last read; waits for something."""
        while not (self._read or self.is_over):
            self._news = asyncio.get_running_loop().create_future()
            await self._news
        found, self._read = b"".join(self._read), []
        return found


class Relay:
    """The application."""

    def __init__(self, backend_url: str) -> None:
        self._place = urlsplit(backend_url)
        self._idle: list[Backend] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body += message["body"]
            more = message.get("more_body", False)
        question = _question(body)
        backend = self._idle.pop() if self._idle else await self._connect()
        backend.ask(self._request(question, dict(scope["headers"]).get(b"x-api-key", b"")))
        await self._answer(backend, question, send)
        self._idle.append(backend)

    async def _answer(self, backend: Backend, question: Question, send: Any) -> None:
        first = await backend.read()
        if (status := backend.status) != 200:
            await send({"type": "http.response.start", "status": status, "headers": JSON_LINES})
            await send({"type": "http.response.body", "body": first})
            return
        answer = self._stream if question.stream else self._plain
        await answer(backend, question, send, first)

    async def _connect(self) -> Backend:
        loop = asyncio.get_running_loop()
        host, port = self._place.hostname or "", self._place.port or 80
        return (await loop.create_connection(Backend, host, port))[1]

    def _request(self, question: Question, key: bytes) -> bytes:
        body = _encode(question)
        line = f"POST {self._place.path} HTTP/1.1\r\nhost: {self._place.netloc}\r\n"
        length = f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
        return f"{line}{length}authorization: Bearer ".encode() + key + b"\r\n\r\n" + body

    async def _plain(self, backend: Backend, question: Question, send: Any, read: bytes) -> None:
        while not backend.is_over:
            read += await backend.read()
        text = _chunk(read).choices[0].message.content
        content = [{"type": "text", "text": text}]
        message = _message(question.model) | {"content": content, "stop_reason": "end_turn"}
        body = _encode(message)
        lines = [*JSON_LINES, (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": lines})
        await send({"type": "http.response.body", "body": body})

    async def _stream(self, backend: Backend, question: Question, send: Any, read: bytes) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": STREAM_LINES})
        out = _opening(question.model)
        while read:
            *lines, rest = read.split(b"\n\n")
            out += b"".join(map(_event, lines))
            if out:
                await send({"type": "http.response.body", "body": out, "more_body": True})
            out, news = b"", await backend.read()
            read = rest + news if news else b""
        await send({"type": "http.response.body", "body": CLOSING})


def _message(model: str) -> dict[str, Any]:
    usage = {"input_tokens": 100, "output_tokens": 40}
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": []}
    return head | {"stop_reason": None, "stop_sequence": None, "usage": usage}


def _frame(kind: str, **content: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), _encode({"type": kind} | content))


def _opening(model: str) -> bytes:
    block = _frame("content_block_start", index=0, content_block={"type": "text", "text": ""})
    return _frame("message_start", message=_message(model)) + block


_BEFORE, _AFTER = _frame(
    "content_block_delta", index=0, delta={"type": "text_delta", "text": "\0"}
).split(b'"\\u0000"')
CLOSING = (
    _frame("content_block_stop", index=0)
    + _frame("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 40})
    + _frame("message_stop")
)


def _event(line: bytes) -> bytes:
    if line.startswith(b"data: {"):
        choices = _chunk(line[6:]).choices
        if choices and choices[0].delta.content:
            return _BEFORE + _encode(choices[0].delta.content) + _AFTER
    return b""


if __name__ == "__main__":
    relay = Relay(os.environ["BACKEND_URL"])
    options: dict[str, Any] = {"access_log": False, "log_level": "warning", "lifespan": "off"}
    uvicorn.run(relay, port=int(os.environ["PORT"]), loop="uvloop", http="httptools", **options)
