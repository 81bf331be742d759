"""Several targets of one route: replies that have begun, errors, second tries, who stays. Ours."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from bridge.backends.breaker import State
from bridge.backends.health import BREAKER_OPEN
from bridge.configuration.snapshot import NOT_CONFIGURED
from bridge.ledger.record import Record
from bridge.outcomes import ABANDONED
from bridge.relay.exchange import RESTARTING
from bridge.runtime.gateway import Gateway
from bridge.translation.profiles import PROFILES
from tests.bridge.making import Clock, facts
from tests.bridge.pairs import GOOD, LISTED, change, failures, well, with_main
from tests.bridge.roads import Answer, begin, call, configure, piece, rest, send
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import failure, finish, role, text, usage
from tests.fakes.replies import Gate

BOTH = pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
WAIT = 25.0

# --- when the reply has begun ------------------------------------------------------------------


@pytest.mark.parametrize(
    "settled", ["headers_grace", "first_chunk_grace"], ids=["no headers yet", "no word yet"]
)
async def test_reply_that_has_begun_is_finished_by_the_next_target(
    pair: Gateway,
    backend: FakeBackend,
    spare: FakeBackend,
    records: list[Record],
    settled: str,
) -> None:
    """wire D2: `message_start` alone is no token; the stream stays one valid message."""
    configure(pair, **{settled: 0.0})
    gate = Gate()
    if settled == "headers_grace":
        backend.on(ALPHA).json({"error": {"message": "boom"}}, 500, before=gate)
    else:
        backend.on(ALPHA).stream(role(), gate, failure("boom", 500))
    head, parts = await begin(pair, call(stream=True))
    early = await piece(parts)
    assert early.startswith(b"event: message_start")
    assert spare.calls == []
    gate.open()
    answer = Answer(head, early + await asyncio.wait_for(rest(parts), WAIT))
    assert well(answer, stream=True)
    names = [event.name for event in answer.events]
    assert (names.count("message_start"), names.count("message_stop")) == (1, 1)
    (record,) = records
    assert (record.status, record.backend) == (200, "spare")
    assert record.route == (*LISTED, "main: Backend error: boom")


async def test_reply_that_has_begun_ends_in_the_last_error(
    pair: Gateway, backend: FakeBackend, spare: FakeBackend, records: list[Record]
) -> None:
    configure(pair, headers_grace=0.0)
    gate = Gate()
    backend.on(ALPHA).json({"error": {"message": "one"}}, 500, before=gate)
    spare.on(ALPHA).error(500, "two")
    head, parts = await begin(pair, call(stream=True))
    early = await piece(parts)
    gate.open()
    answer = Answer(head, early + await asyncio.wait_for(rest(parts), WAIT))
    assert answer.message["error"]["message"] == "Backend error: two"
    assert (records[0].status, records[0].backend) == (500, "spare")


# --- when all fail -----------------------------------------------------------------------------


@BOTH
async def test_last_error_is_told(
    pair: Gateway, backend: FakeBackend, spare: FakeBackend, records: list[Record], stream: bool
) -> None:
    backend.on(ALPHA).error(500, "one")
    spare.on(ALPHA).error(429, "two", {"retry-after": "9"})
    answer = await send(pair, stream=stream)
    assert answer.error == (429, "rate_limit_error", "two")
    assert answer.head.headers["retry-after"] == "9"
    assert records[0].route == (*LISTED, "main: Backend error: one")
    assert (records[0].status, failures(pair)) == (429, [1, 0])


async def test_error_counts_more_than_an_open_breaker_behind_it(
    pair: Gateway, backend: FakeBackend, spare: FakeBackend, records: list[Record]
) -> None:
    """What the only backend that was asked said is the better answer."""
    main, other = pair.snapshot.routes.backends
    change(pair, backends=(main, replace(other, breaker="open")))
    backend.on(ALPHA).error(500, "one")
    assert (await send(pair)).error == (500, "api_error", "Backend error: one")
    steps = ("main: Backend error: one", f"spare: {BREAKER_OPEN}")
    assert records[0].route == (*LISTED, *steps)
    assert (records[0].backend, failures(pair)) == ("main", [1, 0])


async def test_first_refusal_is_told_when_none_may_be_called(
    pair: Gateway, backend: FakeBackend, spare: FakeBackend, records: list[Record]
) -> None:
    main, other = pair.snapshot.routes.backends
    closed = (replace(main, breaker="open"), replace(other, broken=NOT_CONFIGURED))
    change(pair, backends=closed)
    answer = await send(pair)
    assert answer.error == (529, "overloaded_error", BREAKER_OPEN)
    assert int(answer.head.headers["retry-after"]) >= 1
    assert backend.calls == spare.calls == []
    assert len(records[0].route) == 4


async def test_backend_that_is_not_configured_says_so(
    engine: Gateway, backend: FakeBackend
) -> None:
    """snapshot.py: it stays known, so that requests are told why they fail."""
    with_main(engine, broken=NOT_CONFIGURED)
    answer = await send(engine)
    assert answer.error == (503, "api_error", "Backend main is not configured correctly")
    assert backend.calls == []


# --- second tries ------------------------------------------------------------------------------


async def test_remedy_is_tried_at_the_same_target(
    pair: Gateway, backend: FakeBackend, spare: FakeBackend, records: list[Record]
) -> None:
    """wire E2: a field that it refuses is left out; that says nothing of the next one."""
    backend.on(ALPHA).error(400, "Unknown field: stream_options").answer(*GOOD)
    assert (await send(pair, stream=True)).status == 200
    assert (len(backend.calls), spare.calls) == (2, [])
    assert records[0].remedies == ["without stream_options"]


async def test_remedy_that_did_not_help_is_not_carried_on(
    pair: Gateway, backend: FakeBackend, spare: FakeBackend, records: list[Record]
) -> None:
    """The next target gets the request as it was, and is not blamed for the refusal."""
    backend.on(ALPHA).error(400, "Unknown field: stream_options").error(500, "boom")
    assert (await send(pair, stream=True)).status == 200
    assert "stream_options" in spare.only_call.body
    assert records[0].refused == []
    assert (await send(pair, stream=True)).status == 200
    assert "stream_options" in spare.calls[1].body


async def test_last_target_gets_its_second_chance(
    pair: Gateway, backend: FakeBackend, spare: FakeBackend, records: list[Record]
) -> None:
    """wire E2, column R: only where nobody else is left to ask."""
    backend.on(ALPHA).error(503)
    spare.on(ALPHA).error(503).answer(*GOOD)
    assert (await send(pair)).status == 200
    assert (len(backend.calls), len(spare.calls)) == (1, 2)
    assert (records[0].attempts, records[0].remedies) == (3, ["retried 529"])


# --- permits and translation -------------------------------------------------------------------


async def test_verdict_goes_to_the_breaker_of_the_backend_that_was_asked(
    pair: Gateway, backend: FakeBackend, spare: FakeBackend
) -> None:
    """wire E2: per backend; a success of the second one says nothing of the first."""
    backend.on(ALPHA).error(500)
    spare.on(ALPHA).error(500).answer(*GOOD)
    assert (await send(pair)).status == 500
    assert failures(pair) == [1, 1]
    assert (await send(pair)).status == 200
    assert failures(pair) == [2, 0]


async def test_what_was_dropped_is_told_of_the_target_that_answered(
    pair: Gateway, backend: FakeBackend, spare: FakeBackend, records: list[Record]
) -> None:
    """wire C: `x-gateway-dropped`; each family takes other fields."""
    with_main(pair, profile=PROFILES["openai"])
    main, other = pair.snapshot.routes.backends
    change(pair, backends=(main, replace(other, profile=PROFILES["vllm"])))
    backend.on(ALPHA).error(429, "slow down").answer(*GOOD)
    answer = await send(pair, top_k=5)
    assert ("top_k" in backend.only_call.body, "top_k" in spare.only_call.body) == (False, True)
    assert ("x-gateway-dropped" in answer.head.headers, records[0].dropped) == (False, ())
    assert (await send(pair, top_k=5)).head.headers["x-gateway-dropped"] == "top_k"
    assert records[1].dropped == ("top_k",)


async def test_target_that_cannot_be_asked_this_leads_on(
    pair: Gateway, backend: FakeBackend, spare: FakeBackend, records: list[Record]
) -> None:
    """wire F24: where the operator wants an error for an image, a model with eyes is asked."""
    configure(pair, images_on_text_model="error")
    with_main(pair, models=facts(ALPHA, vision=False))
    image = {"type": "image", "source": {"type": "url", "url": "https://h.example/a.png"}}
    asked = [{"role": "user", "content": [image]}]
    assert (await send(pair, messages=asked)).status == 200
    assert (backend.calls, len(spare.calls)) == ([], 1)
    assert records[0].route[-1].startswith("main: ")


async def test_trial_that_was_not_used_is_left_to_the_next(
    engine: Gateway, backend: FakeBackend
) -> None:
    """wire E2: half-open with one probe; a request that is not sent must not take it along."""
    clock = Clock()
    engine.health.clock = clock
    backend.on(ALPHA).error(500)
    for _ in range(5):
        await send(engine)
    clock.advance(30.0)
    backend.reset()
    configure(engine, server_tools="error")
    search = {"type": "web_search_20250305", "name": "web_search"}
    assert (await send(engine, tools=[search])).status == 400
    (only,) = engine.snapshot.routes.backends
    assert engine.health.state(only) is State.HALF_OPEN
    assert (await send(engine)).status == 200
    assert engine.health.state(only) is State.CLOSED


async def test_what_the_answer_teaches_is_learnt_of_the_target_that_gave_it(
    pair: Gateway, backend: FakeBackend, spare: FakeBackend
) -> None:
    """lessons.py: bytes per token of one model at one backend."""
    backend.on(ALPHA).error(500)
    spare.on(ALPHA).answer(role(), text("Hi"), finish("stop"), usage(500, 2))
    await send(pair, text="word " * 200)
    ratios = {backend for backend, _ in pair.learned._ratios}
    assert ratios == {"spare"}


async def test_note_of_a_step_is_short(
    pair: Gateway, backend: FakeBackend, spare: FakeBackend, records: list[Record]
) -> None:
    """A record is one line."""
    backend.on(ALPHA).error(500, "long " * 100)
    await send(pair)
    assert records[0].route[-1].startswith("main: Backend error: long long")
    assert len(records[0].route[-1]) == 201


# --- ends in between ---------------------------------------------------------------------------


@BOTH
async def test_client_that_leaves_at_the_second_target_ends_its_work(
    pair: Gateway, backend: FakeBackend, spare: FakeBackend, records: list[Record], stream: bool
) -> None:
    """wire D2, client gone. The first one's failure stays counted."""
    backend.on(ALPHA).error(500)
    gate = Gate()
    spare.on(ALPHA).json({}, before=gate)
    asking = asyncio.create_task(send(pair, stream=stream))
    await asyncio.to_thread(gate.wait_reached)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await asyncio.to_thread(spare.only_call.wait_left)
    assert (records[0].status, records[0].backend) == (ABANDONED, "spare")
    assert failures(pair) == [1, 0]


