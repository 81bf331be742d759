"""What the clock on a wall shows, which hours of UTC that means, how people say it. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from bridge.spans import HOUR

DAY = timedelta(days=1)


def floor(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def midnight_of(moment: datetime) -> datetime:
    """The last midnight of UTC."""
    return floor(moment).replace(hour=0)


def midnight(day: date) -> datetime:
    return datetime.combine(day, time())


def wall_time(moment: datetime, zone: ZoneInfo) -> datetime:
    """What the clock on the wall shows at the beginning of that hour of UTC."""
    return floor(moment).astimezone(zone).replace(tzinfo=None)


def first_hour(wall: datetime, zone: ZoneInfo) -> datetime:
    """The first hour of UTC that does not begin before the wall clock shows this. A time with an
    offset is taken as it is."""
    exact = (wall if wall.tzinfo else wall.replace(tzinfo=zone)).astimezone(UTC)
    whole = floor(exact)
    return whole if whole == exact else whole + HOUR


def spoken(first: datetime, last: datetime) -> str:
    """From one local moment to another, `last` exclusive: "3 Mar 2025, 14:00 to 15:00"."""
    begins_day = first.time() < time(1) and last.time() < time(1)
    final = last - DAY if begins_day else last
    if begins_day and final.date() == first.date():
        return day_name(first)
    if begins_day:
        return f"{day_name(first)} to {day_name(final)}"
    if first.date() == last.date():
        return f"{day_name(first)}, {first:%H:%M} to {last:%H:%M}"
    return f"{day_name(first)}, {first:%H:%M} to {day_name(last)}, {last:%H:%M}"


def day_name(at: date) -> str:
    return f"{at:%a} {at.day} {at:%b %Y}"
