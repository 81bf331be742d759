"""A prompt that a backend finds too long goes on to a target with a larger window, if there is one.
Ours: operators R5."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.ledger.record import Record
from bridge.routing.types import Alias, WeightedTarget
from bridge.runtime.gateway import Gateway
from tests.bridge.making import facts
from tests.bridge.pairs import GOOD, change, failures, well
from tests.bridge.roads import send
from tests.fakes.backend import FakeBackend
from tests.fakes.script import Script

BOTH = pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
TOO_LONG = (
    "This model's maximum context length is 4096 tokens. However, your prompt contains 5000 input "
    "tokens, which exceeds this limit"
)
NO_ROOM = (
    "This model's maximum context length is 4096 tokens. However, you requested 100 output tokens "
    "and your prompt contains 4050 input tokens, for a total of 4150 tokens."
)
REFUSED = "prompt is too long: 5000 tokens > 4096 maximum"


def serve(engine: Gateway, **windows: int | None) -> None:
    """An alias over a target of `main` for each window, in this order; None is not known."""
    main, *others = engine.snapshot.routes.backends
    models = {name: facts(name, context=window)[name] for name, window in windows.items()}
    backend = replace(main, models=models)
    targets = tuple(
        WeightedTarget("main", name, position=place) for place, name in enumerate(windows)
    )
    change(engine, backends=(backend, *others), aliases=(Alias("fast", targets),))


def overflows(script: Script) -> None:
    script.error(400, TOO_LONG)


def called(backend: FakeBackend) -> list[str]:
    return [call.body["model"] for call in backend.calls]


@BOTH
@pytest.mark.parametrize("words", [TOO_LONG, NO_ROOM], ids=["too long", "no room for an answer"])
async def test_overflow_goes_on_to_a_larger_window(
    engine: Gateway, backend: FakeBackend, records: list[Record], stream: bool, words: str
) -> None:
    """What a list tells of the first window was wrong, so that the prompt seemed to fit."""
    serve(engine, one=200_000, same=4_096, unknown=None, large=300_000)
    backend.on("one").error(400, words)
    backend.on("large").stream(*GOOD)
    answer = await send(engine, model="fast", stream=stream)
    assert (answer.status, well(answer, stream)) == (200, True)
    assert called(backend) == ["one", "large"]
    (record,) = records
    assert (record.model, record.status, record.error_type) == ("large", 200, "")
    assert "main: " in record.route[-1] and "4096" in record.route[-1]
    assert failures(engine) == [0]


@BOTH
async def test_overflow_in_a_stream_that_shows_nothing_goes_on(
    engine: Gateway, backend: FakeBackend, stream: bool
) -> None:
    serve(engine, one=200_000, large=300_000)
    backend.on("large").stream(*GOOD)
    backend.on("one").stream({"error": {"message": TOO_LONG, "code": 400}})
    answer = await send(engine, model="fast", stream=stream)
    assert (answer.status, well(answer, stream)) == (200, True)
    assert called(backend) == ["one", "large"]


@BOTH
async def test_overflow_is_the_answer_where_no_window_is_larger(
    engine: Gateway, backend: FakeBackend, stream: bool
) -> None:
    serve(engine, one=200_000, same=4_096, unknown=None)
    overflows(backend.on("one"))
    answer = await send(engine, model="fast", stream=stream)
    assert answer.error == (400, "invalid_request_error", REFUSED)
    assert called(backend) == ["one"]


async def test_largest_window_has_the_last_word(engine: Gateway, backend: FakeBackend) -> None:
    serve(engine, one=200_000, large=300_000)
    overflows(backend.on("one"))
    backend.on("large").error(400, TOO_LONG.replace("4096", "8192").replace("5000", "9000"))
    answer = await send(engine, model="fast")
    assert answer.error[2] == "prompt is too long: 9000 tokens > 8192 maximum"
    assert called(backend) == ["one", "large"]


@pytest.mark.parametrize("status", [400, 500, 529])
async def test_overflow_is_told_where_a_larger_window_cannot_answer(
    engine: Gateway, backend: FakeBackend, records: list[Record], status: int
) -> None:
    """The client can compact; of a failure it can only ask once more. The failure counts."""
    serve(engine, one=200_000, large=300_000)
    overflows(backend.on("one"))
    backend.on("large").error(status, "boom")
    answer = await send(engine, model="fast")
    assert answer.error == (400, "invalid_request_error", REFUSED)
    assert called(backend) == ["one", "large"]
    assert "boom" in records[0].route[-1]
    assert failures(engine) == [0 if status == 400 else 1]
