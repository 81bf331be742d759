"""The state of a backend, decided in one place for every page, for `/health` and for the admin.

A process knows it from its memory (`of_backend`), a page from the rows that all processes share
(`of_row`). Both come to the same words; a page only chooses how they look.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from django.conf import settings
from django.utils import timezone

from bridge.backends.breaker import State
from bridge.backends.health import Health, identity
from bridge.configuration import snapshot
from bridge.configuration.row_faults import BROKEN, UNREADABLE_KEY
from bridge.models import Backend, BreakerMode, BreakerState
from bridge.routing.types import BackendConfig


class ServingState(Enum):
    """What becomes of requests for a backend."""

    SERVING = "serving"
    FAILING = "failing"
    UNREACHABLE = "unreachable"
    TRYING_AGAIN = "trying_again"
    OPEN = "open"
    FORCED_OPEN = "forced_open"
    FORCED_CLOSED = "forced_closed"
    BROKEN = "broken"
    OFF = "off"


class Overall(Enum):
    """The state of the gateway as a whole."""

    OK = "ok"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


GOOD, WARN, BAD, QUIET = "good", "warn", "bad", "quiet"

_LOOKS: dict[ServingState, tuple[str, str, str]] = {
    ServingState.SERVING: (GOOD, "Serving", ""),
    ServingState.FAILING: (WARN, "Failing", "failed {failures} times in a row"),
    ServingState.UNREACHABLE: (BAD, "Not reachable", "is not reachable"),
    ServingState.TRYING_AGAIN: (WARN, "Trying again", "has its breaker half-open"),
    ServingState.OPEN: (BAD, "Open", "has its breaker open"),
    ServingState.FORCED_OPEN: (BAD, "Forced open", "has its breaker forced open"),
    ServingState.FORCED_CLOSED: (WARN, "Forced closed", "has its breaker forced closed"),
    ServingState.BROKEN: (BAD, "Broken", "cannot be used as it is configured"),
    ServingState.OFF: (QUIET, "Off", ""),
}
"""Tone, word, and the sentence about a backend that needs attention."""

_NEVER_CALLED = (
    ServingState.OPEN,
    ServingState.FORCED_OPEN,
    ServingState.BROKEN,
    ServingState.OFF,
)
_WELL = (ServingState.SERVING, ServingState.FAILING, ServingState.FORCED_CLOSED)
"""States in which requests are served, as far as anybody knows."""
_FORCED = {
    BreakerMode.OPEN: ServingState.FORCED_OPEN,
    BreakerMode.CLOSED: ServingState.FORCED_CLOSED,
}


@dataclass(frozen=True, slots=True)
class ModelRest:
    """A model that the backend asked to be left alone with."""

    model: str
    until: datetime


@dataclass(frozen=True, slots=True)
class BackendStatus:
    """One backend. `retry_at` is when an open breaker lets a request through again, while that is
    to come.

    reason   why it is in this state, in the words of its last error; "" where the state says all
    """

    state: ServingState
    reason: str = ""
    failures: int = 0
    last_error: str = ""
    last_error_at: datetime | None = None
    opened_at: datetime | None = None
    retry_at: datetime | None = None
    rests: tuple[ModelRest, ...] = ()

    @property
    def tone(self) -> str:
        """good, warn, bad or quiet."""
        return _LOOKS[self.state][0]

    @property
    def word(self) -> str:
        return _LOOKS[self.state][1]

    @property
    def sentence(self) -> str:
        """The words behind the name of a backend that needs attention."""
        text = _LOOKS[self.state][2].format(failures=self.failures)
        return f"{text}: {self.reason}" if self.reason else text

    @property
    def breaker(self) -> str:
        """The breaker, as operators call its states."""
        if self.state in _FORCED.values():
            return self.word.lower()
        if self.opened_at is None:
            return "closed"
        return "open" if self.state is ServingState.OPEN else "half-open"

    @property
    def needs_attention(self) -> bool:
        return self.tone in (WARN, BAD)

    @property
    def can_serve(self) -> bool:
        return self.state not in _NEVER_CALLED


def overall(states: Iterable[ServingState]) -> Overall:
    """The whole: unhealthy when no backend would be called."""
    enabled = [state for state in states if state is not ServingState.OFF]
    if all(state in _NEVER_CALLED for state in enabled):
        return Overall.UNHEALTHY
    return Overall.OK if all(state in _WELL for state in enabled) else Overall.DEGRADED


def decide(
    *, problem: str, mode: str, breaker: State, reachable: bool | None, failures: int
) -> ServingState:
    """The first thing that is true of an enabled backend."""
    forced = _FORCED.get(BreakerMode(mode))
    if problem:
        return ServingState.BROKEN
    if forced is ServingState.FORCED_OPEN:
        return forced
    if forced is None and breaker is not State.CLOSED:
        return ServingState.OPEN if breaker is State.OPEN else ServingState.TRYING_AGAIN
    if reachable is False:
        return ServingState.UNREACHABLE
    return forced or (ServingState.FAILING if failures else ServingState.SERVING)


def of_backend(health: Health, backend: BackendConfig) -> BackendStatus:
    """As this process knows it. Its moments are no wall clock's, so there are none."""
    condition = health.of(backend)
    breaker = condition.breaker
    state = decide(
        problem=backend.broken,
        mode=backend.breaker,
        breaker=breaker.state(health.clock()),
        reachable=condition.reachable,
        failures=breaker.failures,
    )
    reason = backend.broken or _reason(state, condition.last_error)
    return BackendStatus(state, reason, breaker.failures, condition.last_error)


