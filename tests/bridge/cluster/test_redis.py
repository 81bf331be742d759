"""Connecting to Redis, and the channel layer that open pages share over it."""

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from channels.layers import get_channel_layer

from bridge.cluster import redis as redis_connection
from tests.fakes.redis import RedisServer

WAIT = 25.0


@pytest.fixture
def redis(tmp_path: Path, settings: Any) -> Iterator[RedisServer]:
    with RedisServer(tmp_path, password="s3cret") as server:
        settings.REDIS_URL = server.url
        settings.CHANNEL_LAYERS = {"default": redis_connection.channel_layer(server.url)}
        yield server


async def test_open_page_survives_a_restart_of_redis(redis: RedisServer) -> None:
    """Why pub/sub and not core: the page's `receive` neither fails nor leaves its group."""
    layer: Any = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add("pages", channel)
    receiving = asyncio.create_task(layer.receive(channel))
    redis.stop()
    with pytest.raises(redis_connection.AWAY):
        await layer.group_send("pages", {"type": "lost"})
    redis.start()
    async with asyncio.timeout(WAIT):
        while not redis.subscribers(redis_connection.PREFIX):
            await asyncio.sleep(0.01)
        await layer.group_send("pages", {"type": "news"})
        assert await receiving == {"type": "news"}
    await layer.flush()


async def test_names_in_redis_begin_with_our_prefix(redis: RedisServer) -> None:
    layer: Any = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add("pages", channel)
    assert len(redis.subscribers(redis_connection.PREFIX)) == 2
    assert redis.subscribers("") == redis.subscribers(redis_connection.PREFIX)
    await layer.flush()


@pytest.mark.parametrize("error", [ConnectionError(), *[kind() for kind in redis_connection.AWAY]])
def test_what_the_layer_logs_while_redis_is_away_is_dropped(error: Exception) -> None:
    """No traceback a second in the log."""
    record = logging.makeLogRecord({"exc_info": (type(error), error, None)})
    assert not redis_connection.WithoutAway().filter(record)


async def test_two_readers_of_the_layers_connection_are_no_news() -> None:
    """Its receiver and a new subscription, as Redis comes back."""
    reader = asyncio.StreamReader()
    first = asyncio.ensure_future(reader.readuntil())
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError) as second:
        await reader.readuntil()
    first.cancel()
    record = logging.makeLogRecord({"exc_info": (RuntimeError, second.value, None)})
    assert not redis_connection.WithoutAway().filter(record)


@pytest.mark.parametrize("exc_info", [None, (ValueError, ValueError(), None)])
def test_what_else_the_layer_logs_is_kept(exc_info: Any) -> None:
    record = logging.makeLogRecord({"exc_info": exc_info})
    assert redis_connection.WithoutAway().filter(record)


def test_thread_and_loop_reach_the_same_server(redis: RedisServer) -> None:
    async def ask() -> Any:
        async with redis_connection.connect_async() as client:
            return await client.get("name")

    with redis_connection.connect() as client:
        client.set("name", "value")
    assert asyncio.run(ask()) == b"value"


async def test_connections_beyond_the_limit_wait_for_one(redis: RedisServer) -> None:
    """Many requests at a time share few connections."""
    async with redis_connection.connect_async(most=2) as client:
        counts = await asyncio.gather(*[client.incr("count") for _ in range(50)])
        assert sorted(counts) == list(range(1, 51))
        assert len(await client.client_list()) == 2


def test_outage_is_told_once_and_its_end_once(caplog: pytest.LogCaptureFixture) -> None:
    """The text of an error may hold an address, so its kind is told in our words."""
    outage = redis_connection.Outage(logging.getLogger("bridge"), "Redis is away", "Redis is back")
    outage.ended()
    outage.began(ConnectionError("redis://:s3cret@host"))
    outage.began(TimeoutError())
    outage.ended()
    outage.ended()
    told = ["Redis is away (ConnectionError: it cannot be reached)", "Redis is back"]
    assert [record.getMessage() for record in caplog.records] == told
