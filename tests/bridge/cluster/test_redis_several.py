"""Redis behind Sentinels and as a cluster: limits, announcements and the channel layer."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from operator import gt
from pathlib import Path
from typing import Any

import pytest
from channels.layers import get_channel_layer

from bridge.cluster import announcements
from bridge.cluster import redis as redis_connection
from bridge.keys import redis_limiter
from bridge.keys.limiter import Limiter
from bridge.keys.limits import NANO, Account, AccountKind, AccountRef, LimitKind, Limits, QuotaUsage
from bridge.keys.redis_limiter import _name
from tests.fakes import redis_several
from tests.fakes.redis import RedisServer
from tests.fakes.redis_several import Cluster, Watched
from tests.fakes.rival import PATIENCE_SECONDS, nothing_used, of_key

WAIT = 20.0
LIMITS = Limits(10, 1000, 10, budget_month=Decimal(1), tokens_day=10_000)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with redis_several.watched(tmp_path_factory.mktemp("sentinel")) as found:
        yield found


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with redis_several.cluster(tmp_path_factory.mktemp("cluster")) as found:
        yield found


@pytest.fixture(params=["watched", "cluster"])
def several(request: pytest.FixtureRequest, settings: Any) -> Watched | Cluster:
    found: Watched | Cluster = request.getfixturevalue(request.param)
    settings.REDIS_URL = found.url
    settings.CHANNEL_LAYERS = {"default": redis_connection.channel_layer(found.url)}
    return found


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a healthy Redis may be slow."""
    monkeypatch.setattr(redis_limiter, "PATIENCE_SECONDS", PATIENCE_SECONDS)


@asynccontextmanager
async def running(limiter: Limiter) -> AsyncIterator[None]:
    work = asyncio.create_task(limiter.run())
    try:
        yield
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        await limiter.aclose()


async def test_limits_are_exact_for_two_processes(several: Watched | Cluster) -> None:
    """64 at once over two limiters, for keys of every slot."""
    pair = [Limiter(nothing_used, with_redis=True), Limiter(nothing_used, with_redis=True)]
    for key_id in range(900, 908):
        asked = [
            limiter.admit(of_key(key_id, LIMITS), 10, time.time(), QuotaUsage(10**7, 10))
            for limiter in pair
            for _ in range(32)
        ]
        decisions = await asyncio.gather(*asked)
        passed = [each.reservation for each in decisions if each.reservation is not None]
        assert len(passed) == 10
        for reservation in passed:
            settled = [
                limiter.settle(reservation, 5, Decimal("0.2"), time.time()) for limiter in pair
            ]
            await asyncio.gather(*settled)
        after = await pair[0].admit(of_key(key_id, LIMITS), 10, time.time())
        assert (after.refused, after.budgets[0].used) == (LimitKind.BUDGET, 2 * NANO)
    assert [limiter.is_shared for limiter in pair] == [True, True]
    for limiter in pair:
        await limiter.aclose()


