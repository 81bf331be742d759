"""The sums over all hours that the ledger ever counted, as every process of a gateway sees them.

A sum that a process kept for itself would differ from its neighbour's, and a counter that jumps
back is read as a restart. So it is the rows that count: hours that may still grow are read each
time, those before them once. What comes late to one of those says so in `LateHours`, in one
transaction with the sums, so whoever reads that first has never kept a sum for too long.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from operator import add
from typing import Any

from channels.db import database_sync_to_async
from django.db import Error
from django.db.models import Min, Model, Q, Sum

from bridge.keys.limits import AccountKind
from bridge.models import AttemptHour, LateHours, UsageHour
from bridge.models.ledger_marks import LATE

logger = logging.getLogger(__name__)

CLOCK_SLACK = timedelta(hours=1)
"""By how much the clocks of two hosts may differ."""
READ_SECONDS = 5.0
"""The longest wait for the database. Prometheus itself gives up after ten, as a rule."""
MOST_GROUPS = 500
OTHERS = "(others)"
"""What stands for every name of a group where there are more groups than that: clients choose
the names of models where a backend has no list, and each one is a series for good."""

SUMMED = (
    "requests",
    "errors",
    "refused",
    "abandoned",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "thinking_tokens",
    "cost_nano_usd",
    "unpriced",
    "duration_ms",
    "first_token_ms",
    *UsageHour.FIRST_TOKEN,
    *UsageHour.DURATION,
)
Group = tuple[str, ...]
"""The names that a sum has in the columns of its grouping; "" where there was none."""


@dataclass(frozen=True, slots=True)
class Grouping:
    """What sums are told apart by: columns of a table of hourly sums, of those of its rows.

    `summed` are the columns that are added up.
    """

    columns: tuple[str, ...]
    rows: Q = field(default_factory=Q)
    table: type[Model] = UsageHour
    summed: tuple[str, ...] = SUMMED
    places: Mapping[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "places", {name: n for n, name in enumerate(self.summed)})


BY_MODEL = Grouping(("backend", "model", "alias"))
"""Backend, model at the backend, alias that matched."""
ATTEMPTS_BY_BACKEND = Grouping(
    ("backend",), table=AttemptHour, summed=(*AttemptHour.SUMS, *AttemptHour.HEADERS)
)
BY_ACCOUNT: Mapping[str, Grouping] = {
    AccountKind.KEY.value: Grouping(("key",), Q(key_id__gt=0)),
    AccountKind.PERSON.value: Grouping(("person",), Q(person_id__gt=0)),
    AccountKind.TEAM.value: Grouping(("team",), Q(team_id__gt=0)),
}
"""By the name that an account had at the time. Keys that were forwarded belong to none."""


@dataclass(frozen=True, slots=True)
class Total:
    """The sums of one group. `first` is the number of its first row: it never grows."""

    first: int
    amounts: tuple[int, ...]
    grouping: Grouping = BY_MODEL

    def __add__(self, other: Total) -> Total:
        amounts = tuple(map(add, self.amounts, other.amounts))
        return Total(min(self.first, other.first), amounts, self.grouping)

    def __getitem__(self, column: str) -> int:
        """The sum of a column of the table."""
        return self.amounts[self.grouping.places[column]]

    def histogram(self, columns: Iterable[str]) -> list[int]:
        """The counts of a histogram's buckets, each for itself."""
        return [self[column] for column in columns]


Totals = Mapping[Group, Total]


def added_up(pairs: Iterable[tuple[Any, Total]]) -> dict[Any, Total]:
    """One total for each key."""
    sums: dict[Any, Total] = {}
    for key, total in pairs:
        sums[key] = sums[key] + total if key in sums else total
    return sums


def bounded(totals: Totals, most: int = MOST_GROUPS) -> dict[Group, Total]:
    """The groups that came first, and all others as one.

    Which ones came first never changes, so no sum is ever taken from one group to another.
    """
    by_age = sorted(totals.items(), key=lambda pair: pair[1].first)
    others = [((OTHERS,) * len(group), total) for group, total in by_age[most:]]
    return added_up([*by_age[:most], *others])


class TotalsReader:
    """What one process remembers of hours that are over."""

    def __init__(self, grouping: Grouping = BY_MODEL) -> None:
        self._grouping = grouping
        self._turn = threading.Lock()
        self._settled: dict[Group, Total] = {}
        self._until: datetime | None = None
        self._late = 0
        self._reading: asyncio.Task[Totals] | None = None
        self._away = False

    async def current(self) -> Totals | None:
        """The totals as they are now; None when the database is away, or too slow just now.

        Never more than one thread waits for the database: what takes longer than a caller waits
        is there for the next one.
        """
        if self._reading is None or self._reading.done():
            work = database_sync_to_async(self.read, thread_sensitive=False)
            self._reading = asyncio.create_task(work(datetime.now(UTC)))
            self._reading.add_done_callback(_look_at)
        try:
            async with asyncio.timeout(READ_SECONDS):
                totals = await asyncio.shield(self._reading)
        except (Error, OSError) as error:
            self._note(f"{error or type(error).__name__}")
            return None
        self._note("")
        return totals

    def _note(self, problem: str) -> None:
        if problem and not self._away:
            logger.warning("metrics without the ledger's totals: %s", problem)
        self._away = bool(problem)

    def close(self) -> None:
        """Wait for the database no longer."""
        if self._reading is not None:
            self._reading.cancel()

    # --- in a thread ---

    def read(self, now: datetime) -> Totals:
        """The totals. Raises django.db.Error."""
        until = now.replace(minute=0, second=0, microsecond=0) - LATE - CLOCK_SLACK
        with self._turn:
            self._settle(until)
            live = _sums(self._grouping, hour__gte=until)
            return bounded(added_up([*self._settled.items(), *live.items()]))

    def _settle(self, until: datetime) -> None:
        """Bring the sum of the hours before `until` up to date."""
        late = LateHours.objects.values_list("changes", flat=True).first() or 0
        if self._until is None or until < self._until or late != self._late:
            self._settled = _sums(self._grouping, hour__lt=until)
        elif self._until < until:
            over = _sums(self._grouping, hour__gte=self._until, hour__lt=until)
            self._settled = added_up([*self._settled.items(), *over.items()])
        self._until, self._late = until, late


def readers_by_account(kinds: Iterable[str]) -> dict[str, TotalsReader]:
    """A reader for each of these kinds of accounts."""
    return {kind: TotalsReader(BY_ACCOUNT[kind]) for kind in kinds}


def _look_at(reading: asyncio.Task[Totals]) -> None:
    """An error that nobody waits for any more is no news."""
    if not reading.cancelled():
        reading.exception()


def _sums(grouping: Grouping, **hours: datetime) -> dict[Group, Total]:
    """The sums of these hours. Raises django.db.Error."""
    columns = {f"_{name}": Sum(name) for name in grouping.summed}
    rows = grouping.table._default_manager.filter(grouping.rows, **hours).order_by()
    width = len(grouping.columns)
    return {
        row[:width]: Total(row[width], tuple(map(int, row[width + 1 :])), grouping)
        for row in rows.values_list(*grouping.columns).annotate(_first=Min("id"), **columns)
    }
