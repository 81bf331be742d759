"""The health of each backend as this process sees it: its breaker, its last error, its rests.

Ties the pure breaker to backends and to the clock. One `Permit` for each call of a backend: taken
before, returned exactly once with what the call showed of the backend. What other processes have
to know is collected in `reports`; `breaker_sync` carries it to them and brings theirs.

A condition belongs to an address and a credential, not to a name: a backend whose address or key
was changed, or a new one under an old name, starts with a closed breaker.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from bridge.backends.breaker import Breaker, State
from bridge.routing.types import BackendConfig
from bridge.translation.errors.api_error import ApiError

logger = logging.getLogger(__name__)

BREAKER_OPEN = "Backend is temporarily unavailable (circuit breaker open)"
FORCED = {"open": State.OPEN, "closed": State.CLOSED}
"""What an operator may say about a breaker -> the state that it then shows."""
MAX_RESTS = 200
"""Models of one backend whose rests are kept."""
LOG_SECONDS = 60.0
"""The same trouble of a backend is logged once in so many seconds."""
MAX_LOGGED = 500


def identity(backend: BackendConfig) -> str:
    """What a condition is about: the row, its address and its credential, as a digest.

    Processes share it through the database. So sixteen bits of a key's digest are all that goes
    into it: enough to notice that the key was changed, and no use for finding it out.
    """
    return _digest(backend.id, backend.name, backend.url, backend.auth_header, backend.key)


@lru_cache(maxsize=512)
def _digest(pk: int, name: str, url: str, auth_header: str, key: str) -> str:
    of_key = hashlib.sha256(f"backend credential {key}".encode()).hexdigest()[:4]
    return hashlib.sha256("\0".join((str(pk), name, url, auth_header, of_key)).encode()).hexdigest()


@dataclass(slots=True)
class Report:
    """What happened to one backend since the other processes were last informed.

    failures    in a row, since the last success if there was one
    recovered   whether there was a success
    opened      whether the breaker of this process opened
    reachable   whether it can be reached, where that changed
    rests       models that it asked to be left alone with, until when by the steady clock
    """

    failures: int = 0
    recovered: bool = False
    opened: bool = False
    error: str = ""
    reachable: bool | None = None
    rests: dict[str, float] = field(default_factory=dict)

    def followed_by(self, later: Report) -> Report:
        """Both as one."""
        reachable = self.reachable if later.reachable is None else later.reachable
        rests = self.rests | later.rests
        if later.recovered:
            return Report(
                later.failures, True, later.opened, later.error, reachable=reachable, rests=rests
            )
        return Report(
            self.failures + later.failures,
            self.recovered,
            self.opened or later.opened,
            later.error or self.error,
            reachable,
            rests,
        )


@dataclass(slots=True)
class Condition:
    """What is known of one backend right now. `number` is that of the row last taken over.

    `rests`: model, or model and caller, -> until when it is left alone, by the steady clock.
    """

    breaker: Breaker
    last_error: str = ""
    reachable: bool | None = None
    number: int = 0
    rests: dict[str, float] = field(default_factory=dict)
    logged: str = ""
    logged_at: float = 0.0


@dataclass(slots=True)
class Permit:
    """Leave to call a backend once. Whichever of the last three verbs comes first, counts.

    `trial` is the breaker's number of it, 0 for none; `rest_name` what a 429 lets rest.
    """

    health: Health
    backend: BackendConfig
    trial: int = 0
    rest_name: str = ""
    settled: bool = False

    def began(self) -> None:
        """The first token is here. A trial is good from here on; how it ends counts as ever."""
        if self.trial and not self.settled:
            self.trial = 0
            self.health.succeeded(self.backend)

    def succeeded(self) -> None:
        if not self.settled:
            self.settled = True
            self.health.succeeded(self.backend)

    def failed(self, error: ApiError) -> None:
        """A failure of the backend; an error that it is not to blame for only ends the call."""
        if self.settled:
            return
        if error.rest_seconds and self.rest_name:
            self.health.rest(self.backend, self.rest_name, error.rest_seconds)
        if not error.blames_backend:
            if error.cause:
                self.health.log(self.backend, error.for_operators)
            self.abandoned()
            return
        self.settled = True
        self.health.failed(self.backend, error, trial=self.trial)

    def abandoned(self) -> None:
        if not self.settled:
            self.settled = True
            self.health.of(self.backend).breaker.abandoned(trial=self.trial)


@dataclass(slots=True)
class Health:
    """All backends of this process, by identity. `changed` is called when others have to know."""

    threshold: int
    pause: float
    clock: Callable[[], float] = time.monotonic
    rest_max: float = 3600.0
    conditions: dict[str, Condition] = field(default_factory=dict)
    reports: dict[str, Report] = field(default_factory=dict)
    changed: Callable[[], None] = lambda: None

    def of(self, backend: BackendConfig) -> Condition:
        mark = identity(backend)
        condition = self.conditions.get(mark)
        if condition is None:
            condition = Condition(Breaker(self.threshold, self.pause))
            self.conditions[mark] = condition
        return condition

    def keep(self, backends: Iterable[BackendConfig]) -> None:
        """Forget all others: backends that are gone, and addresses and keys of before."""
        marks = set(map(identity, backends))
        for mark in [mark for mark in self.conditions if mark not in marks]:
            del self.conditions[mark]

    # --- before a call ---

    def admit(self, backend: BackendConfig) -> Permit:
        """Leave to call `backend`, or the error that says when to come back."""
        if backend.broken:
            raise ApiError(503, f"Backend {backend.name} {backend.broken}")
        breaker = self.of(backend).breaker
        forced = FORCED.get(backend.breaker)
        if forced is State.OPEN:
            raise ApiError(529, BREAKER_OPEN, retry_after=breaker.wait(self.clock()))
        if forced is None and (wait := self._wait(backend)):
            raise ApiError(529, BREAKER_OPEN, retry_after=wait)
        is_trial = forced is None and breaker.opened_at is not None
        return Permit(self, backend, trial=breaker.trial if is_trial else 0)

    def _wait(self, backend: BackendConfig) -> int:
        """Seconds until the breaker lets a request pass; 0: it does so now."""
        condition = self.of(backend)
        failures = condition.breaker.failures
        wait = condition.breaker.admit(self.clock())
        if condition.breaker.failures > failures:
            text = f"Trial request showed no answer within {self.pause:g} seconds"
            self._note(backend, text).failures += 1
        return wait

    def reason_to_defer(self, backend: BackendConfig, rest_name: str) -> tuple[str, float]:
        """Why other targets come first, and for how many seconds; ("", 0) when none do."""
        condition = self.of(backend)
        if FORCED.get(backend.breaker) is State.CLOSED:
            return "", 0.0
        if condition.reachable is False:
            return "not reachable when last tried", float("inf")
        left = condition.rests.get(rest_name, 0.0) - self.clock()
        return (f"asked to wait for {left:.0f} s", left) if left > 0 else ("", 0.0)

    # --- after it ---

    def succeeded(self, backend: BackendConfig) -> None:
        condition = self.of(backend)
        if condition.reachable is False:
            self.reached(backend, True)
        condition.reachable = True
        if condition.breaker.failures or condition.breaker.opened_at is not None:
            self._report(backend, Report(recovered=True))
            self.changed()
        condition.breaker.succeeded()

    def failed(self, backend: BackendConfig, error: ApiError, *, trial: int) -> None:
        condition = self.of(backend)
        before = condition.breaker.opened_at
        condition.breaker.failed(self.clock(), trial=trial)
        report = self._note(backend, error.for_operators)
        report.failures += 1
        if error.unreachable:
            self.reached(backend, False)
        if condition.breaker.opened_at != before:
            report.opened = True
            count, text = condition.breaker.failures, error.for_operators[:MAX_LOGGED]
            logger.warning(
                "backend %s: breaker open for %g s, failures in a row: %d; the last: %s",
                backend.name,
                self.pause,
                count,
                text,
            )
            self.changed()

    def reached(self, backend: BackendConfig, reachable: bool, error: str = "") -> None:
        """A connection came about, or none did: `error` says why."""
        condition = self.of(backend)
        if condition.reachable is reachable and error in ("", condition.last_error):
            return
        if condition.reachable is not reachable:
            logger.info("backend %s is %s", backend.name, "up" if reachable else "not reachable")
        condition.reachable = reachable
        condition.last_error = error or condition.last_error
        self._report(backend, Report(reachable=reachable, error=error))
        self.changed()

    def rest(self, backend: BackendConfig, name: str, seconds: float) -> None:
        """Leave the backend alone with this model for so long."""
        rests = self.of(backend).rests
        until = self.clock() + min(seconds, self.rest_max)
        if until <= rests.get(name, 0.0):
            return
        rests[name] = until
        self._tidy(rests)
        self._report(backend, Report(rests={name: until}))
        self.changed()

    def _tidy(self, rests: dict[str, float]) -> None:
        now = self.clock()
        for name in [name for name, until in rests.items() if until <= now]:
            del rests[name]
        while len(rests) > MAX_RESTS:
            del rests[min(rests, key=lambda name: rests[name])]

    def log(self, backend: BackendConfig, text: str) -> None:
        """Say what went wrong; the same again only after a while."""
        condition, now = self.of(backend), self.clock()
        if text != condition.logged or now >= condition.logged_at + LOG_SECONDS:
            condition.logged, condition.logged_at = text, now
            logger.warning("backend %s: %s", backend.name, text[:MAX_LOGGED])

    def _note(self, backend: BackendConfig, text: str) -> Report:
        """Keep the text as the last error; the report that goes out with it."""
        self.of(backend).last_error = text
        self.log(backend, text)
        report = self.reports.setdefault(identity(backend), Report())
        report.error = text
        return report

    def _report(self, backend: BackendConfig, news: Report) -> None:
        mark = identity(backend)
        known = self.reports.get(mark)
        self.reports[mark] = known.followed_by(news) if known else news

    # --- as a whole ---

    def state(self, backend: BackendConfig) -> State:
        forced = FORCED.get(backend.breaker)
        return forced or self.of(backend).breaker.state(self.clock())

    def can_serve(self, backends: tuple[BackendConfig, ...]) -> bool:
        """Whether any backend would be called."""
        return any(not b.broken and self.state(b) is not State.OPEN for b in backends)
