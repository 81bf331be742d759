"""What was used, by key, person, team, model, class, session, day or hour.

From the sums alone, so at any size at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Max, Q, QuerySet, Sum

from bridge.keys.limits import NANO
from bridge.models import Team, UsageHour, UsageSession
from bridge.models.usage import key_names

NOBODY = "(none)"
UNKNOWN_CLASS = "(not known)"
COUNTS = (
    "requests",
    "errors",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cost_nano_usd",
    "cache_write_tokens",
    "refused",
    "abandoned",
    "unpriced",
)

Identity = tuple[int, str]
"""(key_id, fingerprint)."""


_MISREAD = re.compile(r"[=+\-@\t\r]|(?:[0-9]+[eE][0-9]+|0[0-9]+|[0-9]{16,})\Z")
"""Text that a spreadsheet would run as a formula, or turn into another number: hexadecimal ids,
zeros in front."""


def csv_text(text: str) -> str:
    """The text as a cell of a CSV file: a spreadsheet shows it as it is, and never runs it."""
    return f"'{text}" if _MISREAD.match(text) else text


class UnknownNameError(Exception):
    """Nothing of this kind (key, person or team) has used anything under this name or has it."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"no {kind} is or was called {name}")
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Span:
    """From a full hour on, up to another one, where there is an end."""

    since: datetime
    until: datetime | None = None

    def within(self, column: str) -> Q:
        """The rows whose column lies in it."""
        begun = Q(**{f"{column}__gte": self.since})
        return begun if self.until is None else begun & Q(**{f"{column}__lt": self.until})


@dataclass(slots=True)
class Line:
    """The sums of one group. `group` is its name as people know it."""

    group: str
    counts: dict[str, int]

    @property
    def cost_usd(self) -> float:
        return self.counts["cost_nano_usd"] / NANO


def report(by: str, span: Span, zone: tzinfo, whose: Q | None = None) -> list[Line]:
    """The groups of BY[by] in that time, dearest first; days and hours in their order.

    `whose`: of `of_key`, `of_person` or `of_team`. A session counts whole when its last turn lies
    in the time, and is known by its key alone.
    """
    lines = list(BY[by](span, whose or Q(), zone))
    if by in IN_ORDER:
        return lines
    return sorted(lines, key=_weight, reverse=True)


def _weight(line: Line) -> tuple[int, int, str]:
    return line.counts["cost_nano_usd"], line.counts["requests"], line.group


def of_key(name: str) -> Q:
    """What belongs to a key that has, or had, this name. Raises UnknownNameError."""
    found = {identity for identity, known in key_names().items() if known == name}
    used = UsageHour.objects.filter(key=name).order_by()
    found |= set(used.values_list("key_id", "fingerprint").distinct())
    if not found:
        raise UnknownNameError("key", name)
    chosen = Q()
    for key_id, fingerprint in found:
        chosen |= Q(key_id=key_id, fingerprint=fingerprint)
    return chosen


def of_person(name: str) -> Q:
    """What counts for a person who has, or had, this name. Raises UnknownNameError."""
    return _of_account("person", name, User.objects.filter(username=name))


def of_team(name: str) -> Q:
    """What counts for a team that has, or had, this name. Raises UnknownNameError."""
    return _of_account("team", name, Team.objects.filter(name=name))


def _of_account(kind: str, name: str, rows: QuerySet[Any]) -> Q:
    used = UsageHour.objects.filter(**{kind: name}).order_by()
    found = {*rows.values_list("pk", flat=True), *used.values_list(f"{kind}_id", flat=True)}
    if not found:
        raise UnknownNameError(kind, name)
    return Q(**{f"{kind}_id__in": found})


def _hours(span: Span, chosen: Q) -> QuerySet[UsageHour]:
    return UsageHour.objects.filter(chosen, span.within("hour")).order_by()


def _sums() -> dict[str, Any]:
    return {f"sum_{name}": Sum(name) for name in COUNTS}


