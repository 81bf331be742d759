"""How a request is settled: who left, what is given back, and how a restart ends it."""

import asyncio
import logging
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bridge.backends.breaker import State
from bridge.ledger.pricing import OperatorPrice, Rates, price_list
from bridge.ledger.record import Record
from bridge.outcomes import ABANDONED
from bridge.relay.exchange import RESTARTING, Call, Exchange, Head
from bridge.routing.types import Routes, Target
from bridge.runtime.gateway import Gateway
from bridge.translation.profiles import ModelFacts
from tests.bridge.making import BETA, SECRET, Clock, wire
from tests.bridge.ports import deaf_port
from tests.bridge.roads import Answer, begin, breaker, call, configure, piece, rest, send
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import failure, finish, role, text, usage
from tests.fakes.replies import Gate

GOOD = (role(), text("Hello"), finish("stop"), usage(5, 2))
BOTH = pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
WAIT = 25.0


# --- the client leaves -------------------------------------------------------------------------


@BOTH
async def test_client_that_leaves_while_waiting_ends_the_call(
    engine: Gateway, backend: FakeBackend, records: list[Record], stream: bool
) -> None:
    """wire D2, client gone: close at once, write the row with status 499."""
    gate = Gate()
    backend.on(ALPHA).json({}, before=gate)
    asking = asyncio.create_task(send(engine, stream=stream))
    await asyncio.to_thread(gate.wait_reached)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await asyncio.to_thread(backend.only_call.wait_left)
    assert [record.status for record in records] == [ABANDONED]
    assert (engine.exchanges, breaker(engine).failures) == (set(), 0)


async def test_client_that_leaves_a_stream_ends_the_call(
    engine: Gateway, backend: FakeBackend, records: list[Record]
) -> None:
    """wire D2, client gone: with what was counted so far. F98."""
    gate = Gate()
    backend.on(ALPHA).stream(role(), text("Hello there"), gate)
    _, parts = await begin(engine, call(stream=True))
    await piece(parts)
    await parts.aclose()
    await asyncio.to_thread(backend.only_call.wait_left)
    (record,) = records
    assert (record.status, record.error_type, record.estimated) == (ABANDONED, "", True)
    assert record.output_tokens >= 1
    assert breaker(engine).failures == 0


async def test_client_that_takes_nothing_at_the_end_of_the_process_is_not_told_to_have_left(
    engine: Gateway, backend: FakeBackend, records: list[Record]
) -> None:
    """Its connection is closed under it: the gateway ended the request."""
    backend.on(ALPHA).stream(role(), text("Hello there"), Gate())
    _, parts = await begin(engine, call(stream=True))
    await piece(parts)
    (exchange,) = engine.exchanges
    exchange.interrupt()
    await parts.aclose()
    (record,) = records
    assert (record.status, record.error_type, record.error) == (529, "overloaded_error", RESTARTING)
    assert (record.output_tokens >= 1, breaker(engine).failures) == (True, 0)


async def test_client_that_leaves_before_the_first_word_ends_the_call(
    engine: Gateway, backend: FakeBackend, records: list[Record]
) -> None:
    """Between the start and the first word: two parties wait, both are let go."""
    configure(engine, first_chunk_grace=0.0)
    gate = Gate()
    backend.on(ALPHA).stream(role(), gate)
    _, parts = await begin(engine, call(stream=True))
    await piece(parts)
    await parts.aclose()
    await asyncio.to_thread(backend.only_call.wait_left)
    assert [record.status for record in records] == [ABANDONED]


@BOTH
@pytest.mark.parametrize("began", [False, True], ids=["no headers", "headers"])
async def test_prompt_that_was_sent_counts_although_its_client_left(
    engine: Gateway,
    backend: FakeBackend,
    records: list[Record],
    stream: bool,
    began: bool,
) -> None:
    """The backend read it, and may have worked on it."""
    configure(engine, first_chunk_grace=0.0)
    gate = Gate()
    script = backend.on(ALPHA)
    script.stream(role(), gate) if began else script.json({}, before=gate)
    asking = asyncio.create_task(send(engine, stream=stream, system="word " * 400))
    await asyncio.to_thread(gate.wait_reached)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    (record,) = records
    assert (record.status, record.estimated, record.output_tokens <= 1) == (ABANDONED, True, True)
    assert record.input_tokens > 400


async def test_prompt_that_never_left_costs_nothing(engine: Gateway, records: list[Record]) -> None:
    """Ours: the client left while the gateway still tried to connect."""
    with deaf_port() as port:
        (main,) = engine.snapshot.routes.backends
        deaf = replace(main, url=f"http://127.0.0.1:{port}/v1")
        engine.store.current = replace(engine.snapshot, routes=Routes((deaf,)))
        asking = asyncio.create_task(send(engine))
        async with asyncio.timeout(WAIT):
            while not _attempts(engine):
                await asyncio.sleep(0.01)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    (record,) = records
    assert (record.status, record.attempts, record.tokens) == (ABANDONED, 1, 0)


def _attempts(engine: Gateway) -> int:
    exchanges = (one for one in engine.exchanges if isinstance(one, Exchange))
    return sum(one.targets.trace.attempts for one in exchanges if one.targets)


