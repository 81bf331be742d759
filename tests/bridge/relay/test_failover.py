"""Several targets of one route: what leads to the next one, and what does not. Ours."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from bridge.backends.health import BREAKER_OPEN
from bridge.configuration.snapshot import NOT_CONFIGURED
from bridge.ledger.record import Record
from bridge.routing.types import Alias, WeightedTarget
from bridge.runtime.gateway import Gateway
from tests.bridge.making import BETA
from tests.bridge.pairs import LISTED, change, failures, well, with_main
from tests.bridge.ports import closed_port
from tests.bridge.roads import send
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import call as tool_call
from tests.fakes.chunks import failure, reasoning, role, text
from tests.fakes.replies import Gate
from tests.fakes.script import Script

BOTH = pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])

# --- what leads to the next target -------------------------------------------------------------

REFUSALS: list[tuple[int, str, str, int]] = [
    (402, "no credit left", "no credit left", 0),
    (404, f"The model `{ALPHA}` does not exist.", f"model: {ALPHA}", 0),
    (404, "no such page", "Backend endpoint not found (check the base URL)", 1),
    (408, "slow", "Backend timed out: slow", 1),
    (409, "busy", "Backend is busy: busy", 0),
    (429, "slow down", "slow down", 0),
    (500, "boom", "Backend error: boom", 1),
    (502, "boom", "Backend error: boom", 1),
    (503, "loading", "Backend is overloaded or loading: loading", 1),
    (504, "slow", "Backend timed out: slow", 1),
    (529, "full", "Backend is overloaded or loading: full", 1),
]


@BOTH
@pytest.mark.parametrize(
    ("status", "said", "noted", "counted"), REFUSALS, ids=[f"{r[0]} {r[1]}" for r in REFUSALS]
)
async def test_refusal_that_says_something_of_the_backend_leads_on(
    pair: Gateway,
    backend: FakeBackend,
    spare: FakeBackend,
    records: list[Record],
    status: int,
    said: str,
    noted: str,
    counted: int,
    stream: bool,
) -> None:
    """targets.py, ELSEWHERE. The first backend is not asked twice; its breaker counts as ever."""
    backend.on(ALPHA).error(status, said, {"retry-after": "0"})
    answer = await send(pair, stream=stream)
    assert (answer.status, well(answer, stream)) == (200, True)
    assert backend.only_call.raw == spare.only_call.raw
    (record,) = records
    assert record.route == (*LISTED, f"main: {noted}")
    assert (record.backend, record.status, record.attempts) == ("spare", 200, 2)
    assert (record.error_type, record.stop_reason, record.remedies) == ("", "end_turn", [])
    assert failures(pair) == [counted, 0]


SILENT: dict[str, Callable[[Script], object]] = {
    "hangs up": lambda script: script.drop(),
    "fails in its first chunk": lambda script: script.stream(role(), failure("overloaded", 503)),
    "ends before its first word": lambda script: script.stream(role(), done=False),
    "answers a page": lambda script: script.raw("<html>hi</html>", "text/html"),
}


@BOTH
@pytest.mark.parametrize("script", SILENT.values(), ids=SILENT)
async def test_backend_that_says_nothing_leads_on(
    pair: Gateway,
    backend: FakeBackend,
    spare: FakeBackend,
    script: Callable[[Script], object],
    stream: bool,
) -> None:
    """Before the first visible token. An empty first chunk is none."""
    script(backend.on(ALPHA))
    answer = await send(pair, stream=stream)
    assert (answer.status, well(answer, stream)) == (200, True)
    assert len(backend.calls) == len(spare.calls) == 1


@BOTH
async def test_refused_connection_leads_on(
    pair: Gateway, spare: FakeBackend, records: list[Record], stream: bool
) -> None:
    """The note names the backend, and no address."""
    with closed_port() as port:
        with_main(pair, url=f"http://127.0.0.1:{port}/v1")
        answer = await send(pair, stream=stream)
    assert well(answer, stream)
    assert records[0].route == (*LISTED, "main: Could not reach the backend (connection refused)")
    assert failures(pair) == [1, 0]


@BOTH
async def test_backend_that_takes_too_long_leads_on(
    pair: Gateway, backend: FakeBackend, spare: FakeBackend, records: list[Record], stream: bool
) -> None:
    """Each has its own time; a whole answer may take the longest of them. Its work is stopped."""
    with_main(pair, timeout=0.05)
    backend.on(ALPHA).json({}, before=Gate())
    assert well(await send(pair, stream=stream), stream)
    assert records[0].route[-1] == "main: Backend did not answer within 0.05 seconds"
    await asyncio.to_thread(backend.only_call.wait_left)


@BOTH
async def test_backend_that_goes_silent_before_its_first_word_leads_on(
    pair: Gateway, backend: FakeBackend, spare: FakeBackend, stream: bool
) -> None:
    """backends.py: idle_seconds is the backend's own."""
    with_main(pair, idle=0.05)
    backend.on(ALPHA).stream(role(), Gate())
    assert well(await send(pair, stream=stream), stream)
    await asyncio.to_thread(backend.only_call.wait_left)


