"""Why Redis cannot be used, in words for an operator, without addresses and passwords."""

from __future__ import annotations

import redis
from redis.asyncio.sentinel import MasterNotFoundError as MasterNotFoundForLoops
from redis.sentinel import MasterNotFoundError

AWAY = (redis.RedisError, redis.exceptions.RedisClusterException, OSError)
"""What a call raises when Redis is away, too slow, or refuses us."""

MAX_WORDS = 100

_LOGIN_WANTED = ("NOAUTH", "Authentication required", "HELLO must be called")
_WORDS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
    (
        redis.exceptions.MovedError,
        "it is a node of a cluster, write redis+cluster:// in REDIS_URL",
    ),
    (redis.exceptions.ClusterDownError, "the cluster is down"),
    ((MasterNotFoundError, MasterNotFoundForLoops), "no Sentinel knows a master of this name"),
    (
        (redis.AuthenticationError, redis.exceptions.AuthenticationWrongNumberOfArgsError),
        "it refuses the login in REDIS_URL",
    ),
    (redis.exceptions.NoPermissionError, "its user may not use a command that limits need"),
    (redis.ReadOnlyError, "it is a read-only replica"),
    (redis.exceptions.OutOfMemoryError, "it is full"),
    (redis.BusyLoadingError, "it is still loading its data"),
    (redis.exceptions.ExecAbortError, "it refused a transaction"),
    ((redis.TimeoutError, TimeoutError), "it does not answer in time"),
    ((redis.ConnectionError, OSError), "it cannot be reached"),
)
"""The first that fits decides."""


def explain(error: BaseException) -> str:
    """Like "MovedError: it is a node of a cluster, ..."."""
    return f"{type(error).__name__}: {_words(error)}"


def _words(error: BaseException) -> str:
    text = " ".join(str(error).split())
    if any(mark in text for mark in _LOGIN_WANTED):
        return "it wants a login, and REDIS_URL has none"
    for kind, words in _WORDS:
        if isinstance(error, kind):
            return words
    if isinstance(error, redis.ResponseError):
        # The server's words. It does not know our address, but may repeat what it was sent.
        return f"it answers {text.partition(',')[0][:MAX_WORDS]!r}"
    return "it cannot be used"
