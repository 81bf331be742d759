"""A Redis that cannot be used: its real error is told, and quotas that are used up stay so."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bridge.keys.limiter import AWAY, Limiter
from bridge.keys.limits import LimitKind, Limits, QuotaUsage, Reservation
from tests.fakes import rival
from tests.fakes.redis import RedisServer
from tests.fakes.rival import key_ref, nothing_used, of_key

NOW = 1_772_366_400.0
KEY = 7


@pytest.fixture
def redis(tmp_path: Path, settings: Any) -> Iterator[RedisServer]:
    with RedisServer(tmp_path, password="s3cret") as server:
        settings.REDIS_URL = server.url
        yield server


async def two_dollars(keys: Collection[int], period: str) -> Mapping[int, QuotaUsage]:
    return {key_id: QuotaUsage(2 * 10**9) for key_id in keys}


@pytest.fixture
async def limiter(redis: RedisServer) -> AsyncIterator[Limiter]:
    limiter = Limiter(nothing_used, with_redis=True)
    yield limiter
    await limiter.aclose()


async def let_in(limiter: Limiter, limits: Limits) -> Reservation:
    decision = await limiter.admit(of_key(KEY, limits), 0, NOW)
    assert decision.reservation is not None
    return decision.reservation


async def test_fronts_without_script_and_evalsha_get_the_text(
    tmp_path: Path, settings: Any
) -> None:
    """EVALSHA falls back to EVAL, and SCRIPT is never needed."""
    without = ["--rename-command", "SCRIPT", "", "--rename-command", "EVALSHA", ""]
    (tmp_path / "front").mkdir()
    with RedisServer(tmp_path / "front", options=without) as front:
        settings.REDIS_URL = front.url
        limiter = Limiter(nothing_used, with_redis=True)
        decisions = await asyncio.gather(
            *[limiter.admit(of_key(KEY, Limits(rpm=10)), 0, NOW) for _ in range(64)]
        )
        assert sum(decision.is_allowed for decision in decisions) == 10
        assert (limiter.is_shared, front.calls("eval")) == (True, 64)
        await limiter.aclose()


async def test_script_that_redis_forgot_is_sent_again(redis: RedisServer, limiter: Limiter) -> None:
    await let_in(limiter, Limits(rpm=10))
    with redis.client() as client:
        client.script_flush()
    await let_in(limiter, Limits(rpm=10))
    assert (redis.calls("eval"), limiter.is_shared) == (2, True)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("wrong password", "AuthenticationError: it refuses the login in REDIS_URL"),
        ("no password", "AuthenticationError: it wants a login, and REDIS_URL has none"),
        ("replica", "ReadOnlyError: it is a read-only replica"),
        ("full", "OutOfMemoryError: it is full"),
        ("no rights", "NoPermissionError: its user may not use a command that limits need"),
        ("gone", "ConnectionError: it cannot be reached"),
    ],
)
async def test_real_error_is_told(
    redis: RedisServer, settings: Any, caplog: pytest.LogCaptureFixture, name: str, words: str
) -> None:
    """Not only that Redis is away. No address and no password is in it."""
    with redis.client() as client:
        if name == "replica":
            client.replicaof("127.0.0.1", 1)
        if name == "full":
            client.config_set("maxmemory", "1")
        if name == "no rights":
            client.execute_command("ACL SETUSER default -@scripting")
    if name == "wrong password":
        settings.REDIS_URL = redis.url.replace("s3cret", "wr0ng")
    if name == "no password":
        settings.REDIS_URL = redis.url.replace(":s3cret@", "")
    if name == "gone":
        redis.stop()
    limiter = Limiter(nothing_used, with_redis=True)
    await limiter.admit(of_key(KEY, Limits(rpm=1)), 0, NOW)
    assert limiter._shared is not None
    await limiter._unless_away(limiter._shared.renew(NOW))
    assert limiter.state.problem == f"{AWAY} ({words})"
    assert words in caplog.text
    for secret in ("s3cret", "wr0ng", str(redis.port)):
        assert secret not in limiter.state.problem + caplog.text
    await limiter.aclose()


async def test_budget_that_others_used_up_stays_used_up_when_redis_goes(
    redis: RedisServer, limiter: Limiter
) -> None:
    """What Redis told last counts at once, before any ledger is asked."""
    limits, other = Limits(budget_month=Decimal(2)), Limiter(nothing_used, with_redis=True)
    await let_in(limiter, limits)
    await other.settle(await let_in(other, limits), 0, Decimal(2), NOW)
    assert (await limiter.admit(of_key(KEY, limits), 0, NOW)).refused is LimitKind.BUDGET
    redis.stop()
    assert (await limiter.admit(of_key(KEY, limits), 0, NOW)).refused is LimitKind.BUDGET
    assert not limiter.is_shared
    await other.aclose()


async def test_ledger_is_read_at_once_when_redis_goes(
    redis: RedisServer, limiter: Limiter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for keys that this process has not served yet."""
    limits = Limits(budget_month=Decimal(2))
    limiter.follow({key_ref(KEY): limits, key_ref(8): Limits(rpm=1)})
    monkeypatch.setattr(limiter, "_used", two_dollars)
    redis.stop()
    await limiter.admit(of_key(8, Limits(rpm=1)), 0, NOW)
    await asyncio.gather(*limiter._errands)
    assert (await limiter.admit(of_key(KEY, limits), 0, time.time())).refused is LimitKind.BUDGET


async def test_what_was_held_by_a_killed_process_is_free_again(
    redis: RedisServer, limiter: Limiter
) -> None:
    """A reservation of a quota is a lease, as a place is."""
    limits = Limits(tokens_day=100)
    dead = Limiter(nothing_used, rival.LEASE_SECONDS, with_redis=True)
    assert (await dead.admit(of_key(KEY, limits), 0, NOW, QuotaUsage(0, 80))).is_allowed
    refused = await limiter.admit(of_key(KEY, limits), 0, NOW + 1, QuotaUsage(0, 80))
    assert refused.refused is LimitKind.RESERVED
    later = NOW + rival.LEASE_SECONDS + 0.1
    assert (await limiter.admit(of_key(KEY, limits), 0, later, QuotaUsage(0, 80))).is_allowed
    await dead.aclose()