@pytest.mark.parametrize(
    ("prefers", "price", "reported", "cost"),
    [
        (False, Rates.of(Decimal(2), Decimal(10)), 0.5, 30_000),
        (True, Rates.of(Decimal(2), Decimal(10)), 0.5, 500_000_000),
        (True, Rates.of(Decimal(2), Decimal(10)), None, 30_000),
        (False, None, 0.5, 500_000_000),
        (False, None, None, None),
    ],
)
@BOTH
async def test_cost_is_priced_or_as_the_backend_reports_it(
    engine: Gateway,
    backend: FakeBackend,
    records: list[Record],
    stream: bool,
    prefers: bool,
    price: Rates | None,
    reported: float | None,
    cost: int | None,
) -> None:
    """Reported by operators: on record in any case, and preferred where the operator says so."""
    more = {} if reported is None else {"cost": reported}
    backend.on(ALPHA).answer(role(), text("Hi"), finish("stop"), usage(5, 2, **more))
    (main,) = engine.snapshot.routes.backends
    routes = Routes((replace(main, prefers_own_cost=prefers),))
    prices = price_list([OperatorPrice(ALPHA, price)] if price else [], {})
    engine.store.current = replace(engine.snapshot, routes=routes, prices=prices)
    await send(engine, stream=stream)
    (record,) = records
    told = None if reported is None else round(reported * 10**9)
    assert (record.cost_nano_usd, record.reported_cost_nano_usd) == (cost, told)


async def test_client_that_leaves_after_the_end_was_served(
    engine: Gateway, backend: FakeBackend, records: list[Record]
) -> None:
    """Ours: whoever has read the last event has its answer."""
    backend.on(ALPHA).stream(*GOOD)
    _, parts = await begin(engine, call(stream=True))
    seen = b""
    while b"message_stop" not in seen:
        seen += await piece(parts)
    await parts.aclose()
    assert (records[0].status, records[0].stop_reason) == (200, "end_turn")


async def half_open(engine: Gateway, backend: FakeBackend) -> Clock:
    """The breaker waits for a trial."""
    engine.health.clock = clock = Clock()
    backend.on(ALPHA).error(500)
    for _ in range(5):
        await send(engine)
    clock.advance(30.0)
    backend.reset()
    return clock


async def test_trial_of_a_client_that_left_is_left_to_the_next(
    engine: Gateway, backend: FakeBackend
) -> None:
    """wire E2: a client disconnect never counts, and must not lock the door either."""
    configure(engine, first_chunk_grace=0.0)
    clock = await half_open(engine, backend)
    backend.on(ALPHA).stream(role(), Gate())
    _, trial = await begin(engine, call(stream=True))
    assert (await send(engine, model=BETA)).status == 529
    await trial.aclose()
    assert breaker(engine).state(clock.now) is State.HALF_OPEN
    assert (await send(engine, model=BETA)).status == 200
    assert breaker(engine).state(clock.now) is State.CLOSED


@pytest.mark.parametrize("ending", [(), (failure("boom", 500),)], ids=["well", "badly"])
async def test_trial_is_good_with_its_first_token(
    engine: Gateway, backend: FakeBackend, ending: tuple[Any, ...]
) -> None:
    """An agent's turn takes minutes; nobody waits for its last token. A bad end counts as one."""
    clock = await half_open(engine, backend)
    gate = Gate()
    backend.on(ALPHA).stream(role(), text("He"), gate, *ending, finish("stop"))
    _, trial = await begin(engine, call(stream=True))
    assert breaker(engine).state(clock.now) is State.CLOSED
    assert (await send(engine, model=BETA)).status == 200
    gate.open()
    await rest(trial)
    assert breaker(engine).failures == (1 if ending else 0)
    assert breaker(engine).state(clock.now) is State.CLOSED


async def test_trial_that_hangs_keeps_others_out_for_one_pause(
    engine: Gateway, backend: FakeBackend
) -> None:
    """Not until BACKEND_TIMEOUT, which is ten minutes. The next one is a trial of its own."""
    configure(engine, first_chunk_grace=0.0)
    clock = await half_open(engine, backend)
    backend.on(ALPHA).stream(role(), Gate())
    _, hanging = await begin(engine, call(stream=True))
    clock.advance(29.0)
    assert (await send(engine, model=BETA)).status == 529
    clock.advance(1.0)
    assert (await send(engine, model=BETA)).status == 200
    assert breaker(engine).state(clock.now) is State.CLOSED
    await hanging.aclose()
    assert breaker(engine).state(clock.now) is State.CLOSED


# --- the process must end ----------------------------------------------------------------------


async def interrupted(engine: Gateway) -> None:
    (exchange,) = engine.exchanges
    exchange.interrupt()


