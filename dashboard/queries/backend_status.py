"""Is it well? The state of the gateway as its rows show it, in one query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from bridge.backends.status import (
    BAD,
    GOOD,
    QUIET,
    WARN,
    BackendStatus,
    Overall,
    of_row,
    overall,
)
from bridge.models import Backend

FEW = 4
_WHOLE = {
    Overall.OK: (GOOD, "Serving"),
    Overall.DEGRADED: (WARN, "Degraded"),
    Overall.UNHEALTHY: (BAD, "Not serving"),
}


@dataclass(frozen=True, slots=True)
class ShownBackend:
    """One backend and its state."""

    row: Backend
    status: BackendStatus

    @property
    def name(self) -> str:
        return self.row.name

    @property
    def tone(self) -> str:
        """good, warn, bad or quiet."""
        return self.status.tone


@dataclass(frozen=True, slots=True)
class GatewayState:
    """All backends, and what follows for the whole."""

    tone: str
    word: str
    backends: tuple[ShownBackend, ...]

    @property
    def enabled(self) -> list[ShownBackend]:
        return [backend for backend in self.backends if backend.row.enabled]

    @property
    def shown(self) -> list[ShownBackend]:
        """All of a few; of many those with trouble."""
        return self.enabled if len(self.enabled) <= FEW else self.troubled

    @property
    def unshown(self) -> int:
        return len(self.enabled) - len(self.shown)

    @property
    def troubled(self) -> list[ShownBackend]:
        return [backend for backend in self.enabled if backend.status.needs_attention]


def rows() -> QuerySet[Backend]:
    """Backends in the order in which they are called, each with its breaker."""
    return Backend.objects.select_related("breaker").order_by("position", "name")


def gateway(now: datetime, backends: Sequence[Backend] | None = None) -> GatewayState:
    """The state of the gateway. One query, none where the rows are given."""
    found = rows() if backends is None else backends
    shown = tuple(ShownBackend(row, of_row(row, now)) for row in found)
    states = [backend.status.state for backend in shown if backend.row.enabled]
    tone, word = _WHOLE[overall(states)] if states else (QUIET, "Demo backend")
    return GatewayState(tone, word, shown)
