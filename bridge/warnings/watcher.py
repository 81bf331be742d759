"""Looks every few seconds at what rules want to be warned of, in the process that leads."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from django.db import Error

from bridge.clocks import SYSTEM, Clocks
from bridge.database_steps import in_database
from bridge.live.leader import Leader
from bridge.models import WarningEvent, WarningRule
from bridge.models.warnings.kinds import WARNING_KINDS
from bridge.pauses import Pause
from bridge.warnings.downtime import Downtime
from bridge.warnings.events import OpenStates, Wanted, of_periods, wanted_kinds
from bridge.warnings.readings import READERS, Look

logger = logging.getLogger(__name__)

LOOK_SECONDS = 10.0
KEPT = timedelta(days=100)
"""How long what happened is listed. What is prepaid never begins anew, so its warnings stay."""


class Watcher:
    """Makes events of what it sees. `found` is called when there are new ones."""

    def __init__(
        self,
        leader: Leader,
        clocks: Clocks = SYSTEM,
        pause: float = LOOK_SECONDS,
        found: Callable[[], None] = lambda: None,
    ) -> None:
        self._pause = Pause(pause)
        self._leader = leader
        self._clocks = clocks
        self._found = found
        self._downtime = Downtime()
        self._states = OpenStates()

    def wake(self) -> None:
        """Look now: this process leads since now, or something was changed."""
        self._pause.end()

    async def run(self) -> None:
        """Look until cancelled, while this process leads."""
        while True:
            if self._leader.is_leading:
                await self._look_once()
            else:
                self._downtime.forget()
                self._states.forget()
            await self._pause.over()

    async def _look_once(self) -> None:
        try:
            made = await in_database(self.look)()
        except Error:
            return  # what writes more than this says that the database is away
        if made:
            self._found()

    # --- in a thread ---

    def look(self) -> int:
        """Compare once; how many events are new. Raises django.db.Error."""
        now = datetime.fromtimestamp(self._clocks.wall(), UTC)
        old = WarningEvent.objects.filter(at__lt=now - KEPT, is_open=False)
        old.exclude(period__contains=" total ").delete()
        rules = list(WarningRule.objects.filter(enabled=True))
        return sum(self._look_at(wanted, now) for wanted in self._wanted(rules))

    def _wanted(self, rules: list[WarningRule]) -> list[Wanted]:
        """What rules want, and what is open though no rule wants it any more."""
        found = wanted_kinds(rules)
        missing = set(WARNING_KINDS) - {each.what for each in found}
        opened = WarningEvent.objects.filter(is_open=True, what__in=missing).order_by()
        return found + [Wanted(what, ()) for what in set(opened.values_list("what", flat=True))]

    def _look_at(self, wanted: Wanted, now: datetime) -> int:
        steady = self._clocks.steady()
        furthest = max(wanted.thresholds, default=0)
        readings = list(READERS[wanted.what](Look(now, steady, self._downtime, furthest)))
        if WARNING_KINDS[wanted.what].calm:
            return self._states.follow(wanted, readings, now, steady)
        return of_periods(wanted, readings, now)
