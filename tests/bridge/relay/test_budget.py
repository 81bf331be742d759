"""What a request may cost before it is sent, and what no budget can count."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bridge.keys.authentication import IssuedKey, digest
from bridge.keys.limits import Limits
from bridge.ledger.pricing import OperatorPrice, Rates, price_list
from bridge.ledger.record import Record
from bridge.routing.fitting import MOST_OUTPUT
from bridge.routing.types import Alias, Routes, WeightedTarget
from bridge.runtime.gateway import Gateway
from tests.bridge.making import BETA
from tests.bridge.roads import Answer, answer_to, call
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import finish, role, text, usage
from tests.fakes.replies import Gate
from tests.fakes.rival import nothing_used

ISSUED = "gwk_issued"
PRICE = Rates.of(Decimal(2), Decimal(10))
BOTH = pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])


def issue(engine: Gateway, limits: Limits, *prices: OperatorPrice, **more: Any) -> None:
    key = IssuedKey(7, "team", digest=digest(ISSUED), limits=limits)
    known = price_list(prices, {})
    engine.limiter._used = nothing_used
    engine.store.current = replace(
        engine.snapshot, keys={digest(ISSUED): key}, prices=known, **more
    )


async def send(engine: Gateway, **fields: Any) -> Answer:
    return await answer_to(engine, call(headers={"x-api-key": ISSUED}, **fields))


@BOTH
async def test_many_at_once_cannot_spend_one_budget(
    engine: Gateway, backend: FakeBackend, stream: bool
) -> None:
    """Reported: 20 at once on a budget with room for some of them."""
    gate = Gate()
    backend.on(ALPHA).stream(role(), text("Hi"), finish("stop"), usage(10, 1000), before=gate)
    issue(engine, Limits(budget_month=Decimal("0.04")), OperatorPrice(ALPHA, PRICE))
    asked = [asyncio.create_task(send(engine, max_tokens=1000, stream=stream)) for _ in range(20)]
    while sum(task.done() for task in asked) < 17:
        await asyncio.sleep(0.01)
    gate.open()
    answers = await asyncio.gather(*asked)
    statuses = [answer.status for answer in answers]
    assert (statuses.count(200), statuses.count(429)) == (3, 17)
    refused = next(answer for answer in answers if answer.status == 429)
    assert refused.head.headers["retry-after"] == "1"
    assert refused.error[1:] == (
        "rate_limit_error",
        "What is left of the budget of 0.04 USD a month is reserved by running requests",
    )


@BOTH
async def test_model_without_a_price_is_served_or_refused(
    engine: Gateway, backend: FakeBackend, records: list[Record], stream: bool
) -> None:
    """Reported: as the key, or BUDGET_UNPRICED_MODELS, says."""
    issue(engine, Limits(budget_month=Decimal(1)))
    assert (await send(engine, stream=stream)).status == 200
    issue(engine, Limits(budget_month=Decimal(1), refuses_unpriced=True))
    refused = await send(engine, stream=stream)
    words = "and the budget of this API key counts priced models"
    told = f"model: no price is known for {ALPHA}, {words}"
    assert refused.error == (403, "permission_error", told)
    assert (len(backend.calls), [record.status for record in records]) == (1, [200, 403])
    issue(engine, Limits(budget_month=Decimal(1), refuses_unpriced=True), OperatorPrice("*", PRICE))
    assert (await send(engine, stream=stream)).status == 200


async def test_backend_that_reports_its_cost_has_a_price(
    engine: Gateway, backend: FakeBackend
) -> None:
    (main,) = engine.snapshot.routes.backends
    routes = Routes((replace(main, prefers_own_cost=True),))
    issue(engine, Limits(budget_month=Decimal(1), refuses_unpriced=True), routes=routes)
    assert (await send(engine)).status == 200


async def test_fallback_without_a_price_is_left_out(
    engine: Gateway, backend: FakeBackend, records: list[Record]
) -> None:
    """A priced name with an unpriced way out would spend what nobody counts."""
    backend.on(ALPHA).error(500)
    targets = (WeightedTarget("main", ALPHA), WeightedTarget("main", BETA, position=1))
    routes = replace(engine.snapshot.routes, aliases=(Alias("fast", targets),))
    limits = Limits(budget_month=Decimal(1), refuses_unpriced=True)
    issue(engine, limits, OperatorPrice(ALPHA, PRICE), routes=routes)
    assert (await send(engine, model="fast")).status == 500
    assert {call.body["model"] for call in backend.calls} == {ALPHA}
    assert "leaves out main: test/beta: no price is known, so a budget cannot count it" in (
        records[0].route
    )


async def test_dearest_target_and_no_endless_answer_is_reserved(
    engine: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Claude Code asks for room that it does not use."""
    dear = Rates.of(Decimal(0), Decimal(100))
    targets = (WeightedTarget("main", ALPHA), WeightedTarget("main", BETA, position=1))
    routes = replace(engine.snapshot.routes, aliases=(Alias("fast", targets),))
    prices = (OperatorPrice(ALPHA, PRICE), OperatorPrice(BETA, dear))
    issue(engine, Limits(budget_month=Decimal(5), tokens_day=10**6), *prices, routes=routes)
    held: list[Any] = []
    admit = engine.limiter.admit

    async def noted(*args: Any) -> Any:
        held.append(args[-1])
        return await admit(*args)

    monkeypatch.setattr(engine.limiter, "admit", noted)
    await send(engine, model="fast", max_tokens=32_000)
    await send(engine, model="fast", max_tokens=50)
    assert [each.cost for each in held] == [MOST_OUTPUT * 100_000, 50 * 100_000]
    assert MOST_OUTPUT < held[0].tokens < MOST_OUTPUT + 100


@BOTH
async def test_abandoned_prompt_keeps_its_reservation(
    engine: Gateway, backend: FakeBackend, stream: bool
) -> None:
    """Reported: 12 prompts through a limit for one, each left before the first token."""
    issue(engine, Limits(tpm=1000, tokens_day=5000))
    statuses = []
    for _ in range(3):
        gate = Gate()
        backend.reset()
        backend.on(ALPHA).json({}, before=gate)
        asking = asyncio.create_task(send(engine, stream=stream, system="word " * 500))
        while not (asking.done() or gate.is_reached):
            await asyncio.sleep(0.01)
        if asking.done():
            statuses.append(asking.result().status)
            gate.open()
            continue
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        statuses.append(499)
    assert statuses[0] == 499
    assert statuses[1:] == [429, 429]