@BOTH
async def test_restart_while_waiting_for_headers_is_an_overload(
    engine: Gateway, backend: FakeBackend, records: list[Record], stream: bool
) -> None:
    """wire D7, server shutdown; before commit the same becomes a JSON error with a status."""
    gate = Gate()
    backend.on(ALPHA).json({}, before=gate)
    asking = asyncio.create_task(send(engine, stream=stream))
    await asyncio.to_thread(gate.wait_reached)
    await interrupted(engine)
    answer = await asyncio.wait_for(asking, WAIT)
    assert answer.error == (529, "overloaded_error", RESTARTING)
    assert records[0].status == 529
    assert breaker(engine).failures == 0
    await asyncio.to_thread(backend.only_call.wait_left)


async def test_restart_before_the_first_word_is_an_event(
    engine: Gateway, backend: FakeBackend
) -> None:
    """wire D7, server shutdown."""
    configure(engine, first_chunk_grace=0.0)
    gate = Gate()
    backend.on(ALPHA).stream(role(), gate)
    head, parts = await begin(engine, call(stream=True))
    await interrupted(engine)
    assert ended(head, await asyncio.wait_for(rest(parts), WAIT)) == "overloaded_error"


async def test_restart_in_mid_stream_is_an_event(
    engine: Gateway, backend: FakeBackend, records: list[Record]
) -> None:
    """wire D7, server shutdown; what was shown stays counted."""
    gate = Gate()
    backend.on(ALPHA).stream(role(), text("He"), gate)
    head, parts = await begin(engine, call(stream=True))
    first = await piece(parts)
    await interrupted(engine)
    body = first + await asyncio.wait_for(rest(parts), WAIT)
    assert ended(head, body) == "overloaded_error"
    assert (records[0].status, records[0].error_type) == (529, "overloaded_error")
    assert breaker(engine).failures == 0
    await asyncio.to_thread(backend.only_call.wait_left)


async def test_restart_in_the_middle_of_a_plain_answer_is_an_overload(
    engine: Gateway, backend: FakeBackend
) -> None:
    gate = Gate()
    backend.on(ALPHA).stream(role(), text("He"), gate)
    asking = asyncio.create_task(send(engine))
    await asyncio.to_thread(gate.wait_reached)
    await interrupted(engine)
    answer = await asyncio.wait_for(asking, WAIT)
    assert answer.error == (529, "overloaded_error", RESTARTING)


async def test_restart_behind_the_last_word_changes_nothing(
    engine: Gateway, backend: FakeBackend
) -> None:
    """Ours: an answer that named its reason to stop is complete."""
    gate = Gate()
    backend.on(ALPHA).stream(wire(role(), text("Hello"), finish("stop")), gate)
    head, parts = await begin(engine, call(stream=True))
    body = await piece(parts)
    await interrupted(engine)
    body += await asyncio.wait_for(rest(parts), WAIT)
    assert Answer(head, body).message["stop_reason"] == "end_turn"


def ended(head: Head, body: bytes) -> str:
    """The type of the error in which a checked stream ended."""
    error = Answer(head, body).message["error"]
    assert error["message"] == RESTARTING
    return str(error["type"])


# --- what is remembered ------------------------------------------------------------------------


async def test_client_and_session_are_recorded_and_cut(engine: Gateway) -> None:
    """wire A2: x-claude-code-session-id is logged; no header may flood the log."""
    headers = {"user-agent": "u" * 500, "x-claude-code-session-id": "s" * 500}
    record = Exchange(engine.relay, Call("/v1/messages", headers, b"")).record
    assert (record.client, record.session) == ("u" * 120, "s" * 64)


async def test_request_that_never_got_anywhere_is_recorded_as_left(
    engine: Gateway, records: list[Record]
) -> None:
    exchange = Exchange(engine.relay, call())
    await exchange.settle()
    assert [record.status for record in records] == [ABANDONED]


async def test_answer_teaches_the_size_of_a_token(engine: Gateway, backend: FakeBackend) -> None:
    """design, Counting: the ratio is learned from what the backend reported."""
    question = "word " * 200
    backend.on(ALPHA).answer(role(), text("Hi"), finish("stop"), usage(500, 2))
    await send(engine, text=question)
    (known,) = engine.snapshot.routes.backends
    assert 2.0 < engine.learned.bytes_per_token(Target(known, ALPHA, ModelFacts(ALPHA))) < 3.0


@pytest.mark.django_db(transaction=True)
async def test_refused_field_is_not_sent_again(engine: Gateway, backend: FakeBackend) -> None:
    """wire F126: the next request does not send it."""
    backend.on(ALPHA).error(400, "Unknown field: stream_options").answer(*GOOD)
    for _ in range(2):
        assert (await send(engine, stream=True)).status == 200
    assert ["stream_options" in made.body for made in backend.calls] == [True, False, False]


async def test_debug_log_holds_no_words_and_no_key(
    engine: Gateway, backend: FakeBackend, caplog: pytest.LogCaptureFixture
) -> None:
    """Seeds: DEBUG_PROXY, payload metadata; design, Secrets. R24, P11."""
    with caplog.at_level(logging.DEBUG, "bridge.debug"):
        await send(engine, text="a private question", system="a private rule")
    (logged,) = [r.getMessage() for r in caplog.records if r.name == "bridge.debug"]
    assert ALPHA in logged
    assert "private" not in logged
    assert SECRET not in logged
