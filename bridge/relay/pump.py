"""The running stream: backend bytes in, frames out, and the three timers that watch over it.

PING_INTERVAL   nothing was written to the client: send a ping, or something in between cuts
idle            nothing came from the backend, not even a comment: the stream fails, unless the
                backend had named its reason to stop
FINISH_GRACE    the backend named its reason to stop and then sent nothing that ends it
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from typing import Protocol

from bridge.backends.client import did_not_answer
from bridge.clocks import Clock
from bridge.process_settings import RelaySettings
from bridge.relay.attempt import OpenReply, taken
from bridge.translation.errors.api_error import ApiError
from bridge.translation.response.events import PING, Event, frames
from bridge.translation.response.translate import Answer

TAIL_SECONDS = 0.02
"""How long the end of a finished answer may take, so that its connection can be used again."""


@dataclass(slots=True)
class StreamTimers:
    """When something was last received and written, in seconds of `clock`; the three intervals."""

    idle: float
    ping_interval: float
    finish_grace: float
    clock: Clock
    written: float
    received: float
    finishing: float | None = None

    @classmethod
    def start(cls, idle: float, settings: RelaySettings, clock: Clock) -> StreamTimers:
        now = clock()
        return cls(idle, settings.ping_interval, settings.finish_grace, clock, now, now)

    def note(self, finishing: bool, now: float) -> None:
        """Start the grace with the reason to stop; stop it when more content came after all."""
        if not finishing:
            self.finishing = None
        elif self.finishing is None:
            self.finishing = now

    def patience(self, now: float) -> float:
        """Seconds until one of the timers expires."""
        end = min(self.written + self.ping_interval, self.received + self.idle)
        if self.finishing is not None:
            end = min(end, self.finishing + self.finish_grace)
        return max(0.0, end - now)

    def is_overdue(self, now: float) -> bool:
        """Whether the backend named its reason to stop too long ago."""
        return self.finishing is not None and now - self.finishing >= self.finish_grace


class Observer(Protocol):
    """Sees an answer on its way to the client."""

    def feed(self, batch: Iterable[Event]) -> None:
        """The next events, before the client gets them."""
        ...

    def finish_is_known(self) -> None:
        """The backend has named its reason to stop. Called more than once."""
        ...


class _Nobody:
    def feed(self, batch: Iterable[Event]) -> None: ...

    def finish_is_known(self) -> None: ...


_NOBODY = _Nobody()


async def pump(
    opened: OpenReply, settings: RelaySettings, clock: Clock, observer: Observer | None = None
) -> AsyncGenerator[list[Event]]:
    """All events of the answer: `opened.events`, then what comes, as it comes. Behind the first
    batch an empty one means that a ping is due."""
    answer = opened.answer
    watcher = observer or _NOBODY
    watcher.feed(opened.events)
    yield opened.events
    timers = StreamTimers.start(opened.idle, settings, clock)
    timers.note(answer.finishing, clock())
    while not answer.over:
        if answer.finishing:
            watcher.finish_is_known()
        try:
            data = await opened.inbox.take(timers.patience(clock()))
            while data and (more := answer.more(data)) is not None:
                timers.received = timers.written = clock()
                yield [more]
                data = await opened.inbox.take(timers.patience(clock()))
        except ApiError as error:
            events = await _cut(answer, error)
        else:
            events = await _brought(opened, timers, data)
        now = clock()
        if events:
            timers.written = now
            watcher.feed(events)
            yield events
        elif now - timers.written >= timers.ping_interval:
            timers.written = now
            yield []
        timers.note(answer.finishing, now)
    if not answer.stopped:
        await _drain(opened)


async def _brought(opened: OpenReply, timers: StreamTimers, data: bytes | None) -> list[Event]:
    """What the next bytes bring, the end of the body, or a timer that expired."""
    answer, now = opened.answer, timers.clock()
    if data:
        timers.received = now
        steps = answer.steps(data)
        events = steps[0] if isinstance(steps, tuple) else await taken(steps)
        return events + await taken(answer.last_steps()) if answer.complete else events
    is_silent = now - timers.received >= opened.idle
    if data == b"" or timers.is_overdue(now) or (is_silent and answer.finishing):
        return await taken(answer.last_steps())
    return answer.fail(did_not_answer(opened.idle)) if is_silent else []


async def _cut(answer: Answer, error: ApiError) -> list[Event]:
    """The body broke off. After the reason to stop was named, nothing is missing but the usage."""
    return await taken(answer.last_steps()) if answer.finishing else answer.fail(error)


async def _drain(opened: OpenReply) -> None:
    """Take the end of the body, if it is there already."""
    try:
        while await opened.inbox.take(TAIL_SECONDS):
            pass
    except ApiError:
        return


def to_bytes(events: list[Event]) -> bytes:
    """Events as frames; none at all as a ping."""
    return frames(events) if events else PING
