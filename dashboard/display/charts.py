"""Charts as data: what a page hands to charts.js, and the table with the same numbers. Pure.

`tone` names a colour of the stylesheet: a state (good, warn, bad, quiet), a plain line (a, b), or
`c0` to `c11`. The last belong to names: a key or a model has the same one on every chart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode
from zlib import crc32

from dashboard.display import formatting
from dashboard.display.formatting import NOTHING, Figure
from dashboard.usage.periods import Slot

TONES = 12
MOST_SERIES = 5
OTHER = "other"

UNITS: dict[str, Callable[[float], Figure]] = {
    "count": lambda number: formatting.count(round(number)),
    "tokens": formatting.tokens,
    "bytes": formatting.size,
    "usd": formatting.money,
    "ms": formatting.duration,
    "share": formatting.share,
    "rate": formatting.rate,
}


ToRequests = Callable[[Mapping[str, str], Slot | None], str]


@dataclass(frozen=True, slots=True)
class ChartRow:
    """The numbers of one slot, each with the address of its requests or ""."""

    slot: Slot
    href: str
    cells: list[tuple[Figure, str]]


@dataclass(frozen=True, slots=True)
class Series:
    """One line, or one layer of the bars. A value is None where there is nothing to tell.

    shade   0, or more for series whose name has the same tone as another's in this chart
    asked   filters of the requests behind it; None where no filters have just these
    """

    name: str
    values: tuple[float | None, ...]
    tone: str = ""
    shade: int = 0
    asked: Mapping[str, str] | None = None

    @property
    def total(self) -> float:
        return sum(value or 0 for value in self.values)


@dataclass(frozen=True, slots=True)
class Chart:
    """`kind`: bars (stacked) or lines. `unit`: one of UNITS.

    marks   numbers of slots where something happened, and what;  head   what the slots are
    to      where the requests of some filters, of one slot or of all, are shown
    """

    id: str
    title: str
    kind: str
    unit: str
    slots: tuple[Slot, ...]
    series: tuple[Series, ...]
    note: str = ""
    empty: str = "Nothing in this time."
    marks: tuple[tuple[int, str], ...] = ()
    head: str = "Time"
    to: ToRequests | None = None

    @property
    def is_empty(self) -> bool:
        return not any(value for one in self.series for value in one.values)

    def data(self) -> dict[str, Any]:
        """For charts.js. Money in dollars, times in seconds, shares in per cent."""
        scale = _SCALES.get(self.unit, 1)
        return {
            "kind": self.kind,
            "unit": self.unit,
            "labels": [slot.label for slot in self.slots],
            "titles": [slot.title for slot in self.slots],
            "marks": [{"slot": number, "text": text} for number, text in self.marks],
            "incomplete": [n for n, slot in enumerate(self.slots) if not slot.complete],
            "hrefs": [self.href({}, slot) for slot in self.slots] if self.to else [],
            "series": [
                {
                    "name": one.name,
                    "tone": one.tone or tone(one.name),
                    "shade": one.shade,
                    "href": self.href(one.asked),
                    "query": urlencode(one.asked or {}),
                    "values": [None if v is None else v * scale for v in one.values],
                    "texts": [figure(self.unit, v).text for v in one.values],
                }
                for one in self.series
            ],
        }

    def href(self, asked: Mapping[str, str] | None, slot: Slot | None = None) -> str:
        """Where the requests behind a series, a slot or both are shown; "" for nowhere."""
        return "" if self.to is None or asked is None else self.to(asked, slot)

    def heads(self) -> list[tuple[str, str]]:
        """The names of the series, each with the address of its requests."""
        return [(one.name, self.href(one.asked)) for one in self.series]

    def rows(self) -> list[ChartRow]:
        """The table with the same numbers, newest first."""
        rows = [
            ChartRow(slot, self.href({}, slot), [self._cell(one, n) for one in self.series])
            for n, slot in enumerate(self.slots)
        ]
        return rows[::-1]

    def _cell(self, one: Series, number: int) -> tuple[Figure, str]:
        value = one.values[number]
        href = self.href(one.asked, self.slots[number]) if value else ""
        return figure(self.unit, value), href


_SCALES = {"usd": 1e-9, "ms": 1e-3, "share": 100}


def figure(unit: str, value: float | None) -> Figure:
    return NOTHING if value is None else UNITS[unit](value)


def tone(name: str) -> str:
    """The colour that belongs to a name, everywhere and always."""
    return f"c{crc32(name.encode()) % TONES}"


def leading(series: Iterable[Series], most: int = MOST_SERIES) -> tuple[Series, ...]:
    """The greatest series, greatest first; the rest added up as "other"."""
    ranked = sorted(series, key=lambda one: (-one.total, one.name))
    count = most_named(len(ranked), most)
    rest = [one.values for one in ranked[count:]]
    return with_others(ranked[:count], _added(rest) if rest else None)


def most_named(count: int, most: int = MOST_SERIES) -> int:
    """How many of so many series have a layer of their own."""
    return count if count <= most else most - 1


def with_others(
    shown: Sequence[Series], others: tuple[float | None, ...] | None
) -> tuple[Series, ...]:
    """`others`: the values of all others together, None where there are none."""
    if others is None:
        return _shaded(shown)
    return (*_shaded(shown), Series(OTHER, others, "quiet"))


def _shaded(series: Sequence[Series]) -> tuple[Series, ...]:
    """Names with the same tone get different shades of it."""
    seen: dict[str, int] = {}
    found = []
    for one in series:
        own = one.tone or tone(one.name)
        found.append(replace(one, tone=own, shade=seen.get(own, 0)))
        seen[own] = seen.get(own, 0) + 1
    return tuple(found)


def _added(columns: Sequence[Sequence[float | None]]) -> tuple[float | None, ...]:
    return tuple(sum(value or 0 for value in values) for values in zip(*columns, strict=True))
