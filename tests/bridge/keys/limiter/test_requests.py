"""Requests a minute, keys of their own, gauges, and the order of limits."""

from collections.abc import Awaitable
from typing import Any

from bridge.keys.decisions import Decision
from bridge.keys.limits import LimitKind
from tests.bridge.keys.limiter.asking import FREE, NOW, Ask


async def test_one_more_than_the_limit_is_refused(ask: Ask) -> None:
    """wire E1: per-key rate limit."""
    key = ask(rpm=3)
    assert [(await key.decision(at)).is_allowed for at in (0, 1, 2, 3)] == [True] * 3 + [False]
    assert await key.refused(3) == (LimitKind.REQUESTS, 57)


async def test_refused_requests_do_not_count(ask: Ask) -> None:
    """Who keeps knocking is let in as early as who waits."""
    key = ask(rpm=1)
    await key.reservation(0)
    for at in (1, 20, 59.9):
        assert (await key.refused(at))[0] is LimitKind.REQUESTS
    await key.reservation(60)


async def test_minute_slides(ask: Ask) -> None:
    """No 60 seconds hold more than N, wherever they begin."""
    key = ask(rpm=2)
    await key.reservation(0)
    await key.reservation(50)
    assert await key.refused(59.5) == (LimitKind.REQUESTS, 1)
    await key.reservation(60)
    assert await key.refused(60) == (LimitKind.REQUESTS, 50)


async def test_who_waits_as_told_is_let_in(ask: Ask) -> None:
    """Here a request is free after 29 seconds, but enough tokens only after 37."""
    key = ask(rpm=5, tpm=1000)
    for at in (0.0, 7.3, 7.4, 21.9, 30.2):
        await key.reservation(at, 200)
    assert await key.refused(31, 300) == (LimitKind.TOKENS, 37)
    await key.reservation(31 + 37, 300)


async def test_limit_of_none_at_all_lets_nobody_in_ever(ask: Ask) -> None:
    assert await ask(rpm=0).refused() == (LimitKind.REQUESTS, None)


async def test_settled_request_still_counts_as_one(ask: Ask) -> None:
    """The minute is about requests begun, also those that failed."""
    key = ask(rpm=1)
    await key.settle(await key.reservation(0), at=1)
    assert (await key.refused(2))[0] is LimitKind.REQUESTS


async def test_keys_do_not_count_for_each_other(ask: Ask) -> None:
    key = ask(rpm=1, tpm=100, concurrent=1)
    assert (await key.decision(tokens=100, key=1)).is_allowed
    assert (await key.decision(tokens=100, key=2)).is_allowed
    assert not (await key.decision(tokens=100, key=1)).is_allowed


async def test_gauges_show_what_is_left_and_until_when(ask: Ask) -> None:
    key = ask(rpm=3, tpm=1000)
    await key.reservation(0, 300)
    told = await key.decision(10, 200)
    assert told.requests is not None and told.tokens is not None
    assert (told.requests.limit, told.requests.remaining, told.requests.reset) == (3, 1, NOW + 70)
    assert (told.tokens.limit, told.tokens.remaining, told.tokens.reset) == (1000, 500, NOW + 70)


async def test_key_without_limits_is_always_let_in(ask: Ask) -> None:
    key = ask()
    tickets = [await key.reservation() for _ in range(5)]
    for reservation in tickets:
        await key.settle(reservation, 100, "1")


async def test_limit_that_is_set_later_counts_from_then_on(ask: Ask) -> None:
    """The operator changes limits while the key is in use."""
    reservation = await ask(concurrent=5).reservation(0)
    key = ask(rpm=1, concurrent=5)
    await key.reservation(1)
    assert await key.refused(2) == (LimitKind.REQUESTS, 59)
    await key.settle(reservation, at=3)


async def test_limits_are_looked_at_in_a_fixed_order(ask: Ask) -> None:
    """A used-up budget is told before a minute that would pass, and leads to no retries."""
    given: dict[str, Any] = {"concurrent": 0, "tpm": 0, "rpm": 0, "budget_month": FREE}
    asked: list[Awaitable[Decision]] = [
        ask(**dict(list(given.items())[:count])).decision(tokens=1) for count in range(1, 5)
    ]
    refused = [(await decision).refused for decision in asked]
    assert refused == [LimitKind.CONCURRENT, LimitKind.TOKENS, LimitKind.REQUESTS, LimitKind.BUDGET]
