"""The charts that several pages have, made of the sums of a range. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dashboard.display.charts import Chart, Series, ToRequests, leading, tone
from dashboard.usage.periods import Slot
from dashboard.usage.totals import Totals

OUTCOMES: tuple[tuple[str, str, Callable[[Totals], int]], ...] = (
    ("answered", "answered", lambda t: t.answered),
    ("abandoned", "quiet", lambda t: t["abandoned"]),
    ("refused", "warn", lambda t: t["refused"]),
    ("error", "bad", lambda t: t["errors"]),
)
"""Name, tone, count. Together they are all requests."""
SLOWEST = {"outcome": "answered", "sort": "-first_token"}
"""The requests by which percentiles are explained."""


@dataclass(frozen=True, slots=True)
class Behind:
    """The requests that a chart is about: where they are shown, and the filters that they share."""

    to: ToRequests
    asked: Mapping[str, str] = field(default_factory=dict)

    def only(self, **filters: str) -> Mapping[str, str]:
        return {**self.asked, **filters}

    def within(self, filters: Mapping[str, str], slot: Slot | None) -> str:
        return self.to(self.only(**filters), slot)


def requests(
    slots: tuple[Slot, ...], sums: Sequence[Totals], behind: Behind | None = None
) -> Chart:
    """Stacked by outcome."""
    series = tuple(
        Series(name, tuple(float(count(t)) for t in sums), tone, asked={"outcome": name})
        for name, tone, count in OUTCOMES
    )
    shown = tuple(one for one in series if one.total)
    note = "Sums are kept by the hour: a shorter time has no more bars." if len(slots) <= 2 else ""
    to = behind.within if behind else None
    return Chart("requests", "Requests by outcome", "bars", "count", slots, shown, note, to=to)


def first_token(
    slots: tuple[Slot, ...], sums: Sequence[Totals], behind: Behind | None = None
) -> Chart:
    lines = (("half within", "a", 0.5), ("95 % within", "b", 0.95))
    series = tuple(
        Series(name, tuple(t.first_token(part) for t in sums), tone, asked=SLOWEST)
        for name, tone, part in lines
    )
    return Chart(
        "first-token",
        "Time to the first token",
        "lines",
        "ms",
        slots,
        series,
        empty="No answer began in this time.",
        to=behind.within if behind else None,
    )


def speed(slots: tuple[Slot, ...], sums: Sequence[Totals], behind: Behind | None = None) -> Chart:
    speeds = tuple(t.tokens_per_second for t in sums)
    line = Series("tokens a second", speeds, "a", asked={"outcome": "answered"})
    return Chart(
        "speed",
        "Tokens a second, after the first",
        "lines",
        "rate",
        slots,
        (line,),
        empty="Nothing was generated in this time.",
        to=behind.within if behind else None,
    )


def tokens(slots: tuple[Slot, ...], sums: Sequence[Totals]) -> Chart:
    """Stacked: what was new, what came from a cache, what was generated."""
    kinds: tuple[tuple[str, str, Callable[[Totals], int]], ...] = (
        ("cached", "b", lambda t: t["cache_read_tokens"]),
        ("new input", "a", lambda t: t["input_tokens"] + t["cache_write_tokens"]),
        ("output", "answered", lambda t: t["output_tokens"]),
    )
    series = tuple(
        Series(name, tuple(float(count(t)) for t in sums), tone) for name, tone, count in kinds
    )
    return Chart("tokens", "Tokens", "bars", "tokens", slots, tuple(s for s in series if s.total))


def by_name(
    id: str,
    title: str,
    unit: str,
    slots: tuple[Slot, ...],
    groups: Iterable[tuple[str, str, Sequence[Totals]]],
    read: Callable[[Totals], float],
    behind: Behind | None = None,
    filter: str = "",
) -> Chart:
    """Stacked by (name, what its colour comes from, sums): the greatest, the rest as "other".

    `filter`: the one that has what the colour comes from as its value.
    """
    series = [
        Series(
            name,
            tuple(float(read(t)) for t in sums),
            tone(seed),
            asked={filter: seed} if behind else None,
        )
        for name, seed, sums in groups
    ]
    shown = leading(one for one in series if one.total)
    return Chart(id, title, "bars", unit, slots, shown, to=behind.within if behind else None)
