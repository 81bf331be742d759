"""Telling every process at once that the configuration has changed.

A hint and nothing more: each process also looks at the version once a second, so an announcement
that is lost costs a second. Only a SQLite file that is watched is looked at less often.
Listeners in this process are called directly, whatever thread the change was made in. Other
processes hear of it from the database (`bridge/cluster/database_changes.py`) and, with REDIS_URL,
through Redis too, which also reaches those whose database connections are pooled. (Not by the
channel layer: it needs a running loop, which a management command has not, keeps silent when Redis
is away, and could make a save wait.)
"""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction

from bridge.cluster import database_changes
from bridge.cluster.database_changes import Certain, Heard, Marks

if TYPE_CHECKING:
    from redis.asyncio.client import PubSub

    from bridge.cluster import redis as redis_connection

# `redis_connection` is imported where it is used: without REDIS_URL nobody has to wait for that.

logger = logging.getLogger(__name__)

CHANNEL = "configuration"
PAUSE_SECONDS = 1.0
"""Between two attempts to reach a Redis that is away."""
QUIET_SECONDS = 30.0
"""Silence after which Redis is asked whether it is still there."""
ANSWER_SECONDS = 5.0

AWAY = "Redis cannot be used: processes hear of each other's changes from the database alone"
BACK = "Redis can be used again: processes hear of each other's changes through it too"

Listener = tuple[asyncio.AbstractEventLoop, Heard]

_listeners: list[Listener] = []
_sender = ThreadPoolExecutor(1, thread_name_prefix="announcements")
_queued = threading.Event()
"""An announcement is about to leave for Redis; it stands for all changes until it does."""


def announce() -> None:
    """Tell every process that listens. Never waits and never raises, in whatever thread."""
    for listener in tuple(_listeners):
        _tell(listener)
    if not settings.REDIS_URL or _queued.is_set():
        return
    _queued.set()
    try:
        _sender.submit(_publish)
    except RuntimeError:  # the interpreter is ending
        _queued.clear()


def announce_on_commit() -> None:
    """Tell every process once the running transaction is committed. DatabaseError."""
    database_changes.notify()
    transaction.on_commit(announce)


def _tell(listener: Listener) -> None:
    loop, heard = listener
    try:
        loop.call_soon_threadsafe(heard)
    except RuntimeError:  # the loop was closed under its listener
        _forget(listener)


def _forget(listener: Listener) -> None:
    if listener in _listeners:
        _listeners.remove(listener)


def _publish() -> None:
    from bridge.cluster import redis as redis_connection

    _queued.clear()
    try:
        with redis_connection.connect() as redis:
            redis.publish(redis_connection.PREFIX + CHANNEL, b"changed")
    except redis_connection.AWAY as error:
        _outage().began(error)
    else:
        _outage().ended()


@cache
def _outage() -> redis_connection.Outage:
    """One for this process: what the sender finds out, the listener need not repeat."""
    from bridge.cluster import redis as redis_connection

    return redis_connection.Outage(logger, AWAY, BACK)


async def listen(heard: Heard, marks: Marks, certain: Certain = lambda is_certain: None) -> None:
    """Call `heard`, on this loop, soon after each announcement, until cancelled.

    Announcements in quick succession may be heard as one, and one may be heard twice. It is also
    called whenever Redis or PostgreSQL is reached anew, for what was missed meanwhile. `marks`
    tells changes from other writes of the database; it is called in a thread. `certain` is called
    with whether every change by another process will be heard of from then on.
    """
    listener = (asyncio.get_running_loop(), heard)
    _listeners.append(listener)
    try:
        async with asyncio.TaskGroup() as ways:
            ways.create_task(database_changes.listen(heard, marks, certain))
            if settings.REDIS_URL:
                ways.create_task(_listen_to_redis(heard))
    finally:
        _forget(listener)


async def _listen_to_redis(heard: Heard) -> None:
    from bridge.cluster import redis as redis_connection

    while True:
        try:
            async with redis_connection.subscriber() as redis, redis.pubsub() as subscription:
                async with asyncio.timeout(ANSWER_SECONDS):
                    await subscription.subscribe(redis_connection.PREFIX + CHANNEL)
                while True:
                    await _wait_for_message(subscription)
                    _outage().ended()
                    heard()
        except redis_connection.AWAY as error:
            _outage().began(error)
        await asyncio.sleep(PAUSE_SECONDS)


async def _wait_for_message(subscription: PubSub) -> None:
    """Return with an announcement, or with the news that the subscription holds.

    TimeoutError: Redis was silent, and did not answer when asked either.
    """
    message: dict[str, Any] | None = None
    while message is None or message["type"] == "pong":
        message = await subscription.get_message(timeout=QUIET_SECONDS)
        if message is None:
            await subscription.ping()
            message = await subscription.get_message(timeout=ANSWER_SECONDS)
            if message is None:
                raise TimeoutError
