"""The chart at the top of keys, people and teams: whose tokens they were."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from dashboard.display.chart_builders import Behind
from dashboard.display.charts import Chart, Series, most_named, tone, with_others
from dashboard.pages.page import Frame
from dashboard.queries.hours import Group
from dashboard.queries.sums.bars import Bars


@dataclass(frozen=True, slots=True)
class Charted:
    """One group: what it is called, where its colour comes from and what a filter of requests has
    as its value, and its tokens in the whole range."""

    name: str
    seed: str
    group: Group
    tokens: int


def tokens_by_name(
    frame: Frame,
    title: str,
    groups: Sequence[Charted],
    left_out: Collection[Group],
    bars: Bars,
    filter: str,
) -> Chart:
    """Stacked: the greatest, the rest as "other". `left_out`: what filters of the page hide.

    Two queries at most, three with filters.
    """
    found = sorted((one for one in groups if one.tokens), key=lambda one: (-one.tokens, one.name))
    named = found[: most_named(len(found))]
    bars.read(one.group for one in named)
    to = Behind(frame.to_requests).within
    series = [
        Series(one.name, _tokens(bars, one.group), tone(one.seed), asked={filter: one.seed})
        for one in named
    ]
    rest = [one.group for one in found[len(named) :]]
    others = _others(bars, series, rest, left_out) if rest else None
    slots = frame.range.slots()
    return Chart("tokens", title, "bars", "tokens", slots, with_others(series, others), to=to)


def _tokens(bars: Bars, group: Group) -> tuple[float, ...]:
    return tuple(float(total.tokens) for total in bars.of(group))


def _others(
    bars: Bars, named: Sequence[Series], rest: Collection[Group], left_out: Collection[Group]
) -> tuple[float, ...]:
    """The bars of the rest: its own, or what the others leave of all, whichever are fewer."""
    if len(rest) <= len(left_out):
        bars.read(rest)
        return _added([_tokens(bars, group) for group in rest])
    bars.read(left_out)
    others = [one.values for one in named] + [_tokens(bars, group) for group in left_out]
    every = tuple(float(total.tokens) for total in bars.everything)
    return tuple(a - b for a, b in zip(every, _added(others), strict=True))


def _added(columns: Sequence[Sequence[float | None]]) -> tuple[float, ...]:
    return tuple(sum(value or 0 for value in values) for values in zip(*columns, strict=True))
