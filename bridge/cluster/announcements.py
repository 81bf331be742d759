"""Telling every process at once that the configuration has changed.

A hint and nothing more: each process also looks at the version once a second, so an announcement
that is lost costs a second. Listeners in this process are called directly, whatever thread the
change was made in; with REDIS_URL the other processes hear of it through Redis. (Not by the channel
layer: it needs a running loop, which a management command has not, keeps silent when Redis is away,
and could make a save wait.)
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Any

from django.conf import settings

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

AWAY = (
    "Redis cannot be used: a change made in one process reaches the others within a second, "
    "not at once"
)
BACK = "Redis can be used again: a change made in one process reaches the others at once"

Heard = Callable[[], None]
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


async def listen(heard: Heard) -> None:
    """Call `heard`, on this loop, soon after each announcement, until cancelled.

    Announcements in quick succession may be heard as one, and one may be heard twice. With
    REDIS_URL it is also called whenever Redis is reached anew, for what was missed meanwhile.
    """
    listener = (asyncio.get_running_loop(), heard)
    _listeners.append(listener)
    try:
        if settings.REDIS_URL:
            await _listen_to_redis(heard)
        else:
            await asyncio.Event().wait()
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
