"""Times as scripts and commands name them: 7d, 2026-11-01, Europe/Berlin; the last hours; and the
zone of whoever reads a page."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from urllib.parse import unquote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.utils import timezone

HOUR = timedelta(hours=1)
SPANS = {"h": HOUR, "d": timedelta(days=1), "w": timedelta(weeks=1)}
EXPECTED = "expected 24h, 7d, 4w, or a date such as 2026-11-01"


def zone_called(name: str) -> tzinfo:
    """Raises ValueError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name} is not known; try Europe/Berlin") from None


ZONE_COOKIE = "zone"
"""In which a browser says where its clock is set: the scripts of our pages write it."""


def visitor_zone(asked: str, cookie: str) -> ZoneInfo:
    """The zone that an address asks for, else that of the browser's cookie, else UTC."""
    for name in filter(None, (asked, unquote(cookie))):
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            continue
    return ZoneInfo("UTC")


def exactly(at: datetime) -> str:
    """A moment by the clock of whoever reads the page, with its zone: UTC where nobody does."""
    local = timezone.localtime(at)
    return f"{local:%Y-%m-%d %H:%M} {timezone.get_current_timezone_name()}"


def full_hour(text: str, zone: tzinfo) -> datetime:
    """The full hour (UTC) that this means: so long ago, or the moment itself. ValueError: neither.

    A date without a zone of its own is one of `zone`.
    """
    span = re.fullmatch(r"([0-9]{1,5})([hdw])", text)
    try:
        if span:
            when = datetime.now(UTC) - int(span[1]) * SPANS[span[2]]
        else:
            when = datetime.fromisoformat(text)
        when = when if when.tzinfo else when.replace(tzinfo=zone)
        return when.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    except (ValueError, OverflowError):
        raise ValueError(EXPECTED) from None


def end_of_day(text: str, zone: tzinfo) -> datetime:
    """The full hour (UTC) at which this day is over in `zone`. ValueError: it is no date."""
    try:
        following = date.fromisoformat(text) + timedelta(days=1)
    except (ValueError, OverflowError):
        raise ValueError("expected a date such as 2026-11-30") from None
    return full_hour(following.isoformat(), zone)


def last_hours(now: datetime, count: int) -> tuple[datetime, datetime]:
    """So many whole hours of UTC and the running one: from the first up to the end, exclusive."""
    running = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return running - count * HOUR, running + HOUR
