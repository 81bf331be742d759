"""Columns that tables of several pages have. Rows carry their sums as `sums`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Any

from dashboard.display.cells import Trend
from dashboard.pages.page import Frame
from dashboard.tables.table import Column
from dashboard.usage.totals import Totals


def summed(
    name: str, title: str, kind: str, read: Callable[[Totals], Any], hint: str = ""
) -> Column:
    """A column that reads the sums of a row's whole range."""
    return Column(name, title, kind, lambda row: read(row.sums.total), hint)


def change() -> Column:
    """How tokens changed against the period before."""

    def grown(row: Any) -> float | None:
        before: int = row.sums.before.tokens
        return row.sums.whole.tokens / before - 1 if before else None

    return Column(
        "tokens_change",
        "Change",
        "change",
        grown,
        "Of the tokens, against the period before; whole hours on both sides",
    )


_BEHIND: Mapping[str, Mapping[str, str]] = {
    "requests": {},
    "error_share": {"outcome": "error"},
    "cost": {"sort": "-cost"},
    "cost_per_answer": {"outcome": "answered", "sort": "-cost"},
    "first_token_p50": {"outcome": "answered", "sort": "-first_token"},
    "first_token_p95": {"outcome": "answered", "sort": "-first_token"},
    "repaired_share": {"trait": "repaired"},
}
"""Column -> filters of the requests behind its number."""


def drilled(
    frame: Frame, columns: Iterable[Column], asked: Callable[[Any], Mapping[str, str]]
) -> list[Column]:
    """The columns with a way to the requests behind each number. `asked`: row -> its filters."""

    def to(filters: Mapping[str, str], column: Column) -> Callable[[Any], str]:
        return lambda row: frame.to_requests({**asked(row), **filters}) if column.of(row) else ""

    return [
        replace(column, link=to(_BEHIND[column.name], column)) if column.name in _BEHIND else column
        for column in columns
    ]


REQUESTS = summed("requests", "Requests", "count", lambda t: t.requests)
TOKENS = summed("tokens", "Tokens", "tokens", lambda t: t.tokens, "Whole prompts and answers")
CACHED = summed(
    "cached_share",
    "Cached",
    "share",
    lambda t: t.cached_share,
    "How much of the prompts the backend read from its cache",
)
COST = summed("cost", "Cost", "money", lambda t: t.cost, "Of requests whose price is known")
ERRORS = summed("error_share", "Errors", "share", lambda t: t.error_share, "Status 500 and more")
FIRST_TOKEN = summed(
    "first_token_p50",
    "First token",
    "ms",
    lambda t: t.first_token(0.5),
    "Half of the answers began within this time",
)
SLOW_FIRST_TOKEN = summed(
    "first_token_p95",
    "95 %",
    "ms",
    lambda t: t.first_token(0.95),
    "95 % of the answers began within this time",
)
SPEED = summed(
    "tokens_per_second",
    "Speed",
    "rate",
    lambda t: t.tokens_per_second,
    "Tokens a second, after the first one",
)
REPAIRED = summed(
    "repaired_share",
    "Repaired",
    "share",
    lambda t: t.repaired_share,
    "Answers in which something was mended, such as the arguments of a tool call",
)
SUMS = [
    replace(summed(name, title, kind, itemgetter(name)), shown=False, sorts=False)
    for name, title, kind in (
        ("input_tokens", "Input", "tokens"),
        ("output_tokens", "Output", "tokens"),
        ("cache_read_tokens", "Read from cache", "tokens"),
        ("cache_write_tokens", "Written to cache", "tokens"),
        ("errors", "Errors", "count"),
        ("refused", "Refused", "count"),
        ("abandoned", "Abandoned", "count"),
        ("unpriced", "Without a price", "count"),
    )
]
"""What files have of each line, and the page has no room for."""
COST_EACH = summed(
    "cost_per_answer",
    "An answer costs",
    "money",
    lambda t: t.cost_per_request,
    "The cost, divided by the answered requests",
)
LAST_USED = Column("last_used", "Last used", "time", lambda row: row.sums.last_hour, "To the hour")


BarsOf = Callable[[Any], Sequence[Totals]]
"""Row -> its sums, bar by bar."""


def trend(frame: Frame, bars: BarsOf) -> Column:
    """Requests over the range, bar by bar."""
    return Column(
        "trend",
        "Over time",
        "spark",
        lambda row: Trend(tuple(t.requests for t in bars(row)), frame.range.is_running),
        "Requests, bar by bar as in the chart",
        sorts=False,
    )


def use(frame: Frame, bars: BarsOf) -> list[Column]:
    """What a key, a person or a team used."""
    return [
        trend(frame, bars),
        REQUESTS,
        TOKENS,
        *([change()] if frame.compares else []),
        CACHED,
        COST,
        ERRORS,
        *SUMS,
    ]
