"""The query string of /v1/usage: whose use, of which time, in which groups. Pure.

Sums are kept by the hour of UTC, so a time begins and ends at full hours.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import TypeVar
from urllib.parse import parse_qsl

from bridge.keys.authentication import Caller, Principal
from bridge.spans import zone_called
from bridge.translation.errors.api_error import ApiError

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
DEFAULT_LENGTH = 7 * DAY
LONGEST = 366 * DAY
LONGEST_BY_HOUR = 31 * DAY
YEARS = range(1971, 9000)
GROUPS = ("model", "day", "hour", "class", "key")
SCOPES = ("key", "person")
PARAMETERS = ("from", "to", "by", "of", "timezone")
LONGEST_QUERY = 1000
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?"
    r"([Zz]|[ +-][0-9]{2}:[0-9]{2})"
)
NO_PERSON = "this key belongs to no person"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class UsageQuestion:
    """What is asked. Two that are equal have the same answer.

    key_id, fingerprint   the key that asks: the number of an issued one, or a fingerprint
    person_id   the person whose keys are all meant; 0: the key alone
    start, end  full hours of UTC, `end` exclusive
    zone        where days begin;  zone_name  as it was asked for
    by          one of GROUPS; "" for sums alone
    """

    key_id: int
    fingerprint: str
    person_id: int
    start: datetime
    end: datetime
    by: str = ""
    zone_name: str = "UTC"
    zone: tzinfo = field(default=UTC, compare=False)

    @property
    def asker(self) -> tuple[int, str]:
        return self.key_id, self.fingerprint


def question_of(query: str, caller: Caller, now: datetime) -> UsageQuestion:
    """Raises a 400 that names the parameter. `query`: as it came; `now`: of UTC."""
    asked = _parameters(query)
    zone_name = asked.get("timezone") or "UTC"
    zone = _meant("timezone", lambda: zone_called(zone_name[:100]))
    start, end = _time(asked, zone, now)
    by = _one_of("by", asked.get("by", ""), ("", *GROUPS))
    if by == "hour" and end - start > LONGEST_BY_HOUR:
        raise _invalid("from", f"expected at most {LONGEST_BY_HOUR.days} days before `to` by hour")
    issued = caller.issued
    return UsageQuestion(
        key_id=issued.id if issued else 0,
        fingerprint="" if issued else caller.fingerprint,
        person_id=_person(asked, issued.person if issued else None),
        start=start,
        end=end,
        by=by,
        zone_name=zone_name,
        zone=zone,
    )


def _parameters(query: str) -> Mapping[str, str]:
    if len(query) > LONGEST_QUERY:
        raise _invalid("query", f"expected at most {LONGEST_QUERY} characters")
    found: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in PARAMETERS:
            problem = f"no such parameter; there are {', '.join(PARAMETERS)}"
            raise _invalid(name if name.isprintable() else "query", problem)
        if name in found:
            raise _invalid(name, "given more than once")
        found[name] = value
    return found


def _person(asked: Mapping[str, str], person: Principal | None) -> int:
    if _one_of("of", asked.get("of") or "key", SCOPES) == "key":
        return 0
    if person is None:
        raise _invalid("of", NO_PERSON)
    return person.id


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise _invalid(name, f"expected one of {', '.join(filter(None, allowed))}")
    return value


# --- the time -------------------------------------------------------------------------------------


def _time(asked: Mapping[str, str], zone: tzinfo, now: datetime) -> tuple[datetime, datetime]:
    """Full hours that hold all from `from` up to `to`, of those that have begun."""
    running = _floor(now) + HOUR
    to, since = asked.get("to", ""), asked.get("from", "")
    end = min(_ceiling(_moment("to", to, zone, DAY)), running) if to else running
    start = _floor(_moment("from", since, zone)) if since else end - DEFAULT_LENGTH
    if start >= running:
        raise _invalid("from", "expected a moment that is not in the future")
    if start >= end:
        raise _invalid("to", "expected a time after `from`")
    if end - start > LONGEST:
        raise _invalid("from", f"expected at most {LONGEST.days} days before `to`")
    return start, end


def _moment(name: str, text: str, zone: tzinfo, whole_day: timedelta = timedelta()) -> datetime:
    """A date is the midnight before it, or after it with `whole_day`: of `zone`."""
    if _DATE.fullmatch(text):
        day = _meant(name, lambda: datetime.fromisoformat(text))
        _check_year(name, day)
        return datetime.combine(day + whole_day, time(), zone).astimezone(UTC)
    if not _MOMENT.fullmatch(text):
        raise _expected(name)
    # a plus sign that is not encoded arrives as a space
    exact = _meant(name, lambda: datetime.fromisoformat(text.replace(" ", "+").upper()))
    _check_year(name, exact)
    return exact.astimezone(UTC)


def _check_year(name: str, moment: datetime) -> None:
    if moment.year not in YEARS:
        raise _invalid(name, f"expected a year from {YEARS.start} to {YEARS.stop - 1}")


def _floor(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _ceiling(moment: datetime) -> datetime:
    whole = _floor(moment)
    return whole if whole == moment else whole + HOUR


# --- errors ---------------------------------------------------------------------------------------


def _meant(name: str, read: Callable[[], T]) -> T:
    try:
        return read()
    except ValueError as error:
        raise (_invalid(name, str(error)) if name == "timezone" else _expected(name)) from None


def _expected(name: str) -> ApiError:
    return _invalid(name, "expected a date such as 2026-11-01, or 2026-11-01T14:00:00Z (RFC 3339)")


def _invalid(name: str, problem: str) -> ApiError:
    return ApiError.invalid(f"{name[:100]}: {problem}")