async def test_operators_key_that_is_refused_leads_on(
    pair: Gateway, backend: FakeBackend, spare: FakeBackend
) -> None:
    """wire E2: a 401 for the operator's key is no fault of the caller; the next has its own."""
    with_main(pair, key="cpk_operators")
    backend.on(ALPHA).error(401, "bad key")
    assert (await send(pair)).status == 200
    assert spare.only_call.header("authorization") != backend.only_call.header("authorization")


@BOTH
async def test_open_breaker_is_passed_over_without_a_call(
    pair: Gateway, backend: FakeBackend, spare: FakeBackend, records: list[Record], stream: bool
) -> None:
    backend.on(ALPHA).error(500)
    for _ in range(5):
        assert (await send(pair)).status == 200
    assert well(await send(pair, stream=stream), stream)
    assert (len(backend.calls), len(spare.calls)) == (5, 6)
    assert records[-1].route == (*LISTED, f"main: {BREAKER_OPEN}")
    assert records[-1].attempts == 1


@pytest.mark.parametrize(
    ("fields", "noted"),
    [
        ({"breaker": "open"}, BREAKER_OPEN),
        ({"broken": NOT_CONFIGURED}, f"Backend main {NOT_CONFIGURED}"),
    ],
)
async def test_backend_that_is_out_of_use_is_passed_over_without_a_call(
    pair: Gateway,
    backend: FakeBackend,
    spare: FakeBackend,
    records: list[Record],
    fields: Any,
    noted: str,
) -> None:
    with_main(pair, **fields)
    assert (await send(pair)).status == 200
    assert (backend.calls, len(spare.calls)) == ([], 1)
    assert records[0].route == (*LISTED, f"main: {noted}")


async def test_every_target_is_asked_in_turn(
    pair: Gateway, backend: FakeBackend, spare: FakeBackend, records: list[Record]
) -> None:
    """The reply says which model it was in the end, under the name that was asked for."""
    choices = (
        WeightedTarget("main", "first"),
        WeightedTarget("main", "second", position=1),
        WeightedTarget("spare", BETA, position=2),
    )
    change(pair, aliases=(Alias("fast", choices),))
    backend.on("first").error(500, "one")
    backend.on("second").error(429, "two")
    answer = await send(pair, model="fast")
    assert (answer.json["model"], answer.head.headers["x-gateway-model"]) == ("fast", BETA)
    assert [made.model for made in (*backend.calls, *spare.calls)] == ["first", "second", BETA]
    assert records[0].route == (
        "alias fast fits",
        f"goes to main: first, then main: second, then spare: {BETA}",
        "main: Backend error: one",
        "main: two",
    )
    assert (records[0].asked_model, records[0].model) == ("fast", BETA)


# --- what does not -----------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    ("status", "said", "ours"),
    [
        (400, "bad", 400),
        (400, "This model's maximum context length is 9 tokens, you requested 99 tokens", 400),
        (401, "bad key", 401),
        (403, "not yours", 403),
        (413, "too large", 413),
        (422, "bad", 400),
        (501, "no", 400),
    ],
)
async def test_refusal_of_the_request_does_not(
    pair: Gateway,
    backend: FakeBackend,
    spare: FakeBackend,
    records: list[Record],
    status: int,
    said: str,
    ours: int,
    stream: bool,
) -> None:
    """targets.py: would be refused anywhere."""
    backend.on(ALPHA).error(status, said)
    answer = await send(pair, stream=stream)
    assert answer.status == ours
    assert (len(backend.calls), spare.calls) == (1, [])
    assert records[0].route == LISTED


@pytest.mark.parametrize(
    "shown", [text("He"), reasoning("Hm"), tool_call(0, "c1", "f")], ids=["text", "thought", "call"]
)
async def test_nothing_does_once_something_was_shown(
    pair: Gateway, backend: FakeBackend, spare: FakeBackend, records: list[Record], shown: Any
) -> None:
    """Two models must not speak in one message."""
    backend.on(ALPHA).stream(role(), shown, failure("overloaded", 503))
    tool = {"name": "f", "input_schema": {"type": "object"}}
    answer = await send(pair, stream=True, tools=[tool])
    assert answer.message["error"]["type"] == "overloaded_error"
    assert spare.calls == []
    assert (records[0].backend, failures(pair)) == ("main", [1, 0])


async def test_cut_in_the_middle_of_a_plain_answer_does_not(
    pair: Gateway, backend: FakeBackend, spare: FakeBackend
) -> None:
    """The same rule in both modes."""
    backend.on(ALPHA).stream(role(), text("He"), done=False)
    assert (await send(pair)).status == 502
    assert spare.calls == []
