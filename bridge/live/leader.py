"""Which process does what is to be done once in a cluster: the holder of a lease.

The holder renews a number in a row. Whoever sees the same number for `LEASE_SECONDS` by a clock of
its own takes the lease; the holder stops in time by its own clock, counted from before its last
renewal. So no two clocks are compared, and a holder that is killed is replaced within ten seconds.

A row does on SQLite and on PostgreSQL alike; an advisory lock of PostgreSQL, which ends with its
connection, could replace it there without a change for those who ask `is_leading`.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import Callable
from contextlib import suppress

from django.db import Error
from django.db.models import F, QuerySet

from bridge.clocks import SYSTEM, Clock
from bridge.database_steps import in_database
from bridge.models import Lease

LEASE_SECONDS = 5.0
RENEW_SECONDS = 2.0
"""Seen at most so long after a renewal, out after a lease, taken at the next look: 9 s."""
LEAVE_SECONDS = 1.0


class Leader:
    """This process's part in one lease. `run` it; `is_leading` says whether to work."""

    def __init__(
        self,
        name: str,
        clock: Clock = SYSTEM.steady,
        pause: float = RENEW_SECONDS,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.pause = pause
        self._name = name
        self._clock = clock
        self._changed = changed
        self._holder = f"{socket.gethostname()[:80]}:{os.getpid()}:{secrets.token_hex(4)}"
        self._held = False
        self._until = float("-inf")
        self._seen: tuple[str, int] | None = None
        self._seen_at = 0.0

    @property
    def is_leading(self) -> bool:
        """Whether the lease is this process's now. Ask again before each step of long work."""
        return self._clock() < self._until

    async def run(self) -> None:
        """Hold the lease or wait for it until cancelled. While the database is away it runs out."""
        while True:
            led = self.is_leading
            with suppress(Error):  # what writes more than this says that the database is away
                await in_database(self.step)()
            if self.is_leading and not led:
                self._changed()
            await asyncio.sleep(self.pause)

    async def aclose(self) -> None:
        """The process ends: the next one need not wait."""
        try:
            async with asyncio.timeout(LEAVE_SECONDS):
                await in_database(self.leave)()
        except (Error, TimeoutError):
            pass  # it runs out

    # --- in a thread ---

    def step(self) -> None:
        """Renew the lease, or take it where it is free or has run out. Raises django.db.Error."""
        begun = self._clock()
        # A lease that ran out and is still in our name was taken by nobody.
        if self._held and self._grow(
            Lease.objects.filter(name=self._name, holder=self._holder), begun
        ):
            return
        row, _made = Lease.objects.get_or_create(name=self._name)
        seen = (row.holder, row.number)
        if seen != self._seen:
            self._seen, self._seen_at = seen, begun
        if not row.holder or begun - self._seen_at >= LEASE_SECONDS:
            self._grow(Lease.objects.filter(pk=row.pk, holder=row.holder, number=row.number), begun)

    def _grow(self, rows: QuerySet[Lease], begun: float) -> bool:
        """Write ourselves into the row, if it is still the one that was meant."""
        self._held = rows.update(holder=self._holder, number=F("number") + 1) == 1
        self._until = begun + LEASE_SECONDS if self._held else float("-inf")
        return self._held

    def leave(self) -> None:
        """Give the lease back. Raises django.db.Error."""
        self._held, self._until = False, float("-inf")
        Lease.objects.filter(name=self._name, holder=self._holder).update(
            holder="", number=F("number") + 1
        )
