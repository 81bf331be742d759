"""Counters shared by processes: none too many, nothing kept by the dead, and no need of Redis."""

import asyncio
import contextlib
import logging
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bridge.keys import limiter as limiter_module
from bridge.keys import redis_limiter
from bridge.keys.decisions import Decision
from bridge.keys.limiter import AWAY, BACK, Limiter
from bridge.keys.limits import LimitKind, Limits, QuotaUsage, Reservation
from tests.fakes import rival
from tests.fakes.redis import RedisServer
from tests.fakes.rival import key_ref, nothing_used, of_key

NOW = 1_772_366_400.0
KEY = 7
WAIT = 25.0
ONE_PLACE = Limits(concurrent=1)


@pytest.fixture
def redis(tmp_path: Path, settings: Any) -> Iterator[RedisServer]:
    with RedisServer(tmp_path, password="s3cret") as server:
        settings.REDIS_URL = server.url
        yield server


async def two_dollars(keys: Collection[int], period: str) -> Mapping[int, QuotaUsage]:
    return {key_id: QuotaUsage(2 * 10**9) for key_id in keys}


@pytest.fixture
async def limiter(redis: RedisServer) -> AsyncIterator[Limiter]:
    limiter = Limiter(nothing_used, rival.LEASE_SECONDS, with_redis=True)
    yield limiter
    await limiter.aclose()


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What was logged so far, without the kind of error; every line a warning, none a traceback."""
    caplog.set_level(logging.DEBUG, "bridge")

    def lines() -> list[str]:
        records = [record for record in caplog.records if record.name.startswith("bridge")]
        assert all(r.levelno == logging.WARNING and not r.exc_info for r in records)
        assert "s3cret" not in caplog.text
        return [record.getMessage().partition(" (")[0] for record in records]

    return lines


@contextlib.asynccontextmanager
async def running(limiter: Limiter) -> AsyncIterator[None]:
    """The counters' background work goes on."""
    work = asyncio.create_task(limiter.run())
    yield
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT):
        while not condition():
            await asyncio.sleep(0.01)


async def let_in(limiter: Limiter, limits: Limits, tokens: int = 0, at: float = 0.0) -> Reservation:
    decision = await limiter.admit(of_key(KEY, limits), tokens, NOW + at)
    assert decision.reservation is not None
    return decision.reservation


@contextlib.contextmanager
def started(what: str, redis: RedisServer, folder: Path) -> Iterator[subprocess.Popen[str]]:
    with rival.start(what, redis.url, folder) as process:
        try:
            yield process
        finally:
            process.kill()


