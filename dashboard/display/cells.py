"""Cells of tables: how each kind of value is written on the page and in an export."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from bridge.keys.limits import NANO
from dashboard.display import formatting
from dashboard.display.formatting import Figure


@dataclass(frozen=True, slots=True)
class Meter:
    """How much of a limit is used. `used` and `most` in the unit that `unit` names."""

    used: float
    most: float
    unit: str
    words: str = ""

    @property
    def part(self) -> float:
        return self.used / self.most if self.most else 1.0


@dataclass(frozen=True, slots=True)
class StateCell:
    """A word with the shape and colour of a state."""

    word: str
    tone: str

    def __str__(self) -> str:
        return self.word


@dataclass(frozen=True, slots=True)
class Clock:
    now: datetime
    zone: ZoneInfo


def written(figure: Figure) -> SafeString:
    """A figure, with its exact value on hover."""
    if not figure.title or figure.title == figure.text:
        return format_html("{}", figure.text)
    return format_html('<span title="{}">{}</span>', figure.title, figure.text)


def html(kind: str, value: Any, clock: Clock) -> SafeString:
    """A value as it stands on the page."""
    if value is None or value == "":
        return format_html('<span class="none">{}</span>', formatting.UNKNOWN)
    return KINDS[kind](value, clock)


def time(at: datetime, clock: Clock) -> SafeString:
    figure = formatting.ago(at, clock.now, clock.zone)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', at.isoformat(), figure.title, figure.text
    )


def state(value: StateCell, _: Clock | None = None) -> SafeString:
    return format_html(
        '<span class="state {}"><span class="dot" aria-hidden="true"></span>{}</span>',
        value.tone,
        value.word,
    )


def meter(value: Meter, _: Clock | None = None) -> SafeString:
    part = value.part
    return format_html(
        '<span class="limit {}"><progress max="100" value="{}">{}</progress>'
        '<span title="{}">{}</span></span>',
        "bad" if part >= 1 else "warn" if part >= 0.8 else "",
        round(min(part, 1) * 100),
        formatting.share(part).text,
        value.words,
        formatting.share(part).text,
    )


SPARK_WIDTH, SPARK_HEIGHT = 96, 24
_RUNNING = format_html(' class="{}"', "running")


@dataclass(frozen=True, slots=True)
class Trend:
    """A value for each bar of a chart; `running`: the last one is not over yet."""

    values: tuple[float, ...]
    running: bool = False


def spark(trend: Trend, _: Clock | None = None) -> SafeString:
    """A row of tiny bars; one that is not over yet is paler."""
    values = trend.values
    most = max(values, default=0)
    if not most:
        return format_html('<span class="none">{}</span>', formatting.UNKNOWN)
    step = SPARK_WIDTH / len(values)
    bars = format_html_join(
        "",
        '<rect x="{}" y="{}" width="{}" height="{}"{}/>',
        (
            (
                f"{number * step:.1f}",
                f"{SPARK_HEIGHT - _height(value, most):.1f}",
                f"{max(step - 1, step * 0.7):.1f}",
                f"{_height(value, most):.1f}",
                _RUNNING if trend.running and number == len(values) - 1 else "",
            )
            for number, value in enumerate(values)
        ),
    )
    return format_html(
        '<svg class="sparkline" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>',
        SPARK_WIDTH,
        SPARK_HEIGHT,
        f"at most {formatting.whole(round(most))} in one bar",
        bars,
    )


def _height(value: float, most: float) -> float:
    """What is not nothing is seen."""
    return max(SPARK_HEIGHT * value / most, 1.5) if value else 0.0


def names(values: tuple[str, ...], _: Clock | None = None) -> SafeString:
    """Names that models choose: none turns the order of those beside it around."""
    return format_html_join(", ", "<bdi>{}</bdi>", ((name,) for name in values))


DEEPEST = 6
"""Levels of a tree that are drawn apart."""


@dataclass(frozen=True, slots=True)
class Branch:
    """A line of a tree. `title`: all of what `text` shortens."""

    text: str
    depth: int
    title: str = ""

    def __str__(self) -> str:
        return self.title or self.text


def branch(value: Branch, _: Clock | None = None) -> SafeString:
    return format_html(
        '<span class="branch depth-{}" title="{}">{}</span>',
        min(value.depth, DEEPEST),
        value.title,
        value.text,
    )


def tool_times(times: Mapping[str, int], _: Clock | None = None) -> SafeString:
    """How long each tool ran, by name. A name reads in its own direction, its time behind it."""
    return format_html_join(
        ", ",
        '<span class="together"><bdi>{}</bdi> {}</span>',
        ((name, written(formatting.duration(ms))) for name, ms in times.items()),
    )


SHOWN_OF_ID = 16
_UUID = re.compile(r"(?P<first>[0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f-]{17}", re.I)


def short_id(value: str, _: Clock | None = None) -> SafeString:
    """The beginning of an id, all of it on hover."""
    uuid = _UUID.match(value)
    beginning = uuid["first"] if uuid else value[:SHOWN_OF_ID]
    return _shortened(value, f"{beginning}…" if beginning != value else value)


def short_model(value: str, _: Clock | None = None) -> SafeString:
    """A model without its vendor, all of it on hover."""
    return _shortened(value, value.rpartition("/")[2] or value)


def _shortened(value: str, shown: str) -> SafeString:
    if shown == value:
        return format_html("{}", value)
    return format_html('<span title="{}">{}</span>', value, shown)


def _figure(make: Callable[[Any], Figure]) -> Callable[[Any, Clock], SafeString]:
    return lambda value, _: written(make(value))


KINDS: dict[str, Callable[[Any, Clock], SafeString]] = {
    "text": lambda value, _: format_html("{}", value),
    "name": lambda value, _: format_html("{}", value),
    "names": names,
    "id": short_id,
    "model": short_model,
    "models": lambda values, _: format_html_join(", ", "{}", ((short_model(v),) for v in values)),
    "count": _figure(formatting.count),
    "tokens": _figure(formatting.tokens),
    "bytes": _figure(formatting.size),
    "money": _figure(formatting.money),
    "ms": _figure(formatting.duration),
    "share": _figure(formatting.share),
    "rate": _figure(formatting.rate),
    "change": _figure(formatting.growth),
    "time": time,
    "state": state,
    "meter": meter,
    "spark": spark,
    "branch": branch,
    "tool_times": tool_times,
}

# --- exports ------------------------------------------------------------------------------------

UNITS = {"money": "_usd", "ms": "_ms", "bytes": "_bytes"}
"""Kind -> what is put behind a column's name in an export."""

PLAIN: dict[str, Callable[[Any, ZoneInfo], Any]] = {
    "money": lambda nano, _: round(nano) / NANO,
    "ms": lambda ms, _: round(ms),
    "share": lambda part, _: round(part, 6),
    "rate": lambda rate, _: round(rate, 3),
    "change": lambda part, _: round(part, 4),
    "tokens": lambda number, _: round(number),
    "bytes": lambda number, _: round(number),
    "time": lambda at, zone: at.astimezone(zone).isoformat(timespec="milliseconds"),
    "state": lambda value, _: value.word,
    "names": lambda values, _: ", ".join(values),
    "models": lambda values, _: ", ".join(values),
    "meter": lambda value, _: round(value.part, 6),
    "branch": lambda value, _: str(value),
    "tool_times": lambda times, _: dict(times),
    "text": lambda value, _: str(value),
    "name": lambda value, _: str(value),
    "spark": lambda trend, _: list(trend.values),
}
"""Kind -> a value exactly, as JSON takes it: money in dollars, times with their offset. Other kinds
are written as they are."""
