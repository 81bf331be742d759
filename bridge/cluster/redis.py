"""How this gateway connects to Redis: one place for its names, its patience and its errors.

Redis is never needed. It makes several processes act as one, so whoever asks it waits for a
moment only, does not try again by itself, and goes on without an answer.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any
from urllib.parse import urlsplit

import redis
import redis.asyncio.retry
import redis.asyncio.sentinel
from django.conf import settings
from redis.asyncio.cluster import ClusterNode as NodeForLoops
from redis.asyncio.cluster import RedisCluster as ClusterForLoops
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode
from redis.retry import Retry

from bridge.cluster import redis_address
from bridge.cluster.redis_address import Node, RedisAddress
from bridge.cluster.redis_errors import AWAY, explain

__all__ = ["AWAY", "PREFIX", "Outage", "explain"]

PREFIX = "claude-bridge:"
"""How the names of all our keys and channels begin."""

PATIENCE: dict[str, Any] = {
    "socket_connect_timeout": 1.0,
    "socket_timeout": 1.0,
}
"""Seconds for a connection, and for an answer. A query string in REDIS_URL goes before."""
PATIENCE_OF_SEVERAL = PATIENCE | {"socket_connect_timeout": 0.3}
"""Where there are several to ask, those that swallow packets must not use up the time of all."""
CLUSTER_RETRIES = 2
"""For a node that has gone: its slots are looked for elsewhere."""

# redis-py leaves these without types.
_Sentinel: Any = redis.Sentinel
_SentinelForLoops: Any = redis.asyncio.Sentinel
_ClusterNode: Any = ClusterNode
_Connection: Any = redis.Connection
_EncryptedConnection: Any = redis.SSLConnection

Client = redis.Redis | redis.RedisCluster
ClientForLoops = redis.asyncio.Redis | ClusterForLoops


# --- for threads --------------------------------------------------------------------------------


def connect() -> Client:
    """A client for threads; close it where it was made."""
    address = redis_address.read(settings.REDIS_URL)
    never = Retry(NoBackoff(), 0)
    if address.kind == "single":
        return redis.Redis.from_url(address.url, retry=never, **PATIENCE)
    options: dict[str, Any] = {**PATIENCE_OF_SEVERAL, **address.options, "retry": never}
    if address.kind == "sentinel":
        sentinels = _Sentinel(
            address.nodes, sentinel_kwargs=_for_sentinels(address, never), **options
        )
        master: redis.Redis = sentinels.master_for(address.master, ssl=address.is_encrypted)
        return master
    nodes = [_ClusterNode(host, port) for host, port in address.nodes]
    options["retry"] = Retry(NoBackoff(), CLUSTER_RETRIES)
    return redis.RedisCluster(startup_nodes=nodes, ssl=address.is_encrypted, **options)


def _for_sentinels(address: RedisAddress, retry: Any) -> dict[str, Any]:
    return {
        **PATIENCE_OF_SEVERAL,
        **address.sentinel_options,
        "ssl": address.is_encrypted,
        "retry": retry,
    }


# --- for loops ----------------------------------------------------------------------------------


def connect_async(most: int = 1, retries: int = 0) -> ClientForLoops:
    """A client for commands on the running loop, of so many connections; close it there.

    Call it within a time-out: with a `socket_timeout`, redis-py uses `asyncio.wait_for`,
    which on Python 3.11 may lose the cancellation of a task. `retries` are for connections that
    were closed while they were idle.
    """
    address = redis_address.read(settings.REDIS_URL)
    if address.kind == "single":
        return _single(address, most, retries, socket_connect_timeout=None)
    if address.kind == "sentinel":
        return subscriber(most, retries)
    options = {**PATIENCE_OF_SEVERAL, **address.options, "socket_timeout": None}
    return ClusterForLoops(
        startup_nodes=[NodeForLoops(host, port) for host, port in address.nodes],
        max_connections=most,
        retry=redis.asyncio.retry.Retry(NoBackoff(), CLUSTER_RETRIES),
        # Otherwise every fifth MOVED closes all connections, under the requests that use them.
        reinitialize_steps=0,
        ssl=address.is_encrypted,
        **options,
    )


class Preparation:
    """Gets to know the nodes of a cluster, once, however short the patience of those who wait.

    Commands that come before that would go to any of them.
    """

    def __init__(self, client: ClientForLoops) -> None:
        self._client = client
        self._task: asyncio.Task[Any] | None = None

    async def wait(self) -> None:
        client: Any = self._client
        if not isinstance(client, ClusterForLoops) or client.get_default_node() is not None:
            return
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(client.initialize())
            self._task.add_done_callback(_look_at)
        await asyncio.shield(self._task)

    async def aclose(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


def _look_at(task: asyncio.Task[Any]) -> None:
    """An error that nobody waits for any more is no news."""
    if not task.cancelled():
        task.exception()


def subscriber(most: int = 1, retries: int = 0) -> redis.asyncio.Redis:
    """The same for messages. In a cluster they reach every node, so any node will do."""
    address = redis_address.read(settings.REDIS_URL)
    if address.kind == "single":
        return _single(address, most, retries)
    options = _connection(address) | {"socket_timeout": None} | _pool(most, retries)
    return redis.asyncio.Redis.from_pool(redis.asyncio.BlockingConnectionPool(**options))


def _single(address: RedisAddress, most: int, retries: int, **options: Any) -> redis.asyncio.Redis:
    given = PATIENCE | {"socket_timeout": None} | _pool(most, retries) | options
    pool = redis.asyncio.BlockingConnectionPool.from_url(address.url, **given)
    return redis.asyncio.Redis.from_pool(pool)


def _pool(most: int, retries: int) -> dict[str, Any]:
    again = redis.asyncio.retry.Retry(NoBackoff(), retries, (redis.ConnectionError,))
    return {"max_connections": most, "timeout": None, "retry": again}


def _connection(address: RedisAddress) -> dict[str, Any]:
    """A connection that finds its server each time it is made, as a pool wants it described."""
    kind = EncryptedFoundConnection if address.is_encrypted else FoundConnection
    options = {**PATIENCE_OF_SEVERAL, **address.options}
    return {**options, "connection_class": kind, "place": address}


class _Found:
    """Asks where its server is whenever it connects: behind Sentinels, or any node of a cluster."""

    host: str
    port: int

    def __init__(self, *, place: RedisAddress, **options: Any) -> None:
        self._address = place
        super().__init__(**options)

    async def _connect(self) -> None:
        if self._address.kind == "sentinel":
            await self._connect_to(await _master(self._address))
            return
        failed: Exception | None = None
        for node in self._address.nodes:
            try:
                await self._connect_to(node)
                return
            except (OSError, redis.RedisError) as error:
                failed = error
        assert failed is not None
        raise failed

    async def _connect_to(self, node: Node) -> None:
        self.host, self.port = node
        await super()._connect()  # type: ignore[misc]


class FoundConnection(_Found, redis.asyncio.Connection):
    """Over TCP."""


class EncryptedFoundConnection(_Found, redis.asyncio.SSLConnection):
    """Over TLS."""


async def _master(address: RedisAddress) -> Node:
    """Where the master is at this moment, as the first Sentinel says that answers."""
    never = redis.asyncio.retry.Retry(NoBackoff(), 0)
    sentinels = _SentinelForLoops(address.nodes, sentinel_kwargs=_for_sentinels(address, never))
    try:
        host, port = await sentinels.discover_master(address.master)
    finally:
        for sentinel in sentinels.sentinels:
            await sentinel.aclose()
    return str(host), int(port)


def channel_layer(url: str) -> dict[str, Any]:
    """The channel layer between processes, as Channels wants it described.

    Pub/sub rather than `channels_redis.core`: when Redis restarts, its subscriptions come back by
    themselves and open pages notice nothing, where with core each of them fails and has to join
    its groups again. What it costs is that a message sent meanwhile is lost, not kept.
    """
    address = redis_address.read(url)
    single = {"address": url, **PATIENCE}
    host = single if address.kind == "single" else _connection(address)
    config = {"hosts": [host], "prefix": PREFIX}
    return {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": config}


# --- when it cannot be used ---------------------------------------------------------------------


_ALREADY_READING = "called while another coroutine is already waiting for incoming data"
"""What asyncio says to the second of two readers of one connection."""


class Outage:
    """Says once that Redis cannot be used, whoever noticed and however often, and once that it can.

    `reason` is why, in words for an operator; "" while all is well.
    """

    def __init__(self, logger: logging.Logger, began: str, ended: str) -> None:
        self._logger, self._began, self._ended = logger, began, ended
        self.reason = ""

    @property
    def is_on(self) -> bool:
        return bool(self.reason)

    def began(self, error: BaseException) -> None:
        # Not its own text, which may hold the address.
        was_on, self.reason = self.is_on, explain(error)
        if not was_on:
            self._logger.warning("%s (%s)", self._began, self.reason)

    def ended(self) -> None:
        if self.is_on:
            self._logger.warning("%s", self._ended)
        self.reason = ""


class WithoutAway(logging.Filter):
    """Drops the traceback that the channel layer logs every second while Redis is away.

    An `Outage` has logged it by then. When Redis comes back, the layer's receiver and a new
    subscription may both mend their one connection; the receiver then fails over the other's read
    and tries again a second later.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not (isinstance(error, AWAY) or _ALREADY_READING in str(error))


def is_usable(url: str) -> bool:
    """Whether a client can be made of an address and its query string. Connects to nothing."""
    try:
        address = redis_address.read(url)
        if address.kind != "single":
            options = {**PATIENCE, **address.options}
            kind = _EncryptedConnection if address.is_encrypted else _Connection
            kind(**options), _Connection(**PATIENCE | address.sentinel_options)
            return True
        parts = urlsplit(url)
        if parts.scheme == "unix":
            found = bool(parts.path) and not parts.hostname
        else:
            found = bool(parts.hostname) and parts.port != 0 and _is_number(parts.path[1:])
        redis.ConnectionPool.from_url(url, **PATIENCE).make_connection()
    except (redis.RedisError, TypeError, ValueError):
        return False
    return found


def _is_number(database: str) -> bool:
    return not database or database.isdecimal()
