"""Is it well? The state of the gateway as its rows tell it, in one query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import QuerySet

from bridge.models import Backend, BreakerMode

GOOD, WARN, BAD, QUIET = "good", "warn", "bad", "quiet"
FEW = 4
_FORCED = {
    BreakerMode.OPEN: (BAD, "forced open"),
    BreakerMode.CLOSED: (WARN, "forced closed"),
}


@dataclass(frozen=True, slots=True)
class BackendState:
    """One backend. `tone`: good, warn, bad or quiet;  `word`: its breaker, as operators call it."""

    row: Backend
    tone: str
    word: str
    failures: int = 0
    last_error: str = ""
    last_error_at: datetime | None = None
    retry_at: datetime | None = None

    @property
    def name(self) -> str:
        return self.row.name


@dataclass(frozen=True, slots=True)
class GatewayState:
    """All backends, and what follows for the whole."""

    tone: str
    word: str
    backends: tuple[BackendState, ...]

    @property
    def enabled(self) -> list[BackendState]:
        return [backend for backend in self.backends if backend.row.enabled]

    @property
    def shown(self) -> list[BackendState]:
        """All of a few; of many those with trouble."""
        return self.enabled if len(self.enabled) <= FEW else self.troubled

    @property
    def unshown(self) -> int:
        return len(self.enabled) - len(self.shown)

    @property
    def troubled(self) -> list[BackendState]:
        return [backend for backend in self.enabled if backend.tone in (WARN, BAD)]


def rows() -> QuerySet[Backend]:
    """Backends in the order in which they are asked, each with its breaker."""
    return Backend.objects.select_related("breaker").order_by("position", "name")


def gateway(now: datetime, backends: Sequence[Backend] | None = None) -> GatewayState:
    """The state of the gateway. One query, none where the rows are given."""
    states = tuple(backend(row, now) for row in (rows() if backends is None else backends))
    enabled = [state.tone for state in states if state.row.enabled]
    return GatewayState(*_whole(enabled), states)


def _whole(tones: list[str]) -> tuple[str, str]:
    if not tones:
        return QUIET, "Demo backend"
    if all(tone == BAD for tone in tones):
        return BAD, "Not serving"
    return (GOOD, "Serving") if set(tones) == {GOOD} else (WARN, "Degraded")


def backend(row: Backend, now: datetime) -> BackendState:
    """The state of one backend, whose breaker is already read."""
    breaker = getattr(row, "breaker", None)
    if not row.enabled:
        return BackendState(row, QUIET, "off")
    retry_at = None
    if breaker is not None and breaker.opened_at is not None:
        retry_at = breaker.opened_at + timedelta(seconds=settings.BREAKER_SECONDS)
    failures = breaker.failures if breaker else 0
    tone, word = _FORCED.get(BreakerMode(row.breaker_mode)) or _own(failures, retry_at, now)
    if breaker is None:
        return BackendState(row, tone, word)
    return BackendState(
        row, tone, word, failures, breaker.last_error, breaker.last_error_at, retry_at
    )


def _own(failures: int, retry_at: datetime | None, now: datetime) -> tuple[str, str]:
    if retry_at is not None:
        return (BAD, "open") if now < retry_at else (WARN, "half-open")
    return (WARN, "failing") if failures else (GOOD, "closed")
