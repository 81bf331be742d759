"""Tokens a minute: an estimate first, what was used in the end."""

from decimal import Decimal

from bridge.keys.limits import LimitKind
from tests.bridge.keys.limiter.asking import Ask, spent


async def test_estimates_together_stay_within_the_limit(ask: Ask) -> None:
    key = ask(tpm=1000)
    await key.reservation(0, 600)
    assert await key.refused(1, 401) == (LimitKind.TOKENS, 59)
    await key.reservation(1, 400)


async def test_wait_is_as_long_as_it_takes_until_enough_is_free(ask: Ask) -> None:
    key = ask(tpm=1000)
    for at in (0, 10, 20, 30):
        await key.reservation(at, 250)
    assert [await key.refused(30, need) for need in (250, 251, 750, 1000)] == [
        (LimitKind.TOKENS, wait) for wait in (30, 40, 50, 60)
    ]


async def test_wait_is_found_among_many_small_requests(ask: Ask) -> None:
    key = ask(tpm=1000)
    for number in range(500):
        await key.reservation(number / 20, 2)
    assert await key.refused(25, 601) == (LimitKind.TOKENS, 50)


async def test_request_larger_than_the_limit_is_refused_for_good(ask: Ask) -> None:
    assert await ask(tpm=1000).refused(0, 1001) == (LimitKind.TOKENS, None)


async def test_real_usage_takes_the_place_of_the_estimate(ask: Ask) -> None:
    key = ask(tpm=1000)
    await key.settle(await key.reservation(0, 1000), 300, at=5)
    assert (await key.refused(6, 701))[0] is LimitKind.TOKENS
    await key.reservation(6, 700)


async def test_failed_request_gives_all_its_tokens_back(ask: Ask) -> None:
    """Settled with nothing used: it failed, or was abandoned before it began."""
    key = ask(tpm=1000)
    await key.settle(await key.reservation(0, 1000), 0, at=1)
    await key.reservation(1, 1000)


async def test_what_was_too_much_leaves_with_the_start_of_its_request(ask: Ask) -> None:
    key = ask(tpm=1000)
    await key.settle(await key.reservation(0, 800), 500, at=50)
    assert await key.refused(50, 501) == (LimitKind.TOKENS, 10)
    await key.reservation(60, 1000)


async def test_what_came_on_top_counts_from_the_end_of_its_request(ask: Ask) -> None:
    """A stream of many minutes: its tokens count when they are known, each of them once."""
    key = ask(tpm=1000)
    reservation = await key.reservation(0, 100)
    await key.settle(reservation, 900, at=300)
    assert await key.refused(301, 201) == (LimitKind.TOKENS, 59)
    await key.reservation(301, 200)


async def test_usage_beyond_the_limit_closes_the_key_until_it_is_over(ask: Ask) -> None:
    key = ask(tpm=1000)
    await key.settle(await key.reservation(0, 100), 5000, at=10)
    assert await key.refused(11, 1) == (LimitKind.TOKENS, 59)
    assert (await key.decision(11, 1)).tokens == (await key.decision(11, 1)).tokens
    await key.reservation(70, 1)


async def test_request_without_an_estimate_is_counted_in_the_end(ask: Ask) -> None:
    key = ask(tpm=100)
    await key.settle(await key.reservation(0, 0), 100, at=1)
    assert await key.refused(2, 1) == (LimitKind.TOKENS, 59)


async def test_second_settlement_changes_nothing(ask: Ask) -> None:
    """A request that failed on its way out may be given back twice."""
    key = ask(tpm=1000, concurrent=1, budget_month=Decimal(1))
    reservation = await key.reservation(0, 100)
    for _ in range(2):
        await key.settle(reservation, 600, "0.6", at=1)
    decision = await key.decision(2, 400)
    assert decision.is_allowed and spent(decision) == Decimal("0.6")


async def test_clock_that_was_set_back_a_little_frees_nothing_early(ask: Ask) -> None:
    key = ask(rpm=1)
    await key.reservation(30)
    assert await key.refused(0) == (LimitKind.REQUESTS, 60)
    await key.reservation(90)


async def test_clock_that_was_set_back_for_hours_locks_nobody_out(ask: Ask) -> None:
    key = ask(rpm=1, tpm=100)
    reservation = await key.reservation(7200, 100)
    await key.reservation(0, 100)
    assert await key.refused(1, 100) == (LimitKind.REQUESTS, 59)
    await key.settle(reservation, 100, at=2)
