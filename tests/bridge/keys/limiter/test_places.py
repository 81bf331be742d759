"""Requests at once, and many requests that all arrive in the same moment."""

import asyncio

import pytest

from bridge.keys.limits import LimitKind
from tests.bridge.keys.limiter.asking import WAIT, Ask


async def test_place_is_free_again_when_its_request_ends(ask: Ask) -> None:
    key = ask(concurrent=2)
    tickets = [await key.reservation(), await key.reservation()]
    assert await key.refused() == (LimitKind.CONCURRENT, 1)
    await key.settle(tickets[0])
    tickets.append(await key.reservation())
    assert (await key.refused())[0] is LimitKind.CONCURRENT


async def test_request_that_another_limit_refuses_takes_no_place(ask: Ask) -> None:
    await ask(rpm=0, concurrent=1).refused()
    await ask(concurrent=1).reservation()


@pytest.mark.parametrize(
    "limits",
    [{"rpm": 10}, {"tpm": 1000}, {"concurrent": 10}, {"rpm": 10, "tpm": 1000, "concurrent": 10}],
    ids=lambda limits: "+".join(limits),
)
async def test_many_at_once_never_get_more_than_the_limit(ask: Ask, limits: dict[str, int]) -> None:
    """64 requests that all arrive in the same moment."""
    key = ask(**limits)
    verdicts = await asyncio.gather(*[key.decision(tokens=100) for _ in range(64)])
    assert sum(decision.is_allowed for decision in verdicts) == 10


async def test_places_that_come_and_go_at_once_are_all_there_in_the_end(ask: Ask) -> None:
    key = ask(concurrent=4)
    most = running = served = 0

    async def visit() -> None:
        nonlocal most, running, served
        while (reservation := (await key.decision()).reservation) is None:
            await asyncio.sleep(0)
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        served += 1
        await key.settle(reservation)

    async with asyncio.timeout(WAIT):
        await asyncio.gather(*[visit() for _ in range(40)])
    assert (most <= 4, served) == (True, 40)
    for _ in range(4):
        await key.reservation()
