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
from bridge.models.usage import key_names, key_owners

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
    """The sums of one group. `group` is its name as people know it, `names` that of each part."""

    group: str
    counts: dict[str, int]
    names: tuple[str, ...] = ()

    @property
    def cost_usd(self) -> float:
        return self.counts["cost_nano_usd"] / NANO


def report(by: str, span: Span, zone: tzinfo, whose: Q | None = None) -> list[Line]:
    """The groups of that time, dearest first; days and hours in their order.

    `by`: `session`, or dimensions with commas between them. `whose`: of `of_key`, `of_person` or
    `of_team`. A session counts whole when its last turn lies in the time, and is known by its key
    alone.
    """
    if by == "session":
        return sorted(_by_session(span, whose or Q(), zone), key=_weight, reverse=True)
    lines = list(_by_dimensions(by, span, whose or Q(), zone))
    places = [place for place, name in enumerate(by.split(",")) if name in IN_ORDER]
    lines.sort(key=_weight, reverse=True)
    if places:
        lines.sort(key=lambda line: [datetime.fromisoformat(line.names[n]) for n in places])
    return lines


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


Namer = Callable[[tuple[Any, ...], str], str]
"""What a group is called: its values in the columns, its name at the time."""


@dataclass(frozen=True, slots=True)
class Dimension:
    """What sums are told apart by.

    columns   of the ledger that tell groups apart;  at_the_time  the one with the name of then
    namer     zone -> what groups are called
    folds     whether groups of one name are one
    """

    columns: tuple[str, ...]
    namer: Callable[[tzinfo], Namer]
    at_the_time: str = ""
    folds: bool = False


def _key_namer(_: tzinfo) -> Namer:
    names = key_names()

    def name(identity: tuple[Any, ...], last: str) -> str:
        gone = " (deleted)" if identity[0] and identity not in names else ""
        return f"{names.get((identity[0], identity[1]), last)}{gone}" or NOBODY

    return name


def _account_namer(rows: Callable[[], Iterable[tuple[int, str]]]) -> Callable[[tzinfo], Namer]:
    """Under the name of today; of what was deleted its last one."""

    def namer(_: tzinfo) -> Namer:
        names = dict(rows())

        def name(identity: tuple[Any, ...], last: str) -> str:
            gone = " (deleted)" if identity[0] and identity[0] not in names else ""
            return f"{names.get(identity[0], last)}{gone}" or NOBODY

        return name

    return namer


def _owner_namer(_: tzinfo) -> Namer:
    owners = key_owners()
    return lambda identity, person: owners.get(identity[0]) or person or NOBODY


def _plain_namer(nothing: str) -> Callable[[tzinfo], Namer]:
    return lambda _: lambda identity, last: identity[0] or nothing


def _day_namer(zone: tzinfo) -> Namer:
    """It is not left to the database in which zone a day begins."""
    return lambda identity, last: identity[0].astimezone(zone).date().isoformat()


def _hour_namer(zone: tzinfo) -> Namer:
    return lambda identity, last: identity[0].astimezone(zone).isoformat(timespec="minutes")


def _people() -> Iterable[tuple[int, str]]:
    return User.objects.values_list("pk", "username")


def _teams() -> Iterable[tuple[int, str]]:
    return Team.objects.values_list("pk", "name")


DIMENSIONS: dict[str, Dimension] = {
    "key": Dimension(("key_id", "fingerprint"), _key_namer, "key"),
    "owner": Dimension(("key_id", "fingerprint"), _owner_namer, "person", folds=True),
    "person": Dimension(("person_id",), _account_namer(_people), "person"),
    "team": Dimension(("team_id",), _account_namer(_teams), "team"),
    "model": Dimension(("model",), _plain_namer(NOBODY)),
    "backend": Dimension(("backend",), _plain_namer(NOBODY)),
    "class": Dimension(("request_class",), _plain_namer(UNKNOWN_CLASS)),
    "day": Dimension(("hour",), _day_namer, folds=True),
    "hour": Dimension(("hour",), _hour_namer),
}
IN_ORDER = frozenset({"day", "hour"})
"""Dimensions whose groups come in the order of time."""
BY = (*(name for name in DIMENSIONS if name not in ("owner", "backend")), "session")
"""What one report is by, in addresses of the API."""


def dimensions(by: str) -> list[str]:
    """The dimensions of a text such as `key,model`. Raises ValueError."""
    names = by.split(",")
    if by != "session" and (set(names) - DIMENSIONS.keys() or len(set(names)) < len(names)):
        known = ", ".join(DIMENSIONS)
        raise ValueError(f"expected session, or one or more of {known}, with commas between them")
    return names


def _by_dimensions(by: str, span: Span, chosen: Q, zone: tzinfo) -> Iterator[Line]:
    """One line for each group, whatever its parts were called when; in the order of time where
    that is a dimension, as each group is first there."""
    parts = [DIMENSIONS[name] for name in dimensions(by)]
    namers = [part.namer(zone) for part in parts]
    columns = {column for part in parts for column in (*part.columns, part.at_the_time) if column}
    rows = _hours(span, chosen).values(*columns).annotate(last=Max("hour"), **_sums())
    found: dict[tuple[Any, ...], Line] = {}
    for row in rows.order_by("last"):
        identities = [tuple(row[column] for column in part.columns) for part in parts]
        names = tuple(
            namer(identity, row.get(part.at_the_time, ""))
            for namer, identity, part in zip(namers, identities, parts, strict=True)
        )
        group = tuple(
            name if part.folds else identity
            for name, identity, part in zip(names, identities, parts, strict=True)
        )
        line = found.setdefault(group, _nothing())
        line.names, line.group = names, ", ".join(names)
        _add(line, row)
    yield from found.values()


def _by_session(span: Span, chosen: Q, zone: tzinfo) -> Iterable[Line]:
    rows = UsageSession.objects.filter(chosen, span.within("last_at"))
    for row in rows.values("session", *COUNTS):
        yield Line(row["session"], {name: row[name] for name in COUNTS}, (row["session"],))
