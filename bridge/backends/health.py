"""The health of each backend as this process sees it: its breaker and its last error.

Ties the pure breaker to backends and to the clock. One `Permit` for each call of a backend: taken
before, returned exactly once with what the call told about the backend. What other processes have
to know is collected in `reports`; `breaker_rows` carries it to them and brings theirs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bridge.backends.breaker import Breaker, State
from bridge.routing.resolve import BackendConfig
from bridge.translation.errors.api_error import ApiError

BREAKER_OPEN = "Backend is temporarily unavailable (circuit breaker open)"
FORCED = {"open": State.OPEN, "closed": State.CLOSED}
"""What an operator may say about a breaker -> the state that it then shows."""


@dataclass(slots=True)
class Report:
    """What happened to one backend since the other processes were last told.

    failures   in a row, since the last success if there was one
    recovered  whether there was a success
    opened     whether the breaker of this process opened
    """

    failures: int = 0
    recovered: bool = False
    opened: bool = False
    error: str = ""

    def followed_by(self, later: Report) -> Report:
        """Both as one."""
        if later.recovered:
            return later
        return Report(
            self.failures + later.failures,
            self.recovered,
            self.opened or later.opened,
            later.error or self.error,
        )


@dataclass(slots=True)
class Condition:
    """What is known of one backend right now. `number` is that of the row last taken over."""

    breaker: Breaker
    last_error: str = ""
    reachable: bool | None = None
    number: int = 0


@dataclass(slots=True)
class Permit:
    """Leave to call a backend once. Whichever of the three verbs comes first, counts."""

    health: Health
    backend: BackendConfig
    trial: bool = False
    settled: bool = False

    def succeeded(self) -> None:
        if not self.settled:
            self.settled = True
            self.health.succeeded(self.backend)

    def failed(self, error: ApiError) -> None:
        """A failure of the backend; an error that it is not to blame for only ends the call."""
        if self.settled:
            return
        if not error.blames_backend:
            return self.abandoned()
        self.settled = True
        self.health.failed(self.backend, error.message, trial=self.trial)

    def abandoned(self) -> None:
        if not self.settled:
            self.settled = True
            self.health.of(self.backend).breaker.abandoned(trial=self.trial)


@dataclass(slots=True)
class Health:
    """All backends of this process, by name. Conditions outlive configuration changes.

    `changed` is called when a breaker opens or closes.
    """

    threshold: int
    pause: float
    clock: Callable[[], float] = time.monotonic
    conditions: dict[str, Condition] = field(default_factory=dict)
    reports: dict[int, Report] = field(default_factory=dict)
    changed: Callable[[], None] = lambda: None

    def of(self, backend: BackendConfig) -> Condition:
        condition = self.conditions.get(backend.name)
        if condition is None:
            condition = Condition(Breaker(self.threshold, self.pause))
            self.conditions[backend.name] = condition
        return condition

    def admit(self, backend: BackendConfig) -> Permit:
        """Leave to call `backend`, or the error that says when to come back."""
        if backend.broken:
            raise ApiError(503, f"Backend {backend.name} {backend.broken}")
        breaker = self.of(backend).breaker
        forced = FORCED.get(backend.breaker)
        if forced is State.OPEN:
            raise ApiError(529, BREAKER_OPEN, retry_after=breaker.wait(self.clock()))
        if forced is None and (wait := breaker.admit(self.clock())):
            raise ApiError(529, BREAKER_OPEN, retry_after=wait)
        return Permit(self, backend, trial=forced is None and breaker.opened_at is not None)

    def succeeded(self, backend: BackendConfig) -> None:
        breaker = self.of(backend).breaker
        if breaker.failures or breaker.opened_at is not None:
            self.reports[backend.id] = Report(recovered=True)
            self.changed()
        breaker.succeeded()

    def failed(self, backend: BackendConfig, message: str, *, trial: bool) -> None:
        condition = self.of(backend)
        before = condition.breaker.opened_at
        condition.breaker.failed(self.clock(), trial=trial)
        condition.last_error = message
        report = self.reports.setdefault(backend.id, Report())
        report.failures += 1
        report.error = message
        if condition.breaker.opened_at != before:
            report.opened = True
            self.changed()

    def state(self, backend: BackendConfig) -> State:
        forced = FORCED.get(backend.breaker)
        return forced or self.of(backend).breaker.state(self.clock())

    def can_serve(self, backends: tuple[BackendConfig, ...]) -> bool:
        """Whether any backend would be called."""
        return any(not b.broken and self.state(b) is not State.OPEN for b in backends)
