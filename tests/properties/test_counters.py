"""Counters of limits: Redis decides as memory does, and no 60 seconds hold more than the limit."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

import pytest
from django.conf import settings
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from bridge.keys import redis_limiter
from bridge.keys.limiter import LEASE_SECONDS
from bridge.keys.limits import (
    WINDOW_SECONDS,
    Account,
    AccountKind,
    AccountRef,
    LimitKind,
    Limits,
    Outcome,
    QuotaUsage,
    Reservation,
)
from bridge.keys.memory_limiter import MemoryLimiter
from bridge.keys.redis_limiter import RedisLimiter
from tests.fakes.redis import RedisServer
from tests.fakes.rival import PATIENCE_SECONDS, of_key

START = 1_772_366_400.0


@dataclass(frozen=True, slots=True)
class Step:
    """After `pause` seconds: a request of `tokens`, or the end of a running one (by its number).

    `whose`: a bit for each of the accounts that the request is counted for.
    """

    pause: float
    tokens: int
    ends: int | None
    cost: int
    whose: int


small = st.integers(0, 5)
limits = st.builds(
    Limits,
    rpm=st.none() | small,
    tpm=st.none() | st.integers(0, 50),
    concurrent=st.none() | small,
    budget_day=st.none() | st.integers(0, 3).map(Decimal),
    budget_week=st.none() | st.integers(0, 4).map(Decimal),
    budget_month=st.none() | st.integers(0, 5).map(Decimal),
    budget_total=st.none() | st.integers(0, 6).map(Decimal),
    tokens_day=st.none() | st.integers(0, 60),
    tokens_week=st.none() | st.integers(0, 90),
    tokens_month=st.none() | st.integers(0, 120),
)
# quarters, so that sums of times are exact; some clocks are set back
pauses = st.sampled_from([0, 0, 0.25, 1, 7.5, 29.75, 60, -0.25, -7.5, -61, -200])
steps = st.builds(
    Step,
    pause=pauses,
    tokens=st.integers(0, 40),
    ends=st.none() | st.integers(0, 5),
    cost=st.integers(0, 10**9),
    whose=st.integers(1, 7),
)


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with (
        RedisServer(tmp_path_factory.mktemp("redis")) as server,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(settings, "REDIS_URL", server.url)
        patch.setattr(redis_limiter, "PATIENCE_SECONDS", PATIENCE_SECONDS)
        yield server


def _accounts(step: Step, by: list[Limits]) -> tuple[Account, ...]:
    """A key, a person and a team share the numbers of their rows."""
    named = zip((AccountKind.KEY, AccountKind.PERSON, AccountKind.TEAM), by, strict=True)
    every = [Account(AccountRef(kind, 1), kind, limits) for kind, limits in named]
    return tuple(account for n, account in enumerate(every) if step.whose & 1 << n)


async def played(
    store: MemoryLimiter | RedisLimiter, all_steps: list[Step], by: list[Limits]
) -> list[Outcome]:
    """The outcomes of these steps."""
    outcomes: list[Outcome] = []
    running: list[Reservation] = []
    now = START
    for number, step in enumerate(all_steps):
        now += step.pause
        if step.ends is not None and running:
            ended = running.pop(step.ends % len(running))
            await store.settle(ended, QuotaUsage(step.cost, step.tokens), now)
        else:
            whole = QuotaUsage(step.cost // 4, step.tokens // 2)
            reservation = Reservation(f"t{number}", _accounts(step, by), now, step.tokens, whole)
            outcomes.append(await store.admit(reservation))
            if outcomes[-1].refused is None:
                running.append(reservation)
    return outcomes


@profile(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(by=st.lists(limits, min_size=3, max_size=3), all_steps=st.lists(steps, max_size=40))
def test_redis_decides_as_memory_does(
    redis: RedisServer, by: list[Limits], all_steps: list[Step]
) -> None:
    """One contract. Leases are left out here: they outlast every pause."""

    async def in_redis() -> list[Outcome]:
        limiter = RedisLimiter(lease_seconds=LEASE_SECONDS * 10**6)
        try:
            return await played(limiter, all_steps, by)
        finally:
            await limiter.aclose()

    with redis.client() as client:
        client.flushall()
    expected = asyncio.run(played(MemoryLimiter(), all_steps, by))
    assert asyncio.run(in_redis()) == expected


@given(
    limit=st.integers(1, 5),
    pauses=st.lists(st.floats(0, 70, allow_nan=False), max_size=60),
)
def test_no_minute_holds_more_than_the_limit(limit: int, pauses: list[float]) -> None:
    """bridge/keys/limits.py: wherever the 60 seconds begin."""

    async def let_in() -> list[float]:
        store, now, passed = MemoryLimiter(), START, []
        mine = of_key(1, Limits(rpm=limit))
        for number, pause in enumerate(pauses):
            now += pause
            outcome = await store.admit(Reservation(f"t{number}", mine, now, 0))
            passed += [now] if outcome.refused is None else []
        return passed

    passed = asyncio.run(let_in())
    for first, beyond in zip(passed, passed[limit:], strict=False):
        assert beyond - first >= WINDOW_SECONDS - 1e-6


@given(pauses=st.lists(st.floats(0, 70, allow_nan=False), max_size=30), limit=st.integers(1, 5))
def test_who_waits_as_told_is_let_in(pauses: list[float], limit: int) -> None:
    async def ask() -> None:
        store, now = MemoryLimiter(), START
        mine, other = Limits(rpm=limit, tpm=25), Limits(rpm=2 * limit, tpm=45)
        team = Account(AccountRef(AccountKind.TEAM, 1), "team", other)
        reservation = Reservation("", (*of_key(1, mine), team), now, 10)
        for number, pause in enumerate(pauses):
            now += pause
            outcome = await store.admit(replace(reservation, id=f"t{number}", at=now))
            if outcome.refused in (LimitKind.REQUESTS, LimitKind.TOKENS):
                now += outcome.wait + 1e-6
                assert (
                    await store.admit(replace(reservation, id=f"u{number}", at=now))
                ).refused is None

    asyncio.run(ask())
