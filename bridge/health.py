"""The health of each backend as this process sees it: its breaker and its last error.

Ties the pure breaker to backends and to the clock. One `Permit` for each request: taken before
the backend is called, returned exactly once with what the call told about the backend.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bridge.breaker import Breaker, State
from bridge.routing import Backend
from bridge.translation.errors import ApiError

BREAKER_OPEN = "Backend is temporarily unavailable (circuit breaker open)"


@dataclass(slots=True)
class Condition:
    """What is known of one backend right now."""

    breaker: Breaker
    last_error: str = ""
    reachable: bool | None = None


@dataclass(slots=True)
class Permit:
    """Leave to call a backend once. Whichever of the three verbs comes first, counts."""

    condition: Condition
    clock: Callable[[], float]
    trial: bool = False
    settled: bool = False

    def succeeded(self) -> None:
        if not self.settled:
            self.settled = True
            self.condition.breaker.succeeded()

    def failed(self, error: ApiError) -> None:
        """A failure of the backend; an error that it is not to blame for only ends the call."""
        if self.settled:
            return
        if not error.blames_backend:
            return self.abandoned()
        self.settled = True
        self.condition.breaker.failed(self.clock(), trial=self.trial)
        self.condition.last_error = error.message

    def abandoned(self) -> None:
        if not self.settled:
            self.settled = True
            self.condition.breaker.abandoned(trial=self.trial)


@dataclass(slots=True)
class Health:
    """All backends of this process, by name. Conditions outlive configuration changes."""

    threshold: int
    pause: float
    clock: Callable[[], float] = time.monotonic
    conditions: dict[str, Condition] = field(default_factory=dict)

    def of(self, backend: Backend) -> Condition:
        condition = self.conditions.get(backend.name)
        if condition is None:
            condition = Condition(Breaker(self.threshold, self.pause))
            self.conditions[backend.name] = condition
        return condition

    def admit(self, backend: Backend) -> Permit:
        """Leave to call `backend`, or the 529 that says when to come back."""
        condition = self.of(backend)
        breaker = condition.breaker
        if wait := breaker.admit(self.clock()):
            raise ApiError(529, BREAKER_OPEN, retry_after=wait)
        return Permit(condition, self.clock, trial=breaker.opened_at is not None)

    def state(self, backend: Backend) -> State:
        return self.of(backend).breaker.state(self.clock())

    def can_serve(self, backends: tuple[Backend, ...]) -> bool:
        """Whether any backend would be called."""
        return any(self.state(backend) is not State.OPEN for backend in backends)