async def test_restart_at_the_second_target_is_an_overload(
    pair: Gateway, backend: FakeBackend, spare: FakeBackend
) -> None:
    """wire D7, server shutdown."""
    backend.on(ALPHA).error(500)
    gate = Gate()
    spare.on(ALPHA).json({}, before=gate)
    asking = asyncio.create_task(send(pair, stream=True))
    await asyncio.to_thread(gate.wait_reached)
    (exchange,) = pair.exchanges
    exchange.interrupt()
    answer = await asyncio.wait_for(asking, WAIT)
    assert answer.error == (529, "overloaded_error", RESTARTING)


# --- the same target for the same conversation -------------------------------------------------


@pytest.fixture
def equals(pair: Gateway) -> Gateway:
    """Two backends of the same position and weight."""
    both = [replace(b, position=0) for b in pair.snapshot.routes.backends]
    change(pair, backends=tuple(both))
    return pair


async def served_by(engine: Gateway, records: list[Record], **headers: str) -> str:
    """The backend that answers a caller who sends these headers."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = call(headers=named)
    assert (await answer_status(engine, body)) == 200
    return records[-1].backend


async def answer_status(engine: Gateway, asked: Any) -> int:
    head, parts = await begin(engine, asked)
    await rest(parts)
    return head.status


async def test_session_stays_where_it_began(
    equals: Gateway, backend: FakeBackend, spare: FakeBackend, records: list[Record]
) -> None:
    """wire A2, x-claude-code-session-id; whichever key comes with it."""
    places: dict[int, set[str]] = {}
    for turn in range(3):
        for session in range(12):
            sent = {"x_api_key": f"key-{turn}", "x_claude_code_session_id": f"s-{session}"}
            place = await served_by(equals, records, **sent)
            places.setdefault(session, set()).add(place)
    assert all(len(place) == 1 for place in places.values())
    assert set.union(*places.values()) == {"main", "spare"}


async def test_key_stays_where_it_began_without_a_session(
    equals: Gateway, backend: FakeBackend, spare: FakeBackend, records: list[Record]
) -> None:
    """SDKs send no session."""
    places: dict[int, set[str]] = {}
    for _ in range(3):
        for number in range(12):
            place = await served_by(equals, records, x_api_key=f"key-{number}")
            places.setdefault(number, set()).add(place)
    assert all(len(place) == 1 for place in places.values())
    assert set.union(*places.values()) == {"main", "spare"}
