"""What judges did in a range: verdicts by whose calls they were on, and what judging cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import add
from typing import TypeVar

from django.db.models import Q

from bridge.models import UsageRecord
from bridge.models.usage import JUDGE_CLASS
from dashboard.queries import hours
from dashboard.queries.hours import Group, Used
from dashboard.queries.keys import IDENTITY, Identity, KnownKeys
from dashboard.usage.key_owners import Owner
from dashboard.usage.periods import Range
from dashboard.usage.totals import JUDGED, USE, Totals

MOST_JUDGES = 20
"""Requests to judges that the page of one request shows."""
_JUDGED = Q()
for _name in JUDGED:
    _JUDGED |= Q(**{f"{_name}__gt": 0})
_OF_JUDGES = (*USE, "duration_ms")
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
    """All of it. Two queries."""
    names = (*IDENTITY, "key", "backend", "model")
    calls = hours.used(span, names, JUDGED, _JUDGED)
    judges = hours.used(span, names, _OF_JUDGES, Q(request_class=JUDGE_CLASS))
    return JudgingReport(
        calls=_all(calls, JUDGED),
        judges=_all(judges, _OF_JUDGES),
        by_key=_by_key(known, calls, judges),
        by_model=[
            JudgeUse(backend, model, total)
            for (backend, model), total in _by(judges, lambda group: group[3:5], _OF_JUDGES).items()
        ],
    )


def _by_key(
    known: KnownKeys, calls: Mapping[Group, Used], judges: Mapping[Group, Used]
) -> list[KeyJudging]:
    names: dict[Identity, tuple[datetime, str]] = {}
    for (key_id, fingerprint, name, *_), use in (*calls.items(), *judges.items()):
        who = key_id, fingerprint
        names[who] = max(names.get(who, (use.last, name)), (use.last, name))
    asked = _by(calls, lambda group: group[:2], JUDGED)
    used = _by(judges, lambda group: group[:2], _OF_JUDGES)
    return [
        KeyJudging(known.owner(*who, name), asked.get(who, Totals()), used.get(who, Totals()))
        for who, (_, name) in names.items()
    ]


def _by(
    groups: Mapping[Group, Used], read: Callable[[Group], Name], columns: Sequence[str]
) -> dict[Name, Totals]:
    found: dict[Name, tuple[int, ...]] = {}
    for group, use in groups.items():
        name = read(group)
        known = found.get(name)
        found[name] = tuple(map(add, known, use.amounts)) if known else use.amounts
    return {name: Totals(dict(zip(columns, found[name], strict=True))) for name in found}


def _all(groups: Mapping[Group, Used], columns: Sequence[str]) -> Totals:
    return _by(groups, lambda _: "", columns).get("", Totals())


def judges_of(row: UsageRecord) -> list[UsageRecord]:
    """The requests to judges that a request led to. At most one query."""
    if not row.detail.get("verdicts"):
        return []
    found = UsageRecord.objects.filter(parent_id=row.request_id).exclude(parent_id="")
    return list(found.order_by("time", "pk")[:MOST_JUDGES])
