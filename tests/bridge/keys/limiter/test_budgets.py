"""Budgets: counted as requests end, compared with the ledger behind their backs."""

import asyncio
from decimal import Decimal

import pytest

from bridge.keys.limiter import SEED_RETRY_SECONDS, SEED_SECONDS, SEED_SECONDS_ALONE, Limiter
from bridge.keys.limits import LimitKind, Limits, QuotaUsage
from bridge.keys.periods import Period, period_end
from tests.bridge.keys.limiter.asking import KEY, NOW, Ask, Ledger, spent
from tests.fakes.rival import key_ref, of_key


async def finished(limiter: Limiter) -> None:
    """Wait for what the counters do in the background."""
    await asyncio.gather(*limiter._errands)


async def test_budget_that_is_spent_refuses(ask: Ask) -> None:
    """wire E1: per-key budget used up; until the month ends."""
    key = ask(budget_month=Decimal("1.00"))
    await key.settle(await key.reservation(), cost="0.999999999")
    await key.settle(await key.reservation(1), cost="0.000000001", at=1)
    kind, wait = await key.refused(2)
    assert kind is LimitKind.BUDGET
    assert wait == period_end(NOW, "month") - NOW - 2


async def test_verdict_tells_what_was_spent(ask: Ask) -> None:
    key = ask(budget_month=Decimal(10))
    await key.settle(await key.reservation(), cost="2.5")
    assert spent(await key.decision()) == Decimal("2.5")


async def test_next_period_begins_with_nothing_spent(ask: Ask) -> None:
    key = ask(budget_day=Decimal(1))
    await key.settle(await key.reservation(), cost="1")
    assert (await key.refused())[0] is LimitKind.BUDGET
    await key.reservation(12 * 3600)


async def test_cost_counts_for_the_period_in_which_it_is_known(ask: Ask) -> None:
    key = ask(budget_day=Decimal(1))
    reservation = await key.reservation(12 * 3600 - 1)
    await key.settle(reservation, cost="1", at=12 * 3600 + 1)
    assert (await key.refused(12 * 3600 + 2))[0] is LimitKind.BUDGET


async def test_what_was_spent_before_the_start_counts_for_the_first_request(
    ask: Ask, limiter: Limiter, ledger: Ledger
) -> None:
    key = ask(budget_month=Decimal(5))
    ledger.spent["month"] = Decimal(5)
    await limiter.prime({KEY: key.limits, key_ref(8): Limits(rpm=1)}, NOW)
    assert ledger.asked == [(KEY, "month")]
    assert (await key.refused())[0] is LimitKind.BUDGET


async def test_request_never_waits_for_the_ledger(
    ask: Ask, limiter: Limiter, ledger: Ledger
) -> None:
    """design: never a database query on the request path. It is asked behind the first one."""
    key = ask(budget_month=Decimal(5))
    ledger.spent["month"] = Decimal(5)
    await key.reservation()
    await finished(limiter)
    assert (await key.refused(1))[0] is LimitKind.BUDGET
    assert ledger.asked == [(KEY, "month")]


DOLLAR = 10**9


