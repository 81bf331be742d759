"""What uvicorn's protocol writes to a socket, and in how many pieces."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from uvicorn.protocols.http.flow_control import FlowControl

from bridge.http.uvicorn import Cycle

LOGGER = logging.getLogger(__name__)
PLAIN = [(b"content-length", b"2")]
START = {"type": "http.response.start", "status": 200}
BODY = {"type": "http.response.body"}


class Written:
    """A transport that keeps what is written to it, piece by piece."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes) -> None:
        self.pieces.append(data)

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True


async def written(*messages: dict[str, Any], method: str = "POST") -> list[bytes]:
    """What an answer of these messages writes, the heads short."""
    kept = Written()
    transport: Any = kept
    scope: Any = {"type": "http", "method": method}
    flow, event = FlowControl(transport), asyncio.Event()
    cycle = Cycle(
        scope, transport, flow, LOGGER, LOGGER, False, [], event, False, True, lambda: None
    )
    cycle.more_body = False
    for message in messages:
        await cycle.send(message)
    assert cycle.transport is transport, "nothing stands between any more"
    return [piece.replace(b"HTTP/1.1 200 OK\r\n", b"OK ") for piece in kept.pieces if piece]


@pytest.mark.parametrize("rest", [[], [BODY]])
async def test_whole_answer_is_one_piece(rest: list[Any]) -> None:
    """ASGI: a head is not sent before the first message of its body is there."""
    body = BODY | {"body": b"hi", "more_body": bool(rest)}
    pieces = await written(START | {"headers": PLAIN}, body, *rest)
    assert pieces == [b"OK content-length: 2\r\n\r\nhi"]


async def test_head_of_a_stream_goes_out_with_its_first_piece() -> None:
    more = BODY | {"body": b"hi", "more_body": True}
    pieces = await written(START, more, more, BODY)
    head = b"OK transfer-encoding: chunked\r\n\r\n"
    assert pieces == [head + b"2\r\nhi\r\n", b"2\r\nhi\r\n", b"0\r\n\r\n"]


@pytest.mark.parametrize(
    ("method", "status"), [("HEAD", 200), ("POST", 204)], ids=["asked for a head", "no content"]
)
async def test_head_without_a_body_goes_out(method: str, status: int) -> None:
    assert len(await written(START | {"status": status}, BODY, method=method)) == 1


async def test_empty_piece_lets_the_head_go() -> None:
    pieces = await written(START, BODY | {"body": b"", "more_body": True})
    assert pieces == [b"OK transfer-encoding: chunked\r\n\r\n"]
