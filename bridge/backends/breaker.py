"""The circuit breaker: a pure machine. `now` is an argument, in seconds of any steady clock.

    CLOSED --`threshold` failures in a row--> OPEN --`pause` seconds--> HALF_OPEN
    HALF_OPEN lets one request through:  success -> CLOSED,  failure -> OPEN again,
    neither (the client left, the request was at fault) -> HALF_OPEN, for the next to try

What counts as a failure is decided elsewhere: only what the backend is to blame for, so that one
client with a wrong key or a wrong model never closes the door for the others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum


class State(Enum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(slots=True)
class Breaker:
    """State of one backend. Times in seconds."""

    threshold: int = 5
    pause: float = 30.0
    failures: int = 0
    opened_at: float | None = None
    trial_running: bool = False

    def state(self, now: float) -> State:
        if self.opened_at is None:
            return State.CLOSED
        return State.OPEN if now < self.opened_at + self.pause else State.HALF_OPEN

    def admit(self, now: float) -> int:
        """0 when a request may pass, else seconds to wait, 1-30.

        One that passes while the breaker is not closed is the trial, and says so when it ends.
        """
        state = self.state(now)
        if state is State.CLOSED:
            return 0
        if state is State.HALF_OPEN and not self.trial_running:
            self.trial_running = True
            return 0
        return self.wait(now)

    def wait(self, now: float) -> int:
        """Seconds until a trial may pass, at least 1, at most the pause."""
        left = 0.0 if self.opened_at is None else self.opened_at + self.pause - now
        return max(1, min(math.ceil(self.pause), math.ceil(left)))

    def succeeded(self) -> None:
        self.failures, self.opened_at, self.trial_running = 0, None, False

    def failed(self, now: float, *, trial: bool = False) -> None:
        """A failure. One of a request from before the breaker opened does not prolong the pause."""
        self.failures += 1
        if trial or (self.opened_at is None and self.failures >= self.threshold):
            self.opened_at = now
        self.abandoned(trial=trial)

    def abandoned(self, *, trial: bool = False) -> None:
        """The request told nothing about the backend."""
        if trial:
            self.trial_running = False
