"""What judges did in a range: verdicts by whose calls they were on, and what judging cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from django.db.models import Q

from bridge.models import UsageHour, UsageRecord
from bridge.models.usage import JUDGE_CLASS
from dashboard.queries.hours import Group, Sums, sums
from dashboard.queries.keys import IDENTITY, KnownKeys, age
from dashboard.usage.key_owners import Owner
from dashboard.usage.periods import Range
from dashboard.usage.totals import JUDGED, USE, Totals

MOST_JUDGES = 20
"""Requests to judges that the page of one request shows."""
_JUDGED_OR_JUDGE = Q(request_class=JUDGE_CLASS)
for _name in JUDGED:
    _JUDGED_OR_JUDGE |= Q(**{f"{_name}__gt": 0})
Name = TypeVar("Name")


@dataclass(frozen=True, slots=True)
class KeyJudging:
    """The calls of one key, and what its judges used."""

    owner: Owner
    calls: Totals
    judges: Totals


@dataclass(frozen=True, slots=True)
class JudgeUse:
    """What one judge model used."""

    backend: str
    model: str
    judges: Totals


@dataclass(frozen=True, slots=True)
class JudgingReport:
    """`calls` are the judged requests' sums, `judges` those of the requests to judges."""

    calls: Totals
    judges: Totals
    by_key: list[KeyJudging]
    by_model: list[JudgeUse]


def judging(span: Range, known: KnownKeys) -> JudgingReport:
    """All of it. One query."""
    groups = sums(
        span,
        (*IDENTITY, "key", "request_class", "backend", "model"),
        (*USE, *JUDGED, "duration_ms"),
        rows=UsageHour.objects.filter(_JUDGED_OR_JUDGE),
        compared=False,
        sliced=False,
    )
    judges = {group: each for group, each in groups.items() if group[3] == JUDGE_CLASS}
    calls = {group: each for group, each in groups.items() if group[3] != JUDGE_CLASS}
    return JudgingReport(
        calls=_all(calls),
        judges=_all(judges),
        by_key=_by_key(known, calls, judges),
        by_model=[
            JudgeUse(backend, model, total)
            for (backend, model), total in _by(judges, lambda group: group[4:6]).items()
        ],
    )


def _by_key(
    known: KnownKeys, calls: Mapping[Group, Sums], judges: Mapping[Group, Sums]
) -> list[KeyJudging]:
    groups = sorted([*calls.items(), *judges.items()], key=age)
    names = {(key_id, fingerprint): name for (key_id, fingerprint, name, *_), _ in groups}
    asked = _by(calls, lambda group: group[:2])
    used = _by(judges, lambda group: group[:2])
    return [
        KeyJudging(known.owner(*who, name), asked.get(who, Totals()), used.get(who, Totals()))
        for who, name in names.items()
    ]


def _by(groups: Mapping[Group, Sums], read: Callable[[Group], Name]) -> dict[Name, Totals]:
    found: dict[Name, Totals] = {}
    for group, each in groups.items():
        found[read(group)] = found.get(read(group), Totals()) + each.total
    return found


def _all(groups: Mapping[Group, Sums]) -> Totals:
    return _by(groups, lambda _: "").get("", Totals())


def judges_of(row: UsageRecord) -> list[UsageRecord]:
    """The requests to judges that a request led to. At most one query."""
    if not row.detail.get("verdicts"):
        return []
    found = UsageRecord.objects.filter(parent_id=row.request_id).exclude(parent_id="")
    return list(found.order_by("time", "pk")[:MOST_JUDGES])