def told(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


# --- several processes ---------------------------------------------------------------------------


def test_two_processes_together_get_no_more_than_the_limit(
    redis: RedisServer, tmp_path: Path
) -> None:
    """Each asks as often as the limit of both; together they get exactly that."""
    with (
        started("rush", redis, tmp_path) as one,
        started("rush", redis, tmp_path) as other,
    ):
        both = (one, other)
        assert [told(process) for process in both] == ["ready", "ready"]
        for process in both:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        counts = [map(int, told(process).split()) for process in both]
    assert [sum(pair) for pair in zip(*counts, strict=True)] == [rival.AT_ONCE] * len(rival.RUSHED)


async def test_place_is_kept_while_its_process_lives_and_free_when_it_was_killed(
    redis: RedisServer, limiter: Limiter, tmp_path: Path
) -> None:
    """A lease that is renewed; a process that is killed cannot give anything back."""

    async def ask() -> Decision:
        return await limiter.admit(of_key(rival.HELD, rival.PLACES), 0, time.time())

    with started("hold", redis, tmp_path) as holder:
        assert await asyncio.to_thread(told, holder) == "holds"
        taken = time.time()
        async with asyncio.timeout(WAIT):
            while time.time() < taken + 1.2 * rival.LEASE_SECONDS:
                assert (await ask()).refused is LimitKind.CONCURRENT
                await asyncio.sleep(0.02)
        holder.kill()
        async with asyncio.timeout(WAIT):
            while not (await ask()).is_allowed:
                await asyncio.sleep(0.02)
    assert limiter.is_shared


async def test_place_is_taken_again_in_a_redis_that_lost_it(
    redis: RedisServer, limiter: Limiter
) -> None:
    now = time.time()
    assert (await limiter.admit(of_key(KEY, ONE_PLACE), 0, now)).is_allowed
    redis.stop()
    redis.start()
    async with running(limiter):
        await until(lambda: bool(redis.names("running")))
        assert (
            await limiter.admit(of_key(KEY, ONE_PLACE), 0, time.time())
        ).refused is LimitKind.CONCURRENT


# --- Redis comes and goes ------------------------------------------------------------------------


async def test_each_process_counts_for_itself_while_redis_is_away(
    redis: RedisServer, limiter: Limiter, said: Callable[[], list[str]]
) -> None:
    """Users are not refused because a cache is away; limits hold in each process all the same."""
    limits = Limits(rpm=2)
    await let_in(limiter, limits)
    redis.stop()
    verdicts = [await limiter.admit(of_key(KEY, limits), 0, NOW) for _ in range(3)]
    assert [decision.is_allowed for decision in verdicts] == [True, True, False]
    assert (limiter.is_shared, said()) == (False, [AWAY])


async def test_redis_may_be_away_from_the_start_and_come_later(
    redis: RedisServer, limiter: Limiter, said: Callable[[], list[str]]
) -> None:
    redis.stop()
    async with running(limiter):
        await until(lambda: said() == [AWAY])
        await let_in(limiter, ONE_PLACE)
        redis.start()
        await until(lambda: limiter.is_shared)
        await let_in(limiter, ONE_PLACE)
    assert said() == [AWAY, BACK]


async def test_request_that_began_before_redis_went_ends_in_peace(
    redis: RedisServer, limiter: Limiter, said: Callable[[], list[str]]
) -> None:
    reservation = await let_in(limiter, Limits(tpm=100, concurrent=1), 100)
    redis.stop()
    await limiter.settle(reservation, 50, Decimal(1), NOW)
    assert said() == [AWAY]


async def test_request_that_began_without_redis_gives_its_place_back_where_it_took_it(
    redis: RedisServer, limiter: Limiter
) -> None:
    redis.stop()
    reservation = await let_in(limiter, ONE_PLACE)
    redis.start()
    async with running(limiter):
        await until(lambda: limiter.is_shared)
    await limiter.settle(reservation, 0, Decimal(0), NOW)
    redis.stop()
    await let_in(limiter, ONE_PLACE)


async def test_what_is_spent_is_read_anew_for_a_redis_that_forgot_it(
    redis: RedisServer, limiter: Limiter, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = Limits(budget_month=Decimal(2))
    await limiter.settle(await let_in(limiter, limits), 0, Decimal(1), NOW)
    await asyncio.gather(*limiter._errands)
    redis.stop()
    redis.start()

    monkeypatch.setattr(limiter, "_used", two_dollars)
    await let_in(limiter, limits, at=limiter_module.SEED_RETRY_SECONDS + 1)
    await asyncio.gather(*limiter._errands)
    decision = await limiter.admit(of_key(KEY, limits), 0, NOW + 20)
    assert (decision.refused, limiter.is_shared) == (LimitKind.BUDGET, True)


async def test_connections_closed_while_idle_are_no_outage(
    redis: RedisServer, limiter: Limiter, said: Callable[[], list[str]]
) -> None:
    """By a proxy between, or by Redis itself if it is told to."""
    limits = Limits(rpm=100)
    await asyncio.gather(*[let_in(limiter, limits) for _ in range(20)])
    with redis.client() as client:
        client.client_kill_filter(_type="normal", skipme=True)
    await asyncio.gather(*[let_in(limiter, limits) for _ in range(20)])
    assert (limiter.is_shared, said()) == (True, [])


async def test_many_requests_meet_a_redis_that_does_not_answer(
    redis: RedisServer,
    limiter: Limiter,
    said: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each gets its decision from memory, and the log one line."""
    monkeypatch.setattr(redis_limiter, "PATIENCE_SECONDS", 0.2)
    redis.freeze()
    asked = [limiter.admit(of_key(KEY, Limits(rpm=10)), 0, NOW) for _ in range(64)]
    async with asyncio.timeout(WAIT):
        verdicts = await asyncio.gather(*asked)
    assert sum(decision.is_allowed for decision in verdicts) == 10
    assert said() == [AWAY]


async def test_client_that_leaves_during_the_decision_harms_nobody(
    redis: RedisServer, limiter: Limiter
) -> None:
    """At whatever point: it leaves at once, and its answer does not become the next one's."""
    limits = Limits(rpm=100)
    for steps in range(12):
        await let_in(limiter, limits)
        redis.freeze()
        leaving = asyncio.create_task(limiter.admit(of_key(KEY, Limits(rpm=0)), 0, NOW))
        for _ in range(steps):
            await asyncio.sleep(0)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        redis.thaw()
    assert limiter.is_shared


async def test_settlement_outlives_the_request_that_asked_for_it(
    redis: RedisServer, limiter: Limiter
) -> None:
    """The client left, and its task is cancelled while Redis is told."""
    limits = Limits(tpm=1000, concurrent=1)
    reservation = await let_in(limiter, limits, 1000)
    settling = asyncio.create_task(limiter.settle(reservation, 300, Decimal(0), NOW))
    await asyncio.sleep(0)
    settling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await settling
    await asyncio.gather(*limiter._errands)
    await let_in(limiter, limits, 700)
    assert limiter.is_shared


async def test_last_settlements_are_made_before_the_end(redis: RedisServer) -> None:
    limiter = Limiter(nothing_used, with_redis=True)
    settling = asyncio.create_task(
        limiter.settle(await let_in(limiter, ONE_PLACE), 0, Decimal(0), NOW)
    )
    await asyncio.sleep(0)
    await limiter.aclose()
    await settling
    assert redis.names("running") == []


async def test_budget_holds_in_memory_when_redis_goes(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch, limiter: Limiter
) -> None:
    """What the ledger told is kept here too."""

    monkeypatch.setattr(limiter, "_used", two_dollars)
    limits = Limits(budget_month=Decimal(2))
    await limiter.prime({key_ref(KEY): limits}, NOW)
    assert limiter.is_shared
    redis.stop()
    assert (await limiter.admit(of_key(KEY, limits), 0, NOW)).refused is LimitKind.BUDGET


async def test_request_that_ends_in_an_outage_costs_something_too(
    redis: RedisServer, limiter: Limiter
) -> None:
    limits = Limits(budget_month=Decimal(2))
    first, second = [await let_in(limiter, limits) for _ in range(2)]
    redis.stop()
    await limiter.settle(first, 0, Decimal(0), NOW)
    assert not limiter.is_shared
    await limiter.settle(second, 0, Decimal(2), NOW)
    assert (await limiter.admit(of_key(KEY, limits), 0, NOW)).refused is LimitKind.BUDGET


async def test_redis_that_takes_no_writes_counts_as_away(
    redis: RedisServer, limiter: Limiter, said: Callable[[], list[str]]
) -> None:
    """One that is full still answers pings; it must not come back with every one of them."""
    with redis.client() as client:
        client.config_set("maxmemory", "1")
        await let_in(limiter, ONE_PLACE)
        writes = redis.calls("set")
        async with running(limiter):
            await until(lambda: redis.rejected("set") >= writes + 3)
            assert said() == [AWAY]
            client.config_set("maxmemory", "0")
            await until(lambda: said() == [AWAY, BACK])


@pytest.mark.parametrize("part", ["state", "tokens"])
async def test_counts_agree_again_when_redis_dropped_a_part_of_them(
    redis: RedisServer, limiter: Limiter, part: str
) -> None:
    """A Redis that is told to evict keys may drop one of several."""
    limits = Limits(tpm=1000)
    await let_in(limiter, limits, 400)
    with redis.client() as client:
        client.delete(*redis.names(part))
    kept = 0 if part == "tokens" else 400
    decision = await limiter.admit(of_key(KEY, limits), 100, NOW)
    assert decision.tokens is not None
    assert decision.tokens.remaining == 1000 - 100 - kept


async def test_nothing_stays_in_redis_for_ever(redis: RedisServer, limiter: Limiter) -> None:
    """Every name has our prefix, and an end."""
    limits = Limits(10, 1000, 10, budget_day=Decimal(5), tokens_month=10**6)
    reservation = await let_in(limiter, limits, 100)
    await asyncio.gather(*limiter._errands)
    await let_in(limiter, limits, 100)
    await limiter.settle(reservation, 200, Decimal(1), NOW)
    async with running(limiter):
        await until(lambda: bool(redis.names("alive")))
    with redis.client() as client:
        names = redis.names("")
        assert len(names) == 8
        for name in names:
            assert name.startswith("claude-bridge:limits:")
            assert 0 < int(client.ttl(name)) <= 31 * 86_400 + 3600


async def test_counters_without_redis_have_nothing_to_do_in_the_background() -> None:
    limiter = Limiter(nothing_used)
    await asyncio.wait_for(limiter.run(), WAIT)
    await limiter.aclose()
