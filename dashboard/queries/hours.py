"""Sums over the hours of the ledger, by whom and what one likes, in one query each.

Each question goes to the tables that have the fewest rows for it (`sums/tables.py`): whole days of
UTC to those of days, where no bars are wanted, and the rest to those of hours.

Hours are sorted into numbered stretches: the bars of a chart, and the period before. For groups the
database does that, so that a query returns as many rows as a page shows; without groups the hours
come one by one in the order of their index, which saves the database a sort of all rows.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import reduce
from itertools import zip_longest
from operator import add
from typing import Any

from django.db.models import Case, Expression, IntegerField, Max, Q, QuerySet, Sum, Value, When

from bridge.models.latency import DURATION, FIRST_TOKEN
from bridge.spans import HOUR
from dashboard.queries.sums import closed_days
from dashboard.queries.sums import tables as sum_tables
from dashboard.queries.sums.tables import SumTable
from dashboard.usage.periods import Range, Slot
from dashboard.usage.totals import COUNTED, USE, Totals
from dashboard.usage.wall_clock import DAY, midnight_of

LATENCY = (*USE, *FIRST_TOKEN)
EVERYTHING = (*COUNTED, *FIRST_TOKEN, *DURATION)
BEFORE = -1
"""The stretch of the period before."""
RUNNING = -2
"""The stretch of the hour that is not over yet."""

Group = tuple[Any, ...]
Rows = Iterable[tuple[Any, ...]]
"""Stretch, group, last hour, sums."""
Cut = tuple[datetime, datetime, int]
"""From, until, and the number of the stretch."""


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
    only: Q | None = None,
    compared: bool | Collection[str] = True,
    sliced: bool = True,
) -> dict[Group, Sums]:
    """Values of the columns `by` -> sums. One query; `()` is in it when `by` is empty.

    compared   also the period before, or these columns of it
    sliced     a slot for each bar, not one for all of it
    """
    slots = span.slots() if sliced else (Slot(span.start, span.end, "", "", False),)
    cuts, columns = list(_cuts(span, slots, bool(compared))), tuple(columns)
    of_before = columns if isinstance(compared, bool) else tuple(compared)
    only = Q() if only is None else only
    asked = {*by, *columns, *sum_tables.asked_of(only)}
    hourly, daily = sum_tables.of_hours(asked), sum_tables.of_days(asked)
    if not by:
        rows: Any = _hour_by_hour(hourly, cuts, columns, only)
    elif sliced or daily is None:
        rows = _grouped(hourly, cuts, by, columns, only)
    else:
        tables = hourly, daily
        earlier = [cut for cut in cuts if cut[2] == BEFORE]
        rest = [name for name in columns if name not in of_before]
        rows = _answers(
            [
                *_questions(tables, cuts[len(earlier) :], by, columns, only),
                *_questions(tables, earlier, by, columns, only, rest),
            ],
            span.now,
        )
    return _folded(rows, len(by), len(slots), columns, of_before)


def total(
    span: Range, columns: Iterable[str] = USE, only: Q | None = None, compared: bool = True
) -> Sums:
    """The sums of everything in a range. One query."""
    return sums(span, (), columns, only, compared)[()]


@dataclass(slots=True)
class Used:
    """What one group used in a range, of very many groups: no more than is needed of each.

    amounts   in the order of the columns;  last  the last hour with anything
    """

    amounts: tuple[int, ...]
    last: datetime


def used(
    span: Range, by: Sequence[str], columns: Sequence[str], only: Q | None = None
) -> dict[Group, Used]:
    """Values of the columns `by` -> sums of the range, without bars. One query."""
    width = len(by) + 1
    found: dict[Group, Used] = {}
    for row in parts(span, by, columns, only):
        group, last, amounts = row[1:width], row[width], row[width + 1 :]
        known = found.get(group)
        if known is None:
            found[group] = Used(amounts, last)
        else:
            known.amounts, known.last = _together(known.amounts, amounts), max(known.last, last)
    return found


def parts(span: Range, by: Sequence[str], columns: Sequence[str], only: Q | None = None) -> Rows:
    """What `used` adds up: nought, a group's values, its last hour and its sums, a few times for
    each group. Of a hundred thousand groups, each object more is felt. One query."""
    only = Q() if only is None else only
    asked = {*by, *columns, *sum_tables.asked_of(only)}
    tables = sum_tables.of_hours(asked), sum_tables.of_days(asked)
    cuts = [(span.start, span.end, 0)]
    return _answers(_questions(tables, cuts, by, columns, only), span.now)


# --- questions to the database --------------------------------------------------------------------


def _hour_by_hour(of: SumTable, cuts: Sequence[Cut], columns: Sequence[str], only: Q) -> Rows:
    found = of.table._default_manager.filter(only, _within("hour", [_outline(cuts)]))
    added = found.values("hour").annotate(**_aggregates(columns)).order_by("hour")
    return _numbered(added.values_list("hour", *_aggregates(columns)), _edges(cuts))


def _grouped(
    of: SumTable, cuts: Sequence[Cut], by: Sequence[str], columns: Sequence[str], only: Q
) -> QuerySet[Any, Any]:
    """Of cuts that follow each other without great gaps."""
    return _added(of, [_outline(cuts)], cuts, by, columns, only)


Question = tuple[QuerySet[Any, Any], datetime | None]
"""Rows, and the end of the last one's day; None where they are of hours."""