def of_row(row: Backend, now: datetime | None = None) -> BackendStatus:
    """As all processes share it. The row's `breaker` is best read along with it."""
    if not row.enabled:
        return BackendStatus(ServingState.OFF)
    now = now or timezone.now()
    problem = problem_of(row)
    shared = _shared(row)
    retry_at = None
    if shared.opened_at is not None:
        retry_at = shared.opened_at + timedelta(seconds=settings.BREAKER_SECONDS)
    state = decide(
        problem=problem,
        mode=row.breaker_mode,
        breaker=_breaker(retry_at, now),
        reachable=shared.reachable,
        failures=shared.failures,
    )
    return BackendStatus(
        state,
        problem or _reason(state, shared.last_error),
        shared.failures,
        shared.last_error,
        shared.last_error_at,
        shared.opened_at,
        retry_at if retry_at is not None and now < retry_at else None,
        _rests(shared, now),
    )


def problem_of(row: Backend) -> str:
    """Why this backend cannot be called as it is configured, "" when it can."""
    try:
        snapshot.credential(row)
    except ValueError:
        return UNREADABLE_KEY
    return ""


def identity_of_row(row: Backend) -> str:
    """The identity of a backend as its row stands; "" when the row makes no sense."""
    try:
        return identity(snapshot.backend_of(row, []))
    except BROKEN:
        return ""


def _shared(row: Backend) -> BreakerState:
    """What is known of this address and this credential; of others it says nothing."""
    known: BreakerState | None = getattr(row, "breaker", None)
    if known is None or known.identity not in ("", identity_of_row(row)):
        return BreakerState()
    return known


def _breaker(retry_at: datetime | None, now: datetime) -> State:
    if retry_at is None:
        return State.CLOSED
    return State.OPEN if now < retry_at else State.HALF_OPEN


def _reason(state: ServingState, last_error: str) -> str:
    silent = (ServingState.SERVING, ServingState.FORCED_OPEN, ServingState.OFF)
    return "" if state in silent else last_error


def _rests(shared: BreakerState, now: datetime) -> tuple[ModelRest, ...]:
    """Those that still run. Of a caller's own key only the model is named."""
    running = [(name, until) for name, until in shared.rests.items() if until > now.timestamp()]
    moments = {name.partition("\n")[0]: until for name, until in sorted(running)}
    zone = now.tzinfo
    return tuple(
        ModelRest(model, datetime.fromtimestamp(until, zone)) for model, until in moments.items()
    )