def _counts(row: Mapping[str, Any]) -> dict[str, int]:
    return {name: row[f"sum_{name}"] for name in COUNTS}


def _nothing(group: str = "") -> Line:
    return Line(group, dict.fromkeys(COUNTS, 0))


def _add(line: Line, row: Mapping[str, Any]) -> None:
    for name, count in _counts(row).items():
        line.counts[name] += count


def _by_key(span: Span, chosen: Q, zone: tzinfo) -> Iterator[Line]:
    """One line for each key, whatever it was called when."""
    rows = _hours(span, chosen).values("key_id", "fingerprint", "key")
    found: dict[Identity, Line] = {}
    for row in rows.annotate(last=Max("hour"), **_sums()).order_by("last"):
        identity = row["key_id"], row["fingerprint"]
        line = found.setdefault(identity, _nothing())
        line.group = row["key"]
        _add(line, row)
    names = key_names()
    for identity, line in found.items():
        gone = " (deleted)" if identity[0] and identity not in names else ""
        yield Line(f"{names.get(identity, line.group)}{gone}" or NOBODY, line.counts)


def _by_person(span: Span, chosen: Q, zone: tzinfo) -> Iterable[Line]:
    names = User.objects.values_list("pk", "username")
    return _by_account(span, chosen, "person", dict(names))


def _by_team(span: Span, chosen: Q, zone: tzinfo) -> Iterable[Line]:
    return _by_account(span, chosen, "team", dict(Team.objects.values_list("pk", "name")))


def _by_account(span: Span, chosen: Q, column: str, names: Mapping[int, str]) -> Iterator[Line]:
    """One line for each person or team, under its name of today; of a deleted one its last."""
    rows = _hours(span, chosen).values(f"{column}_id", column)
    found: dict[int, Line] = {}
    for row in rows.annotate(last=Max("hour"), **_sums()).order_by("last"):
        line = found.setdefault(row[f"{column}_id"], _nothing())
        line.group = row[column]
        _add(line, row)
    for number, line in found.items():
        gone = " (deleted)" if number and number not in names else ""
        yield Line(f"{names.get(number, line.group)}{gone}" or NOBODY, line.counts)


def _by_model(span: Span, chosen: Q, zone: tzinfo) -> Iterator[Line]:
    for row in _hours(span, chosen).values("model").annotate(**_sums()):
        yield Line(row["model"] or NOBODY, _counts(row))


def _by_class(span: Span, chosen: Q, zone: tzinfo) -> Iterator[Line]:
    for row in _hours(span, chosen).values("request_class").annotate(**_sums()):
        yield Line(row["request_class"] or UNKNOWN_CLASS, _counts(row))


def _by_day(span: Span, chosen: Q, zone: tzinfo) -> Iterator[Line]:
    """Hours are few, so it is not left to the database in which zone a day begins."""
    days: dict[str, Line] = {}
    for row in _hours(span, chosen).values("hour").annotate(**_sums()).order_by("hour"):
        day = row["hour"].astimezone(zone).date().isoformat()
        _add(days.setdefault(day, _nothing(day)), row)
    yield from days.values()


def _by_hour(span: Span, chosen: Q, zone: tzinfo) -> Iterator[Line]:
    for row in _hours(span, chosen).values("hour").annotate(**_sums()).order_by("hour"):
        yield Line(row["hour"].astimezone(zone).isoformat(timespec="minutes"), _counts(row))


def _by_session(span: Span, chosen: Q, zone: tzinfo) -> Iterable[Line]:
    rows = UsageSession.objects.filter(chosen, span.within("last_at"))
    for row in rows.values("session", *COUNTS):
        yield Line(row["session"], {name: row[name] for name in COUNTS})


IN_ORDER = frozenset({"day", "hour"})
BY: dict[str, Callable[[Span, Q, tzinfo], Iterable[Line]]] = {
    "key": _by_key,
    "person": _by_person,
    "team": _by_team,
    "model": _by_model,
    "class": _by_class,
    "session": _by_session,
    "day": _by_day,
    "hour": _by_hour,
}