def _questions(
    tables: tuple[SumTable, SumTable | None],
    cuts: Sequence[Cut],
    by: Sequence[str],
    columns: Sequence[str],
    only: Q,
    noughts: Collection[str] = (),
) -> Iterator[Question]:
    """Whole days of UTC from the table of days, what is left of a stretch from that of hours."""
    hourly, daily = tables
    days = [cut for cut in map(whole_days_of, cuts) if cut[0] < cut[1]]
    ends = [end for cut in cuts for end in ends_of(cut)] if daily else cuts
    if daily and days:
        yield _added(daily, days, days, by, columns, only, noughts), days[-1][1]
    if ends:
        yield _added(hourly, ends, ends, by, columns, only, noughts), None


def _answers(questions: Iterable[Question], now: datetime) -> Rows:
    """What is about closed days is remembered; the others are one query together."""
    closed: list[QuerySet[Any, Any]] = []
    others: list[QuerySet[Any, Any]] = []
    for question, until in questions:
        is_closed = until is not None and closed_days.is_closed(until, now)
        (closed if is_closed else others).append(question)
    yield from closed_days.REMEMBERED.read(closed)
    if others:
        yield from others[0].union(*others[1:], all=True) if others[1:] else others[0]


def _added(
    of: SumTable,
    pieces: Sequence[Cut],
    cuts: Sequence[Cut],
    by: Sequence[str],
    columns: Sequence[str],
    only: Q,
    noughts: Collection[str] = (),
) -> QuerySet[Any, Any]:
    """The rows of these pieces, summed for each cut and group. `noughts`: columns that are not."""
    found = of.table._default_manager.filter(only, _within(of.begin, pieces))
    numbered = found.annotate(stretch=_number(of.begin, _edges(cuts))).values("stretch", *by)
    added: QuerySet[Any, Any] = numbered.annotate(
        _last=Max(of.last), **_aggregates(columns, noughts)
    ).order_by()
    return added.values_list("stretch", *by, "_last", *_aggregates(columns))


def _aggregates(
    columns: Iterable[str], noughts: Collection[str] = ()
) -> dict[str, Expression | Sum]:
    return {f"_{name}": Value(0) if name in noughts else Sum(name) for name in columns}


def _within(column: str, pieces: Sequence[Cut]) -> Q:
    found = Q()
    for start, until, _ in pieces:
        found |= Q(**{f"{column}__gte": start, f"{column}__lt": until})
    return found


# --- stretches ------------------------------------------------------------------------------------

_GAP = -3


