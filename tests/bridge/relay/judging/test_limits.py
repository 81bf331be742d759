"""What a key's limits mean for the judge of its calls, counted in memory and by a real Redis."""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bridge.keys import redis_limiter
from bridge.keys.authentication import IssuedKey, digest
from bridge.keys.limiter import Limiter
from bridge.keys.limits import USED_UP, Limits
from bridge.ledger.pricing import OperatorPrice, Rates, price_list
from bridge.ledger.record import Record
from bridge.runtime.gateway import Gateway
from tests.bridge.making import BETA
from tests.bridge.roads import Answer, answer_to, call, configure
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import call as calling
from tests.fakes.chunks import finish, role, usage
from tests.fakes.judge import asks, verdicts
from tests.fakes.redis import RedisServer
from tests.fakes.rival import PATIENCE_SECONDS, nothing_used, of_key

BOTH = pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
KEY = "gw-" + "k" * 40
TOOLS = [{"name": "Bash", "input_schema": {"type": "object"}}]
DEAR = Rates(10**6, 10**6, 10**6, 10**6)


def issue(engine: Gateway, limits: Limits, **fields: Any) -> None:
    """The only key, with these limits; both models have a price."""
    key = IssuedKey(7, "team", digest=digest(KEY), limits=limits, **fields)
    snapshot = engine.snapshot
    prices = price_list([OperatorPrice(ALPHA, DEAR), OperatorPrice(BETA, DEAR)], {})
    engine.store.current = replace(snapshot, keys={key.digest: key}, prices=prices)


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(params=["memory", "redis"])
async def counted(
    request: pytest.FixtureRequest,
    engine: Gateway,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Gateway]:
    """That gateway with empty counters of either kind."""
    shared = request.param == "redis"
    if shared:
        server: RedisServer = request.getfixturevalue("redis")
        with server.client() as client:
            client.flushall()
        settings.REDIS_URL = server.url
        monkeypatch.setattr(redis_limiter, "PATIENCE_SECONDS", PATIENCE_SECONDS)
    engine.limiter = engine.relay.limiter = Limiter(nothing_used, with_redis=shared)
    yield engine
    assert engine.limiter.is_shared is shared, "it fell back to memory"
    await engine.limiter.aclose()


@pytest.fixture
def judged(counted: Gateway, backend: FakeBackend) -> Gateway:
    engine = counted
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
    assert await has_spent(judged, "0.000799")


@BOTH
async def test_judge_uses_the_keys_quota_of_tokens(
    judged: Gateway, records: list[Record], stream: bool
) -> None:
    """Ours: 59 tokens of the answer and 740 of its judge."""
    issue(judged, Limits(tokens_day=1_000_000))
    assert (await ask(judged, stream)).status == 200
    assert [record.model for record in records] == [BETA, ALPHA]
    used = [await is_used_up(judged, tokens_day=tokens) for tokens in (799, 800)]
    assert used == [True, False]


async def is_used_up(engine: Gateway, **quota: Any) -> bool:
    """Whether the key has used all of a budget or a quota of this size."""
    now = engine.relay.clocks.wall()
    decision = await engine.limiter.admit(of_key(7, Limits(**quota)), 0, now)
    if decision.reservation is not None:
        await engine.limiter.settle(decision.reservation, 0, Decimal(0), now)
    return decision.refused in USED_UP


async def has_spent(engine: Gateway, dollars: str) -> bool:
    """Whether it is exactly this, to the billionth of a dollar."""
    spent = Decimal(dollars)
    more = spent + Decimal("1e-9")
    return await is_used_up(engine, budget_month=spent) and not await is_used_up(
        engine, budget_month=more
    )


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
async def test_each_request_of_a_client_counts_once_however_often_it_is_judged(
    judged: Gateway, backend: FakeBackend, records: list[Record], stream: bool
) -> None:
    """The limit holds for the client as exactly as without a judge."""
    issue(judged, Limits(rpm=2, budget_month=Decimal(1)))
    statuses = [(await ask(judged, stream)).status for _ in range(3)]
    assert statuses == [200, 200, 429]
    assert [call.model for call in backend.calls] == [ALPHA, BETA] * 2
    assert await has_spent(judged, "0.001598")


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
