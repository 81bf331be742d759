"""For how long backends have been down, as the process that leads has seen it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from bridge.backends.status import BackendStatus, ServingState, of_row
from bridge.models import Backend

DOWN = frozenset(
    {
        ServingState.UNREACHABLE,
        ServingState.OPEN,
        ServingState.TRYING_AGAIN,
        ServingState.BROKEN,
    }
)
OUT_OF_SERVICE = frozenset({ServingState.OFF, ServingState.FORCED_OPEN})
"""By an operator, which is no news to warn of."""


class Downtime:
    """Since when each backend is down, by a steady clock."""

    def __init__(self) -> None:
        self._since: dict[int, float] = {}

    def of(
        self, rows: Iterable[Backend], now: datetime, steady: float
    ) -> Iterator[tuple[Backend, BackendStatus, float]]:
        """Each backend with its state, and the seconds that it has been down; 0 for one that
        serves or is out of service."""
        known, self._since = self._since, {}
        for row in rows:
            status = of_row(row, now)
            seconds = 0.0
            if status.state in DOWN:
                since = self._since[row.pk] = known.get(row.pk, steady)
                seconds = steady - since
            yield row, status, seconds

    def forget(self) -> None:
        self._since.clear()
