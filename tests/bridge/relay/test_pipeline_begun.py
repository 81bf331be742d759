"""The first byte and what comes behind it: from there on every failure is an event."""

import asyncio
import json
import logging
from typing import Any

import pytest

from bridge.backends.breaker import State
from bridge.ledger.record import Record
from bridge.relay import failover, pipeline
from bridge.runtime.gateway import Gateway
from tests.bridge.roads import Answer, begin, breaker, call, configure, piece, rest, send
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import failure, finish, role, text, usage
from tests.fakes.replies import Gate

GOOD = (role(), text("Hello"), finish("stop"), usage(5, 2))
BOTH = pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])


# --- the first byte ----------------------------------------------------------------------------


async def test_nothing_is_sent_before_the_backends_headers(
    engine: Gateway, backend: FakeBackend
) -> None:
    """wire D2, WAIT_HEADERS: the grace begins with the backend's 200."""
    configure(engine, first_chunk_grace=0.0)
    gate = Gate()
    backend.on(ALPHA).json({"error": {"message": "slow"}}, 500, before=gate)
    beginning = asyncio.create_task(send(engine, stream=True))
    await asyncio.to_thread(gate.wait_reached)
    gate.open()
    assert (await beginning).error[:2] == (500, "api_error")


async def test_stream_begins_by_itself_when_the_grace_runs_out(
    engine: Gateway, backend: FakeBackend
) -> None:
    """wire D2, WAIT_FIRST: commit with nothing but message_start and ping; then pings, D8."""
    configure(engine, first_chunk_grace=0.0, ping_interval=0.01)
    gate = Gate()
    backend.on(ALPHA).stream(role(), gate, *GOOD[1:])
    head, parts = await begin(engine, call(stream=True))
    early = b"".join([await piece(parts) for _ in range(4)])
    gate.open()
    answer = Answer(head, early + await rest(parts))
    names = [event.name for event in answer.events]
    assert names[:5] == ["message_start", "ping", "ping", "ping", "ping"]
    assert names.count("message_start") == 1
    assert answer.message["content"] == [{"type": "text", "text": "Hello"}]


@pytest.mark.parametrize(
    ("chunk", "kind"),
    [
        (failure("overloaded", 503), "overloaded_error"),
        (failure("bad", 400), "invalid_request_error"),
    ],
)
async def test_error_after_the_first_byte_is_an_event(
    engine: Gateway,
    backend: FakeBackend,
    records: list[Record],
    chunk: Any,
    kind: str,
) -> None:
    """wire E3; the record has the status that the reply could not have any more."""
    configure(engine, first_chunk_grace=0.0)
    gate = Gate()
    backend.on(ALPHA).stream(role(), gate, chunk)
    head, parts = await begin(engine, call(stream=True))
    gate.open()
    answer = Answer(head, await rest(parts))
    assert (answer.status, answer.message["error"]["type"]) == (200, kind)
    assert answer.message["request_id"] == head.headers["request-id"]
    assert records[0].status >= 400


async def test_cut_stream_ends_in_an_event_and_counts_once(
    engine: Gateway, backend: FakeBackend, records: list[Record]
) -> None:
    """wire D7; E2: a mid-stream failure after content counts as one failure."""
    backend.on(ALPHA).stream(role(), text("He"), done=False)
    answer = await send(engine, stream=True)
    assert answer.message["error"]["type"] == "api_error"
    assert breaker(engine).failures == 1
    assert (records[0].status, records[0].error_type) == (502, "api_error")
    assert records[0].output_tokens >= 1


# --- our own faults ----------------------------------------------------------------------------


def broken(*_: Any, **__: Any) -> Any:
    raise ZeroDivisionError("a bug")


@BOTH
async def test_bug_is_a_500_and_its_story_stays_in_the_log(
    engine: Gateway,
    backend: FakeBackend,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    stream: bool,
) -> None:
    """wire E1, last row."""
    monkeypatch.setattr(failover, "upstream_request", broken)
    answer = await send(engine, stream=stream)
    assert answer.error == (500, "api_error", "Internal gateway error")
    assert b"ZeroDivision" not in answer.body
    (logged,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert logged.exc_info
    assert answer.json["request_id"] in logged.getMessage()


async def test_bug_in_the_middle_of_a_stream_is_an_event(
    engine: Gateway, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """wire D7: gateway bug while translating."""
    monkeypatch.setattr(pipeline, "pump", broken)
    answer = await send(engine, stream=True)
    error = json.loads(answer.body.split(b"data: ")[-1])["error"]
    assert error == {"type": "api_error", "message": "Internal gateway error"}
    assert breaker(engine).state(0.0) is State.CLOSED
    assert engine.exchanges == set()