async def test_places_are_renewed(
    several: Watched | Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both the place among concurrent requests and what is held of a quota."""
    limiter = Limiter(nothing_used, 60.0, with_redis=True)
    monkeypatch.setattr(limiter, "_pause", 0.02)
    limits = Limits(concurrent=1, tokens_day=100)
    account = of_key(950, limits)
    names = [_name(each.ref, book) for each in account for book in ("running", "held")]
    async with running(limiter), asyncio.timeout(WAIT):
        assert (await limiter.admit(account, 0, time.time(), QuotaUsage(0, 60))).is_allowed
        first = await ends(names)
        while not all(map(gt, await ends(names), first)):
            await asyncio.sleep(0.02)
        refused = await limiter.admit(account, 0, time.time(), QuotaUsage(0, 60))
        assert refused.refused is LimitKind.CONCURRENT
        assert limiter.is_shared


async def ends(names: list[str]) -> list[float]:
    """When the leases of these books end, as moments of the wall clock."""
    redis = redis_connection.connect_async()
    try:
        return [float((await redis.zrange(name, 0, 0, withscores=True))[0][1]) for name in names]
    finally:
        await redis.aclose()


async def test_client_that_leaves_during_the_decision_harms_nobody(
    several: Watched | Cluster,
) -> None:
    """Its answer does not become the next one's."""
    limiter = Limiter(nothing_used, with_redis=True)
    await limiter.admit(of_key(951, Limits(rpm=100)), 0, time.time())
    for steps in range(12):
        leaving = asyncio.create_task(limiter.admit(of_key(951, Limits(rpm=0)), 0, time.time()))
        for _ in range(steps):
            await asyncio.sleep(0)
        leaving.cancel()
        with suppress(asyncio.CancelledError):
            await leaving
        assert (await limiter.admit(of_key(951, Limits(rpm=100)), 0, time.time())).is_allowed
    assert limiter.is_shared
    await limiter.aclose()


async def test_announcement_reaches_the_others(several: Watched | Cluster) -> None:
    heard = asyncio.Event()
    listening = asyncio.create_task(announcements._listen_to_redis(heard.set))
    async with asyncio.timeout(WAIT):
        await heard.wait()  # the subscription holds
        heard.clear()
        await asyncio.to_thread(announcements._publish)
        await heard.wait()
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


async def test_page_hears_through_the_channel_layer(several: Watched | Cluster) -> None:
    layer: Any = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add("pages", channel)
    async with asyncio.timeout(WAIT):
        await layer.group_send("pages", {"type": "news"})
        assert await layer.receive(channel) == {"type": "news"}
    await layer.flush()


async def test_books_of_all_accounts_are_on_one_node(cluster: Cluster, settings: Any) -> None:
    """One script counts for a key, its person and its team."""
    settings.REDIS_URL = cluster.url
    limiter = Limiter(nothing_used, with_redis=True)
    for number in range(960, 976):
        team = Account(AccountRef(AccountKind.TEAM, number), "t", LIMITS)
        mine = (*of_key(number + 1, LIMITS), team)
        assert (await limiter.admit(mine, 10, time.time())).is_allowed
    await limiter.aclose()
    assert sum(bool(_books(node)) for node in cluster.nodes) == 1


def _books(node: RedisServer) -> list[str]:
    return [name for name in node.names("") if ":{all}:" in name]


async def test_node_of_a_cluster_under_the_plain_scheme_is_named(
    cluster: Cluster, settings: Any
) -> None:
    """A MovedError, and what to write instead."""
    settings.REDIS_URL = cluster.url
    limiter = Limiter(nothing_used, with_redis=True)
    await limiter.admit(of_key(980, LIMITS), 10, time.time())
    await limiter.aclose()
    settings.REDIS_URL = next(node.url for node in cluster.nodes if not _books(node))
    limiter = Limiter(nothing_used, with_redis=True)
    await limiter.admit(of_key(980, LIMITS), 10, time.time())
    assert not limiter.is_shared
    assert "MovedError: it is a node of a cluster, write redis+cluster://" in limiter.state.problem
    await limiter.aclose()


async def test_limits_follow_the_master(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failover: the limits are shared again, by themselves, with what was held before."""
    monkeypatch.setattr(redis_limiter, "PATIENCE_SECONDS", 1.0)
    with redis_several.watched(tmp_path) as found:
        settings.REDIS_URL = found.url
        limiter = Limiter(nothing_used, 3.0, with_redis=True)
        async with running(limiter):
            assert (await limiter.admit(of_key(1, Limits(concurrent=1)), 0, time.time())).is_allowed
            assert limiter.is_shared
            await asyncio.to_thread(found.fail_over)
            async with asyncio.timeout(WAIT):
                while not limiter.is_shared or not found.replica.names("running"):
                    await asyncio.sleep(0.05)
            refused = await limiter.admit(of_key(1, Limits(concurrent=1)), 0, time.time())
            assert refused.refused is LimitKind.CONCURRENT


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://a:26379,b/mymaster",
        "rediss+sentinel://user:p%40ss@a,b:1,[::1]:2/mymaster/3?sentinel_password=x",
        "redis+cluster://a,b:7001",
        "rediss+cluster://:secret@a:6379/0?socket_timeout=2",
    ],
)
def test_address_of_several_is_usable(url: str) -> None:
    assert redis_connection.is_usable(url)


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://a:26379",
        "redis+sentinel://a:26379/",
        "redis+sentinel://a:26379/mymaster/x",
        "redis+sentinel://a,,b/mymaster",
        "redis+sentinel://a:port/mymaster",
        "redis+cluster://a/1",
        "redis+cluster://",
        "redis+other://a",
        "http+cluster://a",
        "redis+cluster://a?no_such_option=1",
        "redis+cluster://a?socket_timeout=soon",
    ],
)
def test_address_that_makes_no_sense_is_not(url: str) -> None:
    assert not redis_connection.is_usable(url)
