"""The pulse of a process: what runs and what ended, once a second, while somebody watches.

While nobody does, one coroutine waits for a message and another for the first; requests pay one
comparison at their end. The channel layer carries it: within this process, or with REDIS_URL
between all of them. A pulse that is lost is a second that a page does not show, so nothing is
ever sent twice, and nobody waits for it.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter, deque
from collections.abc import Collection
from contextlib import suppress
from typing import Any, Protocol

from channels.layers import get_channel_layer

from bridge.clocks import SYSTEM, Clocks
from bridge.cluster.layer_errors import layer_errors
from bridge.ledger.record import Record
from bridge.live.messages import (
    GATEWAYS,
    MOST_FINISHED,
    MOST_RUNNING,
    PATIENCE,
    PERIOD,
    WATCHERS,
    ActivitySnapshot,
    Finished,
    Running,
)
from bridge.outcomes import outcome

logger = logging.getLogger(__name__)

PAUSE_SECONDS = (1.0, 30.0)
"""Between two attempts to reach a channel layer that is away; twice as long each time."""
REJOIN_SECONDS = 3600.0
"""Channel layers forget members of a group after a day."""


class RunningExchange(Protocol):
    """A request under way."""

    def seen(self) -> Running:
        """What watchers see of it."""
        ...


class UsageSource(Protocol):
    """What takes down the requests that ended."""

    @property
    def behind(self) -> tuple[int, float]:
        """Records that wait to become rows, and for how many seconds."""
        ...


class ActivityPublisher:
    """The pulse of one process, over its `exchanges`. `run` it on the running loop."""

    def __init__(
        self,
        exchanges: Collection[RunningExchange],
        ledger: UsageSource,
        clocks: Clocks = SYSTEM,
        *,
        with_redis: bool = False,
    ) -> None:
        self._with_redis = with_redis
        self._clocks = clocks
        self._exchanges = exchanges
        self._ledger = ledger
        self._process = secrets.token_hex(4)
        self._watched = asyncio.Event()
        self._watched_until = 0.0
        self._finished: deque[Finished] = deque(maxlen=MOST_FINISHED)
        self._ended: Counter[str] = Counter()
        self._tokens = 0

    @property
    def is_watched(self) -> bool:
        return self._watched.is_set()

    def finished(self, record: Record) -> None:
        """A request is over."""
        if not self.is_watched:
            return
        finished = _finished_of(record)
        self._finished.append(finished)
        self._ended[finished.outcome] += 1
        self._tokens += record.tokens

    def watched(self) -> None:
        """Somebody says that it watches."""
        self._watched_until = self._clocks.steady() + PATIENCE
        self._watched.set()

    def beat(self) -> ActivitySnapshot:
        """What happened since the last beat, which is forgotten."""
        running = sorted(
            (exchange.seen() for exchange in self._exchanges), key=lambda one: -one.age
        )
        waiting, lag = self._ledger.behind
        beat = ActivitySnapshot(
            process=self._process,
            at=self._clocks.wall(),
            running=tuple(running[:MOST_RUNNING]),
            running_count=len(running),
            finished=tuple(self._finished),
            ended=dict(self._ended),
            tokens=self._tokens,
            waiting=waiting,
            lag=lag,
        )
        self._forget()
        return beat

    def _forget(self) -> None:
        self._finished.clear()
        self._ended.clear()
        self._tokens = 0

    # --- the life of the process ---

    async def run(self) -> None:
        """Listen for watchers, and tell them, until cancelled."""
        layer: Any = get_channel_layer()
        away = layer_errors(with_redis=self._with_redis)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen(layer, away))
            tasks.create_task(self._tell(layer, away))

    async def _listen(self, layer: Any, away: tuple[type[Exception], ...]) -> None:
        pause, longest = PAUSE_SECONDS
        while True:
            try:
                channel = await layer.new_channel()
                await layer.group_add(GATEWAYS, channel)
                _raise_if_cancelled()
                pause = PAUSE_SECONDS[0]
                await self._hear(layer, channel, away)
            except away:
                _raise_if_cancelled()
                await asyncio.sleep(pause)
                pause = min(pause * 2, longest)

    async def _hear(self, layer: Any, channel: str, away: tuple[type[Exception], ...]) -> None:
        """Take what watchers say, until it is time to join anew."""
        try:
            async with asyncio.timeout(REJOIN_SECONDS):
                while True:
                    await layer.receive(channel)
                    self.watched()
        except TimeoutError:
            return
        finally:
            with suppress(*away):
                await layer.group_discard(GATEWAYS, channel)

    async def _tell(self, layer: Any, away: tuple[type[Exception], ...]) -> None:
        while True:
            await self._watched.wait()
            with suppress(*away):
                await layer.group_send(WATCHERS, self.beat().message())
            _raise_if_cancelled()
            await asyncio.sleep(PERIOD)
            if self._clocks.steady() > self._watched_until:
                self._watched.clear()
                self._forget()


def _raise_if_cancelled() -> None:
    """The client of Redis swallows a cancellation now and then; the task still knows of it."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _finished_of(record: Record) -> Finished:
    return Finished(
        id=record.request_id,
        at=round(record.started_at + record.seconds, 3),
        seconds=record.seconds,
        outcome=outcome(record.status),
        status=record.status,
        error_type=record.error_type,
        key=record.key,
        key_id=record.key_id or 0,
        fingerprint=record.fingerprint,
        model=record.model or record.asked_model,
        backend=record.backend,
        session=record.session,
        input_tokens=record.tokens - record.output_tokens,
        output_tokens=record.output_tokens,
        cost_nano_usd=record.cost_nano_usd,
    )
