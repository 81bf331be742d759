"""HTTP/1.1 as the fake backend speaks it: requests in, replies out byte for byte as scripted.

Written by hand, since servers made for production repair or hide what the tests are about: where
the bytes are cut, when they leave, and how a connection ends.
"""

import asyncio
from http import HTTPStatus
from urllib.parse import unquote

from tests.fakes.replies import Call, End, Gate, Reply, Step


class HangupError(Exception):
    """This connection ends here, as scripted."""


class Reader(asyncio.StreamReader):
    """A reader that tells when the peer has left, without taking bytes of its next request."""

    def __init__(self) -> None:
        super().__init__()
        self.ended = asyncio.Event()

    def feed_eof(self) -> None:
        super().feed_eof()
        self.ended.set()

    def set_exception(self, exc: Exception) -> None:
        super().set_exception(exc)
        self.ended.set()


async def read_request(reader: Reader) -> Call | None:
    """The next request on a kept-alive connection; None when the peer is done with it."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ")
    pairs = [line.split(":", 1) for line in lines]
    headers = [(name.strip().lower(), value.strip()) for name, value in pairs]
    path, _, query = target.partition("?")
    return Call(method, unquote(path), query, headers, await _read_body(reader, dict(headers)))


async def _read_body(reader: Reader, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return await reader.readexactly(int(headers.get("content-length", "0")))
    body = b""
    while size := int((await reader.readline()).split(b";")[0], 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readline()
    return body


async def respond(reader: Reader, writer: asyncio.StreamWriter, call: Call, reply: Reply) -> bool:
    """Write the reply while watching for a peer that leaves. True when the connection lives on."""
    sending = asyncio.create_task(_send(writer, reply))
    watching = asyncio.create_task(reader.ended.wait())
    try:
        await asyncio.wait({sending, watching}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        sending.cancel()
        watching.cancel()
        outcome, _ = await asyncio.gather(sending, watching, return_exceptions=True)
    match outcome:
        case None:
            call.answered.set()
            return True
        case asyncio.CancelledError() | ConnectionError():
            call.left.set()
            return False
        case HangupError():
            return False
        case error:
            raise error


async def _send(writer: asyncio.StreamWriter, reply: Reply) -> None:
    if reply.before is not None:
        await reply.before.passed()
    if reply.status is None:
        raise HangupError
    writer.write(_head(reply))
    await writer.drain()
    for step in reply.steps:
        await _take(writer, step, chunked=reply.length is None)
    if reply.length is None:
        writer.write(b"0\r\n\r\n")
    await writer.drain()
    if reply.closes:
        raise HangupError


async def _take(writer: asyncio.StreamWriter, step: Step, chunked: bool) -> None:
    match step:
        case bytes():
            writer.write(b"%x\r\n%b\r\n" % (len(step), step) if chunked and step else step)
            await writer.drain()
        case Gate():
            await step.passed()
        case End.CLOSE:
            raise HangupError
        case End.RESET:
            writer.transport.abort()
            raise HangupError


def _head(reply: Reply) -> bytes:
    assert reply.status is not None
    known = {status.value: status.phrase for status in HTTPStatus}
    length = (
        ("transfer-encoding", "chunked")
        if reply.length is None
        else ("content-length", str(reply.length))
    )
    lines = [f"HTTP/1.1 {reply.status} {known.get(reply.status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in (*reply.headers, length)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
