"""Budgets: counted as requests end, compared with the ledger behind their backs."""

import asyncio
from decimal import Decimal

from bridge.keys.limiter import SEED_RETRY_SECONDS, SEED_SECONDS, Limiter
from bridge.keys.limits import LimitKind, Limits, period_end
from tests.bridge.keys.limiter.asking import KEY, NOW, Ask, Ledger


async def finished(limiter: Limiter) -> None:
    """Wait for what the counters do in the background."""
    await asyncio.gather(*limiter._errands)


async def test_budget_that_is_spent_refuses(ask: Ask) -> None:
    """wire E1: per-key budget used up; until the month ends."""
    key = ask(budget_usd=Decimal("1.00"))
    await key.settle(await key.reservation(), cost="0.999999999")
    await key.settle(await key.reservation(1), cost="0.000000001", at=1)
    kind, wait = await key.refused(2)
    assert kind is LimitKind.BUDGET
    assert wait == period_end(NOW, "month") - NOW - 2


async def test_verdict_tells_what_was_spent(ask: Ask) -> None:
    key = ask(budget_usd=Decimal(10))
    await key.settle(await key.reservation(), cost="2.5")
    assert (await key.decision()).spent_usd == Decimal("2.5")


async def test_next_period_begins_with_nothing_spent(ask: Ask) -> None:
    key = ask(budget_usd=Decimal(1), period="day")
    await key.settle(await key.reservation(), cost="1")
    assert (await key.refused())[0] is LimitKind.BUDGET
    await key.reservation(12 * 3600)


async def test_cost_counts_for_the_period_in_which_it_is_known(ask: Ask) -> None:
    key = ask(budget_usd=Decimal(1), period="day")
    reservation = await key.reservation(12 * 3600 - 1)
    await key.settle(reservation, cost="1", at=12 * 3600 + 1)
    assert (await key.refused(12 * 3600 + 2))[0] is LimitKind.BUDGET


async def test_what_was_spent_before_the_start_counts_for_the_first_request(
    ask: Ask, limiter: Limiter, ledger: Ledger
) -> None:
    key = ask(budget_usd=Decimal(5))
    ledger.spent["month"] = Decimal(5)
    await limiter.prime({KEY: key.limits, 8: Limits(rpm=1)}, NOW)
    assert ledger.asked == [(KEY, "month")]
    assert (await key.refused())[0] is LimitKind.BUDGET


async def test_request_never_waits_for_the_ledger(
    ask: Ask, limiter: Limiter, ledger: Ledger
) -> None:
    """design: never a database query on the request path. It is asked behind the first one."""
    key = ask(budget_usd=Decimal(5))
    ledger.spent["month"] = Decimal(5)
    await key.reservation()
    await finished(limiter)
    assert (await key.refused(1))[0] is LimitKind.BUDGET
    assert ledger.asked == [(KEY, "month")]


async def test_ledger_is_asked_again_after_a_while(
    ask: Ask, limiter: Limiter, ledger: Ledger
) -> None:
    """It may know more than the counters, which a restart of Redis empties."""
    key = ask(budget_usd=Decimal(5))
    await limiter.prime({KEY: key.limits}, NOW)
    ledger.spent["month"] = Decimal(4)
    await key.reservation(SEED_SECONDS)
    assert len(ledger.asked) == 1
    await key.reservation(SEED_SECONDS + 1)
    await finished(limiter)
    assert (await key.decision(SEED_SECONDS + 2)).spent_usd == 4


async def test_ledger_that_lags_behind_takes_nothing_back(
    ask: Ask, limiter: Limiter, ledger: Ledger
) -> None:
    key = ask(budget_usd=Decimal(5))
    await key.settle(await key.reservation(), cost="3")
    ledger.spent["month"] = Decimal(2)
    await limiter.prime({KEY: key.limits}, NOW)
    assert (await key.decision()).spent_usd == 3


async def test_ledger_that_is_away_does_not_hold_up_the_start(
    limiter: Limiter, ledger: Ledger
) -> None:
    """It is asked for the first key; the others follow with their first requests."""
    ledger.is_away = True
    await limiter.prime({key: Limits(budget_usd=Decimal(1)) for key in range(5)}, NOW)
    assert len(ledger.asked) == 1


async def test_ledger_that_is_away_is_not_asked_by_every_request(
    ask: Ask, limiter: Limiter, ledger: Ledger
) -> None:
    key = ask(budget_usd=Decimal(5))
    ledger.is_away = True
    for at in (0.0, 1.0, SEED_RETRY_SECONDS):
        await key.reservation(at)
        await finished(limiter)
    assert len(ledger.asked) == 1
    ledger.is_away, ledger.spent["month"] = False, Decimal(5)
    await key.reservation(SEED_RETRY_SECONDS + 1)
    await finished(limiter)
    assert (await key.refused(SEED_RETRY_SECONDS + 2))[0] is LimitKind.BUDGET
