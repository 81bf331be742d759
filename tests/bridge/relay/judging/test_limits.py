"""What a key's limits mean for the judge of its calls."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bridge.keys.authentication import IssuedKey, digest
from bridge.keys.limits import Limits
from bridge.ledger.pricing import OperatorPrice, Rates, price_list
from bridge.ledger.record import Record
from bridge.runtime.gateway import Gateway
from tests.bridge.making import BETA
from tests.bridge.roads import Answer, answer_to, call, configure
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import call as calling
from tests.fakes.chunks import finish, role, usage
from tests.fakes.judge import asks, verdicts
from tests.fakes.rival import key_ref, nothing_used

BOTH = pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
KEY = "gw-" + "k" * 40
TOOLS = [{"name": "Bash", "input_schema": {"type": "object"}}]
DEAR = Rates(10**6, 10**6, 10**6, 10**6)


def issue(engine: Gateway, limits: Limits, **fields: Any) -> None:
    """The only key, with these limits; both models have a price."""
    key = IssuedKey(7, "team", digest=digest(KEY), limits=limits, **fields)
    engine.limiter._used = nothing_used
    snapshot = engine.snapshot
    prices = price_list([OperatorPrice(ALPHA, DEAR), OperatorPrice(BETA, DEAR)], {})
    engine.store.current = replace(snapshot, keys={key.digest: key}, prices=prices)


@pytest.fixture
def judged(engine: Gateway, backend: FakeBackend) -> Gateway:
    configure(engine, safeguards=f"judge: {BETA}")
    made = calling(0, "call_0", "Bash", json.dumps({"command": "rm -rf build"}))
    backend.on(ALPHA).answer(role(), made, finish("tool_calls"), usage(50, 9))
    backend.on(BETA).each(verdicts("not_flagged"))
    return engine


async def ask(engine: Gateway, stream: bool) -> Answer:
    asked = call(None, {"x-api-key": KEY}, stream=stream, tools=TOOLS, safeguards=asks())
    return await answer_to(engine, asked)


@BOTH
async def test_judge_costs_the_keys_budget(
    judged: Gateway, records: list[Record], stream: bool
) -> None:
    """Ours: in a record of its own, and in what is left of the budget."""
    issue(judged, Limits(budget_month=Decimal(1), refuses_unpriced=True))
    assert (await ask(judged, stream)).status == 200
    judge, main = records
    assert (judge.model, judge.key, judge.key_id) == (BETA, "team", 7)
    assert (judge.cost_nano_usd, main.cost_nano_usd) == (740_000, 59_000)
    used = judged.limiter._local.used(key_ref(7), "month", judged.relay.clocks.wall())
    assert (used.cost, used.tokens) == (799_000, 799)


@BOTH
async def test_judge_beyond_the_budget_passes_nothing(
    judged: Gateway, backend: FakeBackend, records: list[Record], stream: bool
) -> None:
    """Ours: the answer itself was paid for, and goes out."""
    issue(judged, Limits(budget_month=Decimal("0.0001")))
    answer = await ask(judged, stream)
    assert answer.status == 200
    assert b'"call_0":{"type":"unavailable","reason":"error"}' in answer.body
    judge, main = records
    assert (judge.status, judge.cost_nano_usd) == (429, 0)
    assert main.verdicts[0].reason in ("over_limit", "over_budget")
    assert [call.model for call in backend.calls] == [ALPHA]


@BOTH
async def test_limits_of_a_minute_are_the_clients_own(
    judged: Gateway, records: list[Record], stream: bool
) -> None:
    """Ours: a client sends one request, and one at a time."""
    issue(judged, Limits(rpm=1, tpm=200, concurrent=1))
    answer = await ask(judged, stream)
    assert b'"outcome":"not_flagged"' in answer.body
    assert [record.status for record in records] == [200, 200]


@BOTH
async def test_keys_list_of_models_does_not_hold_for_the_judge(
    judged: Gateway, records: list[Record], stream: bool
) -> None:
    """The issue: the operator chose the judge."""
    issue(judged, Limits(), allowed=(ALPHA,))
    answer = await ask(judged, stream)
    assert b'"outcome":"not_flagged"' in answer.body
    assert [record.model for record in records] == [BETA, ALPHA]


@BOTH
async def test_judge_without_a_price_is_not_asked_for_a_key_that_counts_money(
    judged: Gateway, backend: FakeBackend, records: list[Record], stream: bool
) -> None:
    issue(judged, Limits(budget_month=Decimal(1), refuses_unpriced=True))
    prices = price_list([OperatorPrice(ALPHA, DEAR)], {})
    judged.store.current = replace(judged.snapshot, prices=prices)
    answer = await ask(judged, stream)
    assert b'"call_0":{"type":"unavailable","reason":"error"}' in answer.body
    assert records[-1].verdicts[0].reason == "not_allowed"
    assert [call.model for call in backend.calls] == [ALPHA]
