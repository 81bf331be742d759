"""The running stream: backend bytes in, frames out, and the three clocks that watch over it.

PING_INTERVAL   nothing was written to the client: send a ping, or something in between cuts
idle            nothing came from the backend, not even a comment: the stream fails, unless the
                backend had named its reason to stop
FINISH_GRACE    the backend named its reason to stop and then sent nothing that ends it
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from django.conf import settings

from bridge.backends.client import did_not_answer
from bridge.relay.attempt import OpenReply, taken
from bridge.translation.errors.api_error import ApiError
from bridge.translation.response.events import PING, Event, frames

TAIL_SECONDS = 0.02
"""How long the end of a finished answer may take, so that its connection can be used again."""


@dataclass(slots=True)
class Clocks:
    """When something was last heard and written. Seconds of the monotonic clock."""

    idle: float
    written: float = field(default_factory=time.monotonic)
    heard: float = field(default_factory=time.monotonic)
    finishing: float | None = None

    def note(self, finishing: bool, now: float) -> None:
        """Start the grace with the reason to stop; stop it when more content came after all."""
        if not finishing:
            self.finishing = None
        elif self.finishing is None:
            self.finishing = now

    def patience(self, now: float) -> float:
        """Seconds until one of the clocks strikes."""
        strikes = [self.written + settings.PING_INTERVAL, self.heard + self.idle]
        if self.finishing is not None:
            strikes.append(self.finishing + settings.FINISH_GRACE)
        return max(0.0, min(strikes) - now)


async def pump(opened: OpenReply) -> AsyncGenerator[list[Event]]:
    """What the answer brings, as it comes; an empty list means that a ping is due."""
    clocks, answer = Clocks(opened.idle), opened.answer
    clocks.note(answer.finishing, time.monotonic())
    while not answer.over:
        events = await _next(opened, clocks)
        now = time.monotonic()
        if events:
            clocks.written = now
            yield events
        elif now - clocks.written >= settings.PING_INTERVAL:
            clocks.written = now
            yield []
        clocks.note(answer.finishing, now)
    if not answer.stopped:
        await _drain(opened)


async def _next(opened: OpenReply, clocks: Clocks) -> list[Event]:
    """One step: bytes taken, or a clock that struck."""
    answer = opened.answer
    try:
        data = await opened.read_ahead.take(clocks.patience(time.monotonic()))
    except ApiError as error:
        # Cut after the reason to stop was named: nothing is missing but the usage.
        return await taken(answer.last_steps()) if answer.finishing else answer.fail(error)
    now = time.monotonic()
    if data:
        clocks.heard = now
        events = await taken(answer.steps(data))
        return events + await taken(answer.last_steps()) if answer.complete else events
    overdue = clocks.finishing is not None and now - clocks.finishing >= settings.FINISH_GRACE
    is_silent = now - clocks.heard >= opened.idle
    if data == b"" or overdue or (is_silent and answer.finishing):
        return await taken(answer.last_steps())
    if is_silent:
        return answer.fail(did_not_answer(opened.idle))
    return []


async def _drain(opened: OpenReply) -> None:
    """Take the end of the body, if it is there already."""
    try:
        while await opened.read_ahead.take(TAIL_SECONDS):
            pass
    except ApiError:
        return


def to_bytes(events: list[Event]) -> bytes:
    """Events as frames; none at all as a ping."""
    return frames(events) if events else PING
