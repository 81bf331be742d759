"""What stands in for usage that a backend does not report."""

from __future__ import annotations

import pytest

from bridge.ledger.record import Record
from bridge.routing.types import Target
from bridge.runtime.gateway import Gateway
from bridge.translation.profiles import ModelFacts
from tests.bridge.roads import send
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import finish, role, text, usage

BYTES = 1000


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
async def test_learned_ratio_reaches_the_estimate_of_the_output(
    engine: Gateway, backend: FakeBackend, records: list[Record], stream: bool
) -> None:
    """Two bytes per token as reported, so an unreported answer has twice the first guess."""
    question = "word " * (BYTES // 5)
    script = backend.on(ALPHA)
    script.answer(role(), text("Hi"), finish("stop"), usage(BYTES // 2, 2))
    script.answer(role(), text("x" * BYTES), finish("stop"))
    await send(engine, text=question)
    (known,) = engine.snapshot.routes.backends
    learned = engine.learned.bytes_per_token(Target(known, ALPHA, ModelFacts(ALPHA)))
    assert (await send(engine, text=question, stream=stream)).status == 200
    reported, estimated = records
    assert (reported.estimated, estimated.estimated) == (False, True)
    assert estimated.output_tokens == round(BYTES / learned)
    assert 1.5 < learned < 3.0
