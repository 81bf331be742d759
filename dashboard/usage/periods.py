"""Which time a report covers, in whose time zone, in which steps, and what it is compared with.

Pure. Sums are kept by the hour of UTC, so a range begins and ends at whole hours of UTC, and an
hour belongs to the day in which it begins. Where the clock differs from UTC by half an hour, days
therefore begin half an hour after midnight.

A range that is still running contains the running hour. It is compared by its whole hours alone,
with the same hours of the period before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from enum import Enum
from zoneinfo import ZoneInfo

from bridge.spans import HOUR, last_hours
from dashboard.usage.wall_clock import (
    DAY,
    day_name,
    first_hour,
    floor,
    midnight,
    spoken,
    wall_time,
)

WEEK = 7 * DAY
LONGEST = 10 * 366 * DAY
DEFAULT = "24h"
CUSTOM = "custom"


class RangeError(ValueError):
    """What is wrong with a range that was asked for; names the parameter."""


class Step(Enum):
    """The length of one bar of a chart."""

    HOUR = "hour"
    SIX_HOURS = "6 hours"
    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Slot:
    """One bar of a chart. Moments in UTC, `end` exclusive."""

    start: datetime
    end: datetime
    label: str
    title: str
    complete: bool


@dataclass(frozen=True, slots=True)
class Range:
    """A time, from `start` up to `end` (exclusive), both whole hours of UTC.

    whole_until   end of its last hour that is over
    before        the same stretch of the period before, as long as the whole hours are; None: empty
    words         the range as a person says it;  before_words  what it is compared with
    """

    name: str
    zone: ZoneInfo
    start: datetime
    end: datetime
    now: datetime
    before: tuple[datetime, datetime] | None
    words: str
    before_words: str
    asked: Mapping[str, str] = field(default_factory=dict)

    @property
    def whole_until(self) -> datetime:
        return max(self.start, min(self.end, floor(self.now)))

    @property
    def is_running(self) -> bool:
        return self.whole_until < self.end

    @property
    def step(self) -> Step:
        length = self.end - self.start
        limits = ((2 * DAY + HOUR, Step.HOUR), (10 * DAY, Step.SIX_HOURS), (100 * DAY, Step.DAY))
        return next((step for limit, step in limits if length <= limit), Step.MONTH)

    @property
    def has_odd_hours(self) -> bool:
        """Whether hours of UTC do not begin at whole hours here."""
        return bool(self.start.astimezone(self.zone).minute)

    def slots(self) -> tuple[Slot, ...]:
        """The bars of a chart, oldest first, without gaps."""
        edges = [self.start, *_edges(self)]
        return tuple(self._slot(*pair) for pair in zip(edges, [*edges[1:], self.end], strict=True))

    def local(self, moment: datetime) -> datetime:
        return moment.astimezone(self.zone)

    def bounds(self, start: datetime, end: datetime) -> dict[str, str]:
        """A part of this range, as an address has it."""
        return {"from": self._written(start), "to": self._written(end)}

    def _written(self, moment: datetime) -> str:
        """A local time; the second hour of two that the clock shows alike with its offset."""
        at = self.local(moment)
        return at.isoformat() if at.fold else f"{at:%Y-%m-%dT%H:%M}"

    def _slot(self, start: datetime, end: datetime) -> Slot:
        first, last = self.local(start), self.local(end)
        label = _LABELS[self.step](first, end - start < 2 * HOUR)
        return Slot(start, end, label, spoken(first, last), end <= self.whole_until)


# --- from the address ---------------------------------------------------------------------------


def read(asked: Mapping[str, str], zone: ZoneInfo, now: datetime) -> Range:
    """The range of an address: its `range`, or its `from` and `to`. Raises RangeError."""
    if asked.get("from") or asked.get("to"):
        return _custom(asked, zone, now)
    name = asked.get("range") or DEFAULT
    if name not in NAMED:
        raise RangeError(f"range: expected one of {', '.join(NAMED)}, or from and to")
    return NAMED[name].build(zone, now)


def default(zone: ZoneInfo, now: datetime) -> Range:
    return NAMED[DEFAULT].build(zone, now)


@dataclass(frozen=True, slots=True)
class Named:
    """A range with a name. `build`: zone, now -> Range."""

    label: str
    hint: str
    build: Callable[[ZoneInfo, datetime], Range]


def _hours(name: str, count: int, words: str, before: str) -> Callable[[ZoneInfo, datetime], Range]:
    def build(zone: ZoneInfo, now: datetime) -> Range:
        start, end = last_hours(now, count)
        earlier = (start - count * HOUR, start)
        return Range(name, zone, start, end, now, earlier, words, before, {"range": name})

    return build


def _days(name: str, count: int) -> Callable[[ZoneInfo, datetime], Range]:
    def build(zone: ZoneInfo, now: datetime) -> Range:
        first = now.astimezone(zone).date() - (count - 1) * DAY
        earlier = (first - count * DAY, wall_time(now, zone) - count * DAY)
        words = f"the last {count} days", f"the {count} days before, up to the same hour"
        return _from_days(name, zone, now, first, earlier, words)

    return build


def _week(zone: ZoneInfo, now: datetime) -> Range:
    first = _monday(zone, now)
    earlier = (first - WEEK, wall_time(now, zone) - WEEK)
    words = f"this week, from {day_name(first)}", "the week before, up to the same hour"
    return _from_days("week", zone, now, first, earlier, words)


def _month(zone: ZoneInfo, now: datetime) -> Range:
    wall = wall_time(now, zone)
    first = wall.date().replace(day=1)
    previous = (first - DAY).replace(day=1)
    earlier = (previous, datetime.combine(previous, time()) + (wall - midnight(first)))
    words = f"{first:%B %Y}", f"{previous:%B %Y}, up to the same hour"
    return _from_days("month", zone, now, first, earlier, words)


def _from_days(
    name: str,
    zone: ZoneInfo,
    now: datetime,
    first: date,
    earlier: tuple[date, datetime],
    words: tuple[str, str],
) -> Range:
    """From the midnight before `first` to now. `earlier`: wall clock of the period before."""
    start = first_hour(midnight(first), zone)
    begin = first_hour(midnight(earlier[0]), zone)
    until = min(first_hour(earlier[1], zone), start)
    before = (begin, until) if begin < until and start < floor(now) else None
    return Range(name, zone, start, floor(now) + HOUR, now, before, *words, {"range": name})


# Periods that are over: from a midnight to a midnight, against the one before.


def _yesterday(zone: ZoneInfo, now: datetime) -> Range:
    today = now.astimezone(zone).date()
    day = _day_before(today, zone)
    return _over("yesterday", zone, now, (_day_before(day, zone), day, today), "the day before")


def _last_week(zone: ZoneInfo, now: datetime) -> Range:
    monday = _monday(zone, now)
    days = (monday - 2 * WEEK, monday - WEEK, monday)
    return _over("last-week", zone, now, days, "the week before")


def _last_month(zone: ZoneInfo, now: datetime) -> Range:
    this = now.astimezone(zone).date().replace(day=1)
    last = (this - DAY).replace(day=1)
    before = (last - DAY).replace(day=1)
    return _over("last-month", zone, now, (before, last, this), f"{before:%B %Y}")


def _over(
    name: str, zone: ZoneInfo, now: datetime, days: tuple[date, date, date], before_words: str
) -> Range:
    """`days`: the first of the period before, the first of it, and the first behind it."""
    before, start, end = (first_hour(midnight(day), zone) for day in days)
    words = spoken(start.astimezone(zone), end.astimezone(zone))
    asked = {"range": name}
    return Range(name, zone, start, end, now, (before, start), words, before_words, asked)


def _day_before(day: date, zone: ZoneInfo) -> date:
    """The last one that there was: a zone that crosses the date line skips a day."""
    return (first_hour(midnight(day), zone) - HOUR).astimezone(zone).date()


def _monday(zone: ZoneInfo, now: datetime) -> date:
    day = now.astimezone(zone).date()
    return day - day.weekday() * DAY


NAMED: dict[str, Named] = {
    "1h": Named(
        "1 h",
        "the last whole hour and the running one",
        _hours("1h", 1, "the last whole hour and this one", "the hour before"),
    ),
    "24h": Named(
        "24 h",
        "the last 24 whole hours and the running one",
        _hours("24h", 24, "the last 24 hours", "the 24 hours before"),
    ),
    "7d": Named("7 d", "today and the 6 days before", _days("7d", 7)),
    "30d": Named("30 d", "today and the 29 days before", _days("30d", 30)),
    "90d": Named("90 d", "today and the 89 days before", _days("90d", 90)),
    "week": Named("This week", "from Monday", _week),
    "month": Named("This month", "from the first of the month", _month),
    "yesterday": Named("Yesterday", "from midnight to midnight", _yesterday),
    "last-week": Named("Last week", "from Monday to Sunday", _last_week),
    "last-month": Named("Last month", "all of the month before this one", _last_month),
}


def _custom(asked: Mapping[str, str], zone: ZoneInfo, now: datetime) -> Range:
    end_of_now = floor(now) + HOUR
    start = first_hour(_asked(asked, "from", False), zone)
    end = first_hour(_asked(asked, "to", True), zone) if asked.get("to") else end_of_now
    end = min(end, end_of_now)
    if end <= start:
        raise RangeError("to: expected a time after `from`, and `from` before now")
    if end - start > LONGEST:
        raise RangeError("from: expected at most ten years before `to`")
    whole = max(start, min(end, floor(now)))
    length = wall_time(end, zone) - wall_time(start, zone)
    begin, until = (first_hour(wall_time(m, zone) - length, zone) for m in (start, whole))
    before = (begin, min(until, start)) if begin < until and start < whole else None
    words = spoken(start.astimezone(zone), end.astimezone(zone))
    bounds = {name: asked[name] for name in ("from", "to") if asked.get(name)}
    return Range(CUSTOM, zone, start, end, now, before, words, "as long a time before", bounds)


def _asked(asked: Mapping[str, str], name: str, is_end: bool) -> datetime:
    """A date or a local time of the address as wall clock, unless it names its offset; a date as
    `to` includes its day."""
    text = asked.get(name, "")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or not 1971 <= moment.year <= 9000:
        raise RangeError(f"{name}: expected a date such as 2025-03-01, or 2025-03-01T14:00")
    return moment + DAY if is_end and len(text) == 10 else moment


# --- bars ---------------------------------------------------------------------------------------


def _edges(span: Range) -> Iterator[datetime]:
    """The moments within a range where one bar ends and the next begins."""
    if span.step is Step.HOUR:
        count = (span.end - span.start) // HOUR
        yield from (span.start + number * HOUR for number in range(1, count))
        return
    wall, last = midnight(span.local(span.start).date()), span.start
    while True:
        wall = _next(wall, span.step)
        edge = first_hour(wall, span.zone)
        if edge >= span.end:
            return
        # A zone that crosses the date line skips a day, which has no bar.
        if edge > last:
            yield edge
            last = edge


def _next(wall: datetime, step: Step) -> datetime:
    if step is Step.MONTH:
        return (wall.replace(day=1) + 32 * DAY).replace(day=1)
    return wall + (DAY if step is Step.DAY else 6 * HOUR)


_LABELS: dict[Step, Callable[[datetime, bool], str]] = {
    Step.HOUR: lambda at, _: f"{at:%H:%M}" if at.hour else f"{at:%a} {at.day}",
    Step.SIX_HOURS: lambda at, _: f"{at:%H:%M}" if at.hour >= 6 else f"{at:%a} {at.day}",
    Step.DAY: lambda at, _: f"{at.day} {at:%b}",
    Step.MONTH: lambda at, _: f"{at:%b %Y}",
}