def _cuts(span: Range, slots: Sequence[Slot], compared: bool) -> Iterable[Cut]:
    """Without overlap, oldest first."""
    if compared and span.before is not None:
        yield (*span.before, BEFORE)
    for number, slot in enumerate(slots):
        if slot.start < span.whole_until:
            yield slot.start, min(slot.end, span.whole_until), number
    if span.is_running:
        yield span.whole_until, span.end, RUNNING


def _outline(cuts: Sequence[Cut]) -> Cut:
    """From the beginning of the first to the end of the last."""
    return min(cut[0] for cut in cuts), max(cut[1] for cut in cuts), _GAP


def whole_days_of(cut: Cut) -> Cut:
    """The whole days of UTC in a cut; from behind until where there are none."""
    start, until, number = cut
    return midnight_of(start + DAY - HOUR), midnight_of(until), number


def ends_of(cut: Cut) -> Iterator[Cut]:
    """What its whole days leave of it."""
    start, until, number = cut
    first, last, _ = whole_days_of(cut)
    if first >= last:
        yield cut
        return
    if start < first:
        yield start, first, number
    if last < until:
        yield last, until, number


def _edges(cuts: Sequence[Cut]) -> list[tuple[datetime, int]]:
    """From which moment on which number counts."""
    edges: list[tuple[datetime, int]] = []
    for number, (start, until, value) in enumerate(cuts):
        edges.append((start, value))
        following = cuts[number + 1][0] if number + 1 < len(cuts) else until
        if until < following:
            edges.append((until, _GAP))
    return edges


def _number(column: str, edges: Sequence[tuple[datetime, int]]) -> Expression:
    """The number of the stretch that an hour or a day is in. Halves the edges, so that a hundred
    bars take seven comparisons."""
    if len(edges) == 1:
        return Value(edges[0][1], output_field=IntegerField())
    middle = len(edges) // 2
    return Case(
        When(**{f"{column}__lt": edges[middle][0]}, then=_number(column, edges[:middle])),
        default=_number(column, edges[middle:]),
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
    rows: Iterable[tuple[Any, ...]],
    width: int,
    count: int,
    columns: Sequence[str],
    of_before: Collection[str],
) -> dict[Group, Sums]:
    """Of rows that are a stretch, a group of so many values, the last hour, and what was summed."""
    stretches: dict[Group, dict[int, Amounts]] = {} if width else {(): {}}
    last: dict[Group, datetime] = {}
    for row in rows:
        number, group, hour, amounts = row[0], row[1 : width + 1], row[width + 1], row[width + 2 :]
        if number == _GAP:
            continue
        found = stretches.setdefault(group, {})
        found[number] = _together(found[number], amounts) if number in found else amounts
        if number != BEFORE:
            last[group] = max(hour, last.get(group, hour))
    return {
        group: _sums(found, count, last.get(group), columns, of_before)
        for group, found in stretches.items()
    }


def _together(one: Amounts, another: Amounts) -> Amounts:
    return tuple(map(add, one, another))


def _sums(
    found: Mapping[int, Amounts],
    count: int,
    last: datetime | None,
    columns: Sequence[str],
    of_before: Collection[str],
) -> Sums:
    def totals(amounts: Amounts | None) -> Totals:
        return Totals(dict(zip(columns, amounts, strict=True))) if amounts else _NOTHING

    over = [amounts for number, amounts in found.items() if number >= 0]
    whole = totals(reduce(_together, over) if over else None)
    running = totals(found.get(RUNNING))
    slots = [whole] if count == 1 else [_NOTHING] * count
    if count > 1:
        for number, amounts in found.items():
            if number >= 0:
                slots[number] = totals(amounts)
    slots[-1] += running
    return Sums(
        before=_only(totals(found.get(BEFORE)), of_before),
        whole=whole,
        slots=tuple(slots),
        last_hour=last,
        total=whole + running,
    )


_NOTHING = Totals()


def _only(total: Totals, columns: Collection[str]) -> Totals:
    if len(columns) >= len(total.sums):
        return total
    return Totals({name: total.sums[name] for name in columns})
