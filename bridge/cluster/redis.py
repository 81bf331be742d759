"""How this gateway connects to Redis: one place for its names, its patience and its errors.

Redis is never needed. It makes several processes act as one, so whoever asks it waits for a
moment only, does not try again by itself, and goes on without an answer.
"""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import urlsplit

import redis
import redis.asyncio.retry
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

PREFIX = "claude-bridge:"
"""How the names of all our keys and channels begin."""

AWAY = (redis.RedisError, OSError)
"""What a call raises when Redis is away, too slow, or refuses us."""

PATIENCE: dict[str, Any] = {
    "socket_connect_timeout": 1.0,
    "socket_timeout": 1.0,
}
"""Seconds for a connection, and for an answer. A query string in REDIS_URL goes before."""


def connect() -> redis.Redis:
    """A client for threads; close it where it was made."""
    return redis.Redis.from_url(settings.REDIS_URL, retry=Retry(NoBackoff(), 0), **PATIENCE)


def connect_async(most: int = 1, retries: int = 0) -> redis.asyncio.Redis:
    """A client for the running loop, of so many connections; close it there.

    Call it within `asyncio.timeout`: with a `socket_timeout`, redis-py uses `asyncio.wait_for`,
    which on Python 3.11 may lose the cancellation of a task. `retries` are for connections that
    were closed while they were idle.
    """
    again = redis.asyncio.retry.Retry(NoBackoff(), retries, (redis.ConnectionError,))
    pool = redis.asyncio.BlockingConnectionPool.from_url(
        settings.REDIS_URL,
        max_connections=most,
        timeout=None,
        retry=again,
        **PATIENCE | {"socket_timeout": None},
    )
    return redis.asyncio.Redis.from_pool(pool)


def channel_layer(address: str) -> dict[str, Any]:
    """The channel layer between processes, as Channels wants it described.

    Pub/sub rather than `channels_redis.core`: when Redis restarts, its subscriptions come back by
    themselves and open pages notice nothing, where with core each of them fails and has to join
    its groups again. What it costs is that a message sent meanwhile is lost, not kept.
    """
    config = {"hosts": [{"address": address, **PATIENCE}], "prefix": PREFIX}
    return {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": config}


class Outage:
    """Says once that Redis is away, whoever noticed and however often, and once that it is back."""

    def __init__(self, logger: logging.Logger, began: str, ended: str) -> None:
        self._logger, self._began, self._ended = logger, began, ended
        self.is_on = False

    def began(self, error: BaseException) -> None:
        # The kind alone: the text may hold the address.
        if not self.is_on:
            self._logger.warning("%s (%s)", self._began, type(error).__name__)
        self.is_on = True

    def ended(self) -> None:
        if self.is_on:
            self._logger.warning("%s", self._ended)
        self.is_on = False


class WithoutAway(logging.Filter):
    """Drops the traceback that the channel layer logs every second while Redis is away.

    An `Outage` has said it by then.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, AWAY)


def is_usable(address: str) -> bool:
    """Whether a client can be made of an address and its query string. Connects to nothing."""
    try:
        parts = urlsplit(address)
        if parts.scheme == "unix":
            found = bool(parts.path) and not parts.hostname
        else:
            found = bool(parts.hostname) and parts.port != 0 and _is_number(parts.path[1:])
        redis.ConnectionPool.from_url(address, **PATIENCE).make_connection()
    except (redis.RedisError, TypeError, ValueError):
        return False
    return found


def _is_number(database: str) -> bool:
    return not database or database.isdecimal()
