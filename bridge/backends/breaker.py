"""The circuit breaker: a pure machine. `now` is an argument, in seconds of any steady clock.

    CLOSED --`threshold` failures in a row--> OPEN --`pause` seconds--> HALF_OPEN
    HALF_OPEN lets one request through:  success -> CLOSED,  failure -> OPEN again,
    neither (the client left, the request was at fault) -> HALF_OPEN, for the next to try,
    no news for `pause` seconds -> a failure, and the next may try

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
    """State of one backend. Times in seconds.

    trial      number of the last trial: the one that runs, while `trial_at` is set
    trial_at   when it began; None when none is running
    """

    threshold: int = 5
    pause: float = 30.0
    failures: int = 0
    opened_at: float | None = None
    trial: int = 0
    trial_at: float | None = None

    def state(self, now: float) -> State:
        if self.opened_at is None:
            return State.CLOSED
        return State.OPEN if now < self.opened_at + self.pause else State.HALF_OPEN

    def admit(self, now: float) -> int:
        """0 when a request may pass, else seconds to wait, from 1 to the pause.

        One that passes while the breaker is not closed is the trial, and hands in its number when
        it ends.
        """
        state = self.state(now)
        if state is State.CLOSED:
            return 0
        if state is State.HALF_OPEN and self._may_try(now):
            self.trial += 1
            self.trial_at = now
            return 0
        return self.wait(now)

    def _may_try(self, now: float) -> bool:
        """Whether no trial runs. One that hangs for a whole pause has failed."""
        if self.trial_at is None:
            return True
        hangs = now >= self.trial_at + self.pause
        self.failures += hangs
        return hangs

    def wait(self, now: float) -> int:
        """Seconds until a trial may pass, at least 1, at most the pause."""
        left = 0.0 if self.opened_at is None else self.opened_at + self.pause - now
        return max(1, min(math.ceil(self.pause), math.ceil(left)))

    def succeeded(self) -> None:
        self.failures, self.opened_at, self.trial_at = 0, None, None

    def failed(self, now: float, *, trial: int = 0) -> None:
        """A failure. One of a request from before the breaker opened does not prolong the pause."""
        self.failures += 1
        is_trial = self._is_running(trial)
        if is_trial or (self.opened_at is None and self.failures >= self.threshold):
            self.opened_at = now
        self.abandoned(trial=trial)

    def abandoned(self, *, trial: int = 0) -> None:
        """The request proved nothing about the backend."""
        if self._is_running(trial):
            self.trial_at = None

    def _is_running(self, trial: int) -> bool:
        """Whether this is the trial that counts: not one that was given up meanwhile."""
        return self.trial_at is not None and trial == self.trial
