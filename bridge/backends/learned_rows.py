"""What was learnt, in rows: written when it is new, counted, tried again once a day, forgotten.

Requests touch memory only. This loop writes what they leave there, and tells the requests of this
process which facts they may do without: a trial belongs to the process that claimed it, so that of
many processes one alone meets the refusal again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta

from django.db import DatabaseError, InterfaceError, transaction
from django.db.models import F
from django.utils import timezone

from bridge.backends.learned import LearnedFacts, NewFact
from bridge.configuration.snapshot_store import SnapshotStore
from bridge.database_steps import in_database
from bridge.models import Backend, LearnedFact
from bridge.models.learned import LONGEST_SENTENCE
from bridge.shielded import Shielded
from bridge.translation.facts import MANY

logger = logging.getLogger(__name__)

PERIOD = 10.0
TRIAL_EVERY = timedelta(days=1)


class LearnedRows:
    """Keeps the memory of one process and the rows in step."""

    def __init__(self, learned: LearnedFacts, store: SnapshotStore) -> None:
        self._learned = learned
        self._store = store
        self._writing = Shielded()

    async def run(self) -> None:
        """Exchange for as long as the process lives."""
        away = False
        await self._store.loaded()
        while True:
            self._learned.changed.clear()
            try:
                await self.exchange()
                away = False
            except (DatabaseError, InterfaceError) as error:
                if not away:
                    logger.warning("what is learnt stays in this process for now: %s", error)
                away = True
            with suppress(TimeoutError):
                async with asyncio.timeout(PERIOD):
                    await self._learned.changed.wait()

    async def aclose(self) -> None:
        """Write what was learnt last, once `run` has ended: the next process starts with it."""
        await self._writing.finished()
        learned = self._learned
        if not (learned.new or learned.helped or learned.outlived):
            return
        try:
            await self._write()
        except (DatabaseError, InterfaceError) as error:
            logger.warning("what was learnt last was not stored: %s", error)

    async def exchange(self) -> None:
        """Write what is new, and claim what is due. Raises DatabaseError; nothing is lost then."""
        learned = self._learned
        new, gone = await self._writing.run(self._write())
        learned.on_trial.update(await in_database(_claim)())
        if new or gone:
            await self._store.load()
            learned.stored(new)
            learned.outlived -= gone

    async def _write(self) -> tuple[list[NewFact], frozenset[int]]:
        """The facts that are now in rows, and the rows that are gone."""
        learned = self._learned
        new, learned.new = learned.new, []
        helped, learned.helped = learned.helped, Counter()
        gone = frozenset(learned.outlived)
        try:
            await in_database(_write)(new, helped, gone)
        except (DatabaseError, InterfaceError):
            learned.new = new + learned.new
            learned.helped.update(helped)
            raise
        return new, gone


def _write(new: Iterable[NewFact], helped: Counter[int], gone: frozenset[int]) -> None:
    with transaction.atomic():
        for fact in new:
            _add(fact)
        for pk, times in helped.items():
            LearnedFact.counters.filter(pk=pk).update(helped=F("helped") + times)
        if gone:
            LearnedFact.objects.filter(pk__in=gone).delete()


def _add(new: NewFact) -> None:
    if not Backend.objects.filter(pk=new.backend.id).exists():
        return  # the demo has no row, and others may be gone
    fact, place = new.fact, {"backend_id": new.backend.id, "model": new.model[:300]}
    if fact.what not in MANY:
        LearnedFact.objects.filter(**place, what=fact.what).exclude(value=fact.value).delete()
    LearnedFact.objects.get_or_create(
        **place,
        what=fact.what,
        value=fact.value[:200],
        defaults={"sentence": new.sentence[:LONGEST_SENTENCE]},
    )


def _claim() -> set[int]:
    """Facts that nobody tried without for a day: the process that moves the moment may."""
    now = timezone.now()
    due = LearnedFact.counters.filter(checked_at__lt=now - TRIAL_EVERY)
    return {
        pk
        for pk, checked_at in due.values_list("pk", "checked_at")
        if LearnedFact.counters.filter(pk=pk, checked_at=checked_at).update(checked_at=now)
    }
