"""The client of the loads: connections that ask one request after the other."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from tests.bench.loads import BenchLoad, large_body

PATIENCE_SECONDS = 30.0
MOST_FAULTS = 20
"""A gateway that answers nothing well need not be asked to the end."""
_LENGTH = re.compile(rb"content-length: *(\d+)")


@dataclass(slots=True)
class Answers:
    """Seconds until the first byte of a body and until the last one; what was not as it must be."""

    first: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Asking:
    """One round of a load at one port."""

    load: BenchLoad
    port: int
    answers: Answers = field(default_factory=Answers)
    left: int = 0

    async def run(self) -> Answers:
        self.left = self.load.requests
        bodies = self.load.bodies()
        beside = [asyncio.ensure_future(self._large()) for _ in range(self.load.large)]
        await asyncio.gather(*(self._connection(bodies) for _ in range(self.load.connections)))
        for each in beside:
            each.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        return self.answers

    async def _connection(self, bodies: Iterator[bytes]) -> None:
        link: Link | None = None
        while self.left > 0 and len(self.answers.faults) < MOST_FAULTS:
            self.left -= 1
            try:
                link = link or await Link.open(self.port)
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await self._ask(link, next(bodies))
            except (OSError, EOFError, ValueError) as error:
                self.answers.faults.append(repr(error)[:300])
                if link is not None:
                    link.stays = False
            if link is not None and not link.stays:
                await link.close()
                link = None
        if link is not None:
            await link.close()

    async def _ask(self, link: Link, body: bytes) -> None:
        began = time.perf_counter()
        status, first, content = await link.ask(body, self.load.key)
        ended = time.perf_counter()
        if status != self.load.status:
            raise ValueError(f"status {status}: {content[:200]!r}")
        pieces = content.count(b"event: content_block_delta")
        if self.load.streamed and (b"message_stop" not in content or pieces < self.load.chunks / 2):
            raise ValueError(f"a stream that is not whole: {content[-200:]!r}")
        self.answers.first.append(first - began)
        self.answers.whole.append(ended - began)

    async def _large(self) -> None:
        body = large_body()
        while True:
            link = await Link.open(self.port)
            try:
                await link.ask(body, self.load.key)
            finally:
                await link.close()


class Link:
    """One connection to a gateway."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.stays = True

    @classmethod
    async def open(cls, port: int) -> Link:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def close(self) -> None:
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()

    async def ask(self, body: bytes, key: str) -> tuple[int, float, bytes]:
        """The status, the moment of the first byte of the answer's body, and the body."""
        self._writer.write(_head(len(body), key) + body)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        self.stays = b"connection: close" not in head
        status = int(head.split(b" ", 2)[1])
        if length := _LENGTH.search(head):
            content = await self._reader.readexactly(int(length[1]))
            return status, time.perf_counter(), content
        return status, *await self._chunks()

    async def _chunks(self) -> tuple[float, bytes]:
        parts, first = list[bytes](), 0.0
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            parts.append((await self._reader.readexactly(size + 2))[:-2])
            first = first or time.perf_counter()
        await self._reader.readexactly(2)
        return first, b"".join(parts)


def _head(length: int, key: str) -> bytes:
    lines = (
        "POST /v1/messages HTTP/1.1",
        "host: 127.0.0.1",
        "content-type: application/json",
        f"x-api-key: {key}",
        "anthropic-version: 2023-06-01",
        f"content-length: {length}",
    )
    return "\r\n".join([*lines, "", ""]).encode()