async def test_budget_reserves_what_requests_may_cost(ask: Ask) -> None:
    """Reported by operators: 64 at once never get more than the budget has room for."""
    key = ask(budget_month=Decimal(1))
    whole = QuotaUsage(DOLLAR // 10)
    decisions = await asyncio.gather(*[key.decision(whole=whole) for _ in range(64)])
    passed = [each.reservation for each in decisions if each.reservation is not None]
    assert len(passed) == 10
    refused = next(each for each in decisions if not each.is_allowed)
    assert (refused.refused, refused.retry_after) == (LimitKind.RESERVED, 1)
    assert refused.should_retry is None
    assert refused.message == (
        "What is left of the budget of 1.00 USD a month is reserved by running requests"
    )
    for reservation in passed:
        await key.settle(reservation, cost="0.05")
    decisions = await asyncio.gather(*[key.decision(whole=whole) for _ in range(64)])
    assert sum(each.is_allowed for each in decisions) == 5


async def test_request_alone_passes_on_the_last_cent(ask: Ask) -> None:
    """Ours: an estimate is a guess, so a budget is used to its end, and never by two at once."""
    key = ask(budget_month=Decimal(1))
    await key.settle(await key.reservation(), cost="0.99")
    last = await key.reservation(1, whole=QuotaUsage(DOLLAR))
    assert (await key.refused(1, whole=QuotaUsage(DOLLAR)))[0] is LimitKind.RESERVED
    await key.settle(last, cost="0.02", at=2)
    assert (await key.refused(3))[0] is LimitKind.BUDGET


@pytest.mark.parametrize("period", ["day", "week", "month"])
async def test_tokens_have_quotas_for_each_period(ask: Ask, period: Period) -> None:
    """The only sensible budget for a model without a price."""
    key = ask(**{f"tokens_{period}": 1000})
    first, second = [await key.reservation(whole=QuotaUsage(0, 400)) for _ in range(2)]
    assert (await key.refused(whole=QuotaUsage(0, 400)))[0] is LimitKind.RESERVED
    await key.settle(first, tokens=700)
    await key.settle(second, tokens=300)
    decision = await key.decision(1)
    end = period_end(NOW, period)
    assert (decision.refused, decision.limit) == (LimitKind.QUOTA, 1000)
    assert (decision.retry_after, decision.should_retry) == (end - NOW - 1, False)
    assert decision.message.startswith(f"Quota of 1000 tokens a {period} is used up, the next")
    assert (await key.decision(end - NOW)).is_allowed


async def test_prepaid_budget_never_begins_anew(ask: Ask) -> None:
    key = ask(budget_total=Decimal(1))
    await key.settle(await key.reservation(), cost="1")
    decision = await key.decision(400 * 86_400)
    assert (decision.refused, decision.retry_after) == (LimitKind.BUDGET, None)
    assert (decision.should_retry, decision.message) == (
        False,
        "Budget of 1.00 USD in all is used up",
    )


async def test_budget_and_quotas_of_other_periods_are_counted_apart(ask: Ask) -> None:
    key = ask(budget_week=Decimal(1), tokens_day=100, tokens_month=500)
    await key.settle(await key.reservation(), tokens=100, cost="0.5")
    day = 86_400
    decision = await key.decision(1)
    assert (decision.refused, decision.limit) == (LimitKind.QUOTA, 100)
    for number in range(1, 5):  # NOW is a Sunday, so a new week has begun
        await key.settle(await key.reservation(number * day), 100, "0.2", number * day)
    decision = await key.decision(5 * day)
    assert (decision.refused, decision.limit) == (LimitKind.QUOTA, 500)
    assert spent(decision) == Decimal("0.8")


async def test_other_keys_have_quotas_of_their_own(ask: Ask) -> None:
    key = ask(tokens_day=100)
    await key.reservation(whole=QuotaUsage(0, 100))
    assert (await key.decision(whole=QuotaUsage(0, 100), key=8)).is_allowed


async def test_ledger_knows_of_tokens_too(ask: Ask, limiter: Limiter, ledger: Ledger) -> None:
    key = ask(tokens_week=100)
    ledger.tokens["week"] = 100
    await limiter.prime({KEY: key.limits}, NOW)
    assert (await key.refused())[0] is LimitKind.QUOTA


async def test_key_with_a_new_quota_or_another_period_is_one_to_look_up(
    ask: Ask, limiter: Limiter
) -> None:
    """Reported by operators."""
    month, day = Limits(budget_month=Decimal(5)), Limits(budget_day=Decimal(5))
    await limiter.prime({KEY: month}, NOW)
    assert limiter.unknown({KEY: month, key_ref(8): Limits(rpm=1)}) == {}
    assert limiter.unknown({KEY: day}) == {KEY: day}
    assert limiter.unknown({KEY: month, key_ref(8): month}) == {key_ref(8): month}


async def test_processes_that_each_count_alone_ask_the_ledger_often(
    ask: Ask, limiter: Limiter, ledger: Ledger
) -> None:
    """Without Redis the ledger is all that they share."""
    if limiter.is_shared:
        return
    limiter.is_alone = False
    key = ask(budget_month=Decimal(5))
    await limiter.prime({KEY: key.limits}, NOW)
    ledger.spent["month"] = Decimal(5)
    await key.reservation(SEED_SECONDS_ALONE + 0.1)
    await finished(limiter)
    assert (await key.refused(SEED_SECONDS_ALONE + 0.2))[0] is LimitKind.BUDGET


async def test_ledger_is_asked_again_after_a_while(
    ask: Ask, limiter: Limiter, ledger: Ledger
) -> None:
    """It may know more than the counters, which a restart of Redis empties."""
    key = ask(budget_month=Decimal(5))
    await limiter.prime({KEY: key.limits}, NOW)
    ledger.spent["month"] = Decimal(4)
    await key.reservation(SEED_SECONDS)
    assert len(ledger.asked) == 1
    await key.reservation(SEED_SECONDS + 1)
    await finished(limiter)
    assert spent(await key.decision(SEED_SECONDS + 2)) == 4


async def test_ledger_that_lags_behind_takes_nothing_back(
    ask: Ask, limiter: Limiter, ledger: Ledger
) -> None:
    key = ask(budget_month=Decimal(5))
    await key.settle(await key.reservation(), cost="3")
    ledger.spent["month"] = Decimal(2)
    await limiter.prime({KEY: key.limits}, NOW)
    assert spent(await key.decision()) == 3


async def test_ledger_that_is_away_does_not_hold_up_the_start(
    limiter: Limiter, ledger: Ledger
) -> None:
    """It is asked once; keys follow with their first requests."""
    ledger.is_away = True
    keys = {
        key_ref(0): Limits(budget_day=Decimal(1)),
        key_ref(1): Limits(budget_week=Decimal(1)),
        key_ref(2): Limits(budget_month=Decimal(1)),
        key_ref(3): Limits(budget_total=Decimal(1)),
    }
    await limiter.prime(keys, NOW)
    assert len(ledger.asked) == 1


async def test_ledger_that_is_away_is_not_asked_by_every_request(
    ask: Ask, limiter: Limiter, ledger: Ledger
) -> None:
    key = ask(budget_month=Decimal(5))
    ledger.is_away = True
    for at in (0.0, 1.0, SEED_RETRY_SECONDS):
        await key.reservation(at)
        await finished(limiter)
    assert len(ledger.asked) == 1
    ledger.is_away, ledger.spent["month"] = False, Decimal(5)
    await key.reservation(SEED_RETRY_SECONDS + 1)
    await finished(limiter)
    assert (await key.refused(SEED_RETRY_SECONDS + 2))[0] is LimitKind.BUDGET


async def test_quotas_can_be_read_without_a_request(ask: Ask, limiter: Limiter) -> None:
    """They are the counts that decide: each period as it is at that moment."""
    key = ask(budget_day=Decimal(1), budget_month=Decimal(4), tokens_day=100, rpm=1)
    await key.settle(await key.reservation(), tokens=30, cost="0.5")
    accounts = of_key(KEY.id, key.limits)
    read = {
        (each.quota.kind, each.quota.period): each for each in await limiter.quotas(accounts, NOW)
    }
    shares = {name: each.share for name, each in read.items()}
    assert shares == {
        (LimitKind.BUDGET, "day"): 0.5,
        (LimitKind.BUDGET, "month"): 0.125,
        (LimitKind.QUOTA, "day"): 0.3,
    }
    assert read[LimitKind.BUDGET, "month"].reset == period_end(NOW, "month")
    tomorrow = await limiter.quotas(accounts, NOW + 86_400)
    assert [each.used for each in tomorrow if each.quota.period == "day"] == [0, 0]
    assert await limiter.quotas((), NOW) == ()


async def test_ledger_that_was_never_read_is_asked_until_it_answers(
    ask: Ask, limiter: Limiter, ledger: Ledger
) -> None:
    """Budgets may be closed until then. It is not asked for each request."""
    accounts = of_key(KEY.id, ask(budget_month=Decimal(5)).limits)
    ledger.is_away = True
    for at in (0, 1, 2):
        assert not limiter.has_read(accounts, NOW + at)
        await finished(limiter)
    assert len(ledger.asked) == 1
    ledger.is_away = False
    assert not limiter.has_read(accounts, NOW + SEED_RETRY_SECONDS + 1)
    await finished(limiter)
    assert limiter.has_read(accounts, NOW + SEED_RETRY_SECONDS + 1)
    assert limiter.has_read(of_key(8, Limits(rpm=1)), NOW)
