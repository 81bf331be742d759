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
from functools import reduce
from itertools import zip_longest
from operator import add
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
    columns = tuple(columns)
    aggregates = {f"_{name}": Sum(name) for name in columns}
    rows_of_groups: Iterable[tuple[Any, ...]]
    if by:
        numbered = found.annotate(stretch=_number(_edges(cuts))).values("stretch", *by)
        added = numbered.annotate(_last=Max("hour"), **aggregates).order_by()
        rows_of_groups = added.values_list("stretch", *by, "_last", *aggregates)
    else:
        hourly = found.values("hour").annotate(**aggregates).order_by("hour")
        rows_of_groups = _numbered(hourly.values_list("hour", *aggregates), _edges(cuts))
    return _folded(rows_of_groups, len(by), len(slots), columns)


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
    hourly: Iterable[tuple[Any, ...]], edges: Sequence[tuple[datetime, int]]
) -> Iterator[tuple[Any, ...]]:
    """Rows of single hours, each behind the number of its stretch."""
    starts = [start for start, _ in edges]
    for row in hourly:
        yield edges[bisect_right(starts, row[0]) - 1][1], *row


# --- from rows to sums ----------------------------------------------------------------------------

Amounts = tuple[int, ...]
"""In the order of the columns. There may be a hundred thousand of them, so they are no mappings."""


def _folded(
    rows: Iterable[tuple[Any, ...]], width: int, count: int, columns: Sequence[str]
) -> dict[Group, Sums]:
    """Of rows that are a stretch, a group of so many values, the last hour, and what was summed."""
    stretches: dict[Group, dict[int, Amounts]] = {} if width else {(): {}}
    last: dict[Group, datetime] = {}
    for row in rows:
        number, group, hour, amounts = row[0], row[1 : width + 1], row[width + 1], row[width + 2 :]
        if number == _GAP:
            continue
        found = stretches.setdefault(group, {})
        found[number] = _added(found[number], amounts) if number in found else amounts
        if number != BEFORE:
            last[group] = max(hour, last.get(group, hour))
    return {
        group: _sums(found, count, last.get(group), columns) for group, found in stretches.items()
    }


def _added(one: Amounts, another: Amounts) -> Amounts:
    return tuple(map(add, one, another))


def _sums(
    found: Mapping[int, Amounts], count: int, last: datetime | None, columns: Sequence[str]
) -> Sums:
    def totals(amounts: Amounts | None) -> Totals:
        return Totals(dict(zip(columns, amounts, strict=True))) if amounts else Totals()

    over = [amounts for number, amounts in found.items() if number >= 0]
    whole = totals(reduce(_added, over) if over else None)
    running, slots = totals(found.get(RUNNING)), [Totals()] * count
    for number, amounts in found.items():
        if number >= 0:
            slots[number] = totals(amounts)
    slots[-1] += running
    return Sums(
        before=totals(found.get(BEFORE)),
        whole=whole,
        slots=tuple(slots),
        last_hour=last,
        total=whole + running,
    )
