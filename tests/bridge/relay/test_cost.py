"""What a chunk and a request cost the event loop: turns, tasks and timers. They may only get less.

The body comes from this process, piece by piece, so that each count is the same in every run.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from bridge.backends.client import Reply
from bridge.outbound.inbox import Inbox
from bridge.relay.pipeline import relay
from bridge.runtime.gateway import Gateway
from tests.bridge.making import wire
from tests.bridge.roads import call
from tests.fakes.chunks import finish, role, text, usage

CHUNKS = 20
TURNS_OF_A_CHUNK = 1
"""The request's own task takes it. A socket's callback does even without that turn."""
TASKS_OF_A_REQUEST = 1
"""It opens the answer, so that it may be waited for with a limit."""
TIMERS_OF_A_REQUEST = 2
"""The limits of the opening, and of the silences behind it."""


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """What the running loop is given meanwhile: `turns` (callbacks), `tasks` and `timers`."""
    loop: Any = asyncio.get_running_loop()
    counts: Counter[str] = Counter()
    kinds = {"call_soon": "turns", "call_at": "timers", "create_task": "tasks"}

    def counting(method: str, kind: str) -> Any:
        original = getattr(loop, method)

        def called(*args: Any, **options: Any) -> Any:
            counts[kind] += 1
            return original(*args, **options)

        return called

    for method, kind in kinds.items():
        setattr(loop, method, counting(method, kind))
    try:
        yield counts
    finally:
        for method in kinds:
            delattr(loop, method)


class Body:
    """A backend's body that comes as the test says."""

    def __init__(self, engine: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
        self._inbox = Inbox()
        monkeypatch.setattr(engine.upstream, "send", self._send)

    async def _send(self, *_: object) -> Reply:
        reply = Reply(200, {"content-type": "text/event-stream"}, httpx.ByteStream(b""))
        reply.inbox = self._inbox
        return reply

    def put(self, *chunks: Any) -> None:
        self._inbox.feed(wire(*chunks))
        self._inbox.ring_soon()

    def end(self) -> None:
        self._inbox.end()
        self._inbox.ring_soon()


@pytest.fixture
async def body(engine: Gateway, monkeypatch: pytest.MonkeyPatch) -> Body:
    return Body(engine, monkeypatch)


async def test_chunk_costs_one_turn_and_neither_task_nor_timer(engine: Gateway, body: Body) -> None:
    body.put(role(), text("first"))
    answer = relay(engine.relay, call(stream=True))
    for more in ("second", "third"):
        await anext(answer)
        body.put(text(more))
    await anext(answer)
    with counted() as counts:
        for number in range(CHUNKS):
            body.put(text(f"word {number}"))
            piece = await anext(answer)
            assert isinstance(piece, bytes)
            assert f"word {number}" in piece.decode()
    await answer.aclose()
    assert counts["turns"] <= TURNS_OF_A_CHUNK * CHUNKS
    assert (counts["tasks"], counts["timers"]) == (0, 0)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
async def test_request_costs_few_tasks_and_timers(
    engine: Gateway, body: Body, stream: bool
) -> None:
    body.put(role(), *(text(f"word {number}") for number in range(CHUNKS)))
    body.put(finish("stop"), usage(5, 2))
    body.end()
    with counted() as counts:
        parts = [part async for part in relay(engine.relay, call(stream=stream))]
    assert len(parts) >= 2
    assert counts["tasks"] <= TASKS_OF_A_REQUEST
    assert counts["timers"] <= TIMERS_OF_A_REQUEST
