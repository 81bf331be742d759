"""Sums over the hours of the ledger, by whom and what one likes, in one query each.

Hours are sorted into numbered stretches: the bars of a chart, and the period before. For groups the
database does that, so that a query returns as many rows as a page shows; without groups the hours
come one by one in the order of their index, which saves the database a sort of all rows.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import zip_longest
from typing import Any

from django.db.models import Case, Expression, IntegerField, Max, QuerySet, Sum, Value, When

from bridge.models import UsageHour
from bridge.models.latency import DURATION, FIRST_TOKEN
from dashboard.usage.periods import Range, Slot
from dashboard.usage.totals import COUNTED, USE, Totals

LATENCY = (*USE, *FIRST_TOKEN)
EVERYTHING = (*COUNTED, *FIRST_TOKEN, *DURATION)
BEFORE = -1
"""The stretch of the period before."""
RUNNING = -2
"""The stretch of the hour that is not over yet."""

Group = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Sums:
    """The sums of one group.

    before   the period before;  whole  the hours of this period that are over: what compares
    slots    one for each bar of the range;  last_hour  the last hour with anything in this period
    """

    before: Totals = field(default_factory=Totals)
    whole: Totals = field(default_factory=Totals)
    slots: tuple[Totals, ...] = ()
    last_hour: datetime | None = None
    total: Totals = field(default_factory=Totals)

    @classmethod
    def nothing(cls, span: Range) -> Sums:
        """Of a range in which nothing was."""
        return cls(slots=(Totals(),) * len(span.slots()))

    def __add__(self, other: Sums) -> Sums:
        pairs = zip_longest(self.slots, other.slots, fillvalue=Totals())
        return Sums(
            before=self.before + other.before,
            whole=self.whole + other.whole,
            slots=tuple(one + another for one, another in pairs),
            last_hour=max(filter(None, (self.last_hour, other.last_hour)), default=None),
            total=self.total + other.total,
        )


def sums(
    span: Range,
    by: Sequence[str] = (),
    columns: Iterable[str] = USE,
    rows: QuerySet[UsageHour] | None = None,
    compared: bool = True,
    sliced: bool = True,
) -> dict[Group, Sums]:
    """Values of the columns `by` -> sums. One query; `()` is in it when `by` is empty.

    compared   also the period before;  sliced   a slot for each bar, not one for all of it
    """
    slots = span.slots() if sliced else (Slot(span.start, span.end, "", "", False),)
    cuts = list(_cuts(span, slots, compared))
    since, until = min(cut[0] for cut in cuts), max(cut[1] for cut in cuts)
    found = (UsageHour.objects.all() if rows is None else rows).filter(
        hour__gte=since, hour__lt=until
    )
    aggregates = {f"_{name}": Sum(name) for name in columns}
    if by:
        numbered = found.annotate(stretch=_number(_edges(cuts))).values("stretch", *by)
        added = numbered.annotate(_last=Max("hour"), **aggregates).order_by()
    else:
        hourly = found.values("hour").annotate(_last=Max("hour"), **aggregates).order_by("hour")
        added = _numbered(hourly, _edges(cuts))
    return _folded(added, by, len(slots), tuple(columns))


def total(
    span: Range,
    columns: Iterable[str] = USE,
    rows: QuerySet[UsageHour] | None = None,
    compared: bool = True,
) -> Sums:
    """The sums of everything in a range. One query."""
    return sums(span, (), columns, rows, compared)[()]


# --- stretches ------------------------------------------------------------------------------------

_GAP = -3
Cut = tuple[datetime, datetime, int]


def _cuts(span: Range, slots: Sequence[Slot], compared: bool) -> Iterable[Cut]:
    """From, until, number: without overlap, oldest first."""
    if compared and span.before is not None:
        yield (*span.before, BEFORE)
    for number, slot in enumerate(slots):
        if slot.start < span.whole_until:
            yield slot.start, min(slot.end, span.whole_until), number
    if span.is_running:
        yield span.whole_until, span.end, RUNNING


def _edges(cuts: Sequence[Cut]) -> list[tuple[datetime, int]]:
    """From which moment on which number counts."""
    edges: list[tuple[datetime, int]] = []
    for number, (start, until, value) in enumerate(cuts):
        edges.append((start, value))
        following = cuts[number + 1][0] if number + 1 < len(cuts) else until
        if until < following:
            edges.append((until, _GAP))
    return edges


def _number(edges: Sequence[tuple[datetime, int]]) -> Expression:
    """The number of the stretch that an hour is in. Halves the edges, so that a hundred bars take
    seven comparisons."""
    if len(edges) == 1:
        return Value(edges[0][1], output_field=IntegerField())
    middle = len(edges) // 2
    return Case(
        When(hour__lt=edges[middle][0], then=_number(edges[:middle])),
        default=_number(edges[middle:]),
        output_field=IntegerField(),
    )


def _numbered(
    hourly: Iterable[Mapping[str, Any]], edges: Sequence[tuple[datetime, int]]
) -> Iterator[dict[str, Any]]:
    """Rows of single hours, each with the number of its stretch."""
    starts = [start for start, _ in edges]
    for row in hourly:
        yield {**row, "stretch": edges[bisect_right(starts, row["hour"]) - 1][1]}


# --- from rows to sums ----------------------------------------------------------------------------


def _folded(
    rows: Iterable[Mapping[str, Any]], by: Sequence[str], count: int, columns: Sequence[str]
) -> dict[Group, Sums]:
    stretches: dict[Group, dict[int, dict[str, int]]] = {} if by else {(): {}}
    last: dict[Group, datetime] = {}
    for row in rows:
        number = row["stretch"]
        if number == _GAP:
            continue
        group = tuple(row[name] for name in by)
        sums = stretches.setdefault(group, {}).setdefault(number, dict.fromkeys(columns, 0))
        for name in columns:
            sums[name] += row[f"_{name}"] or 0
        if number != BEFORE:
            last[group] = max(row["_last"], last.get(group, row["_last"]))
    totals = {
        g: {n: Totals(sums) for n, sums in totals_by_slot.items()}
        for g, totals_by_slot in stretches.items()
    }
    return {
        group: _sums(totals_by_slot, count, last.get(group))
        for group, totals_by_slot in totals.items()
    }


def _sums(totals_by_slot: Mapping[int, Totals], count: int, last: datetime | None) -> Sums:
    nothing = Totals()
    slots = [totals_by_slot.get(number, nothing) for number in range(count)]
    whole = Totals.of([slot.sums for slot in slots])
    if RUNNING in totals_by_slot and slots:
        slots[-1] += totals_by_slot[RUNNING]
    return Sums(
        before=totals_by_slot.get(BEFORE, nothing),
        whole=whole,
        slots=tuple(slots),
        last_hour=last,
        total=Totals.of([slot.sums for slot in slots]),
    )
