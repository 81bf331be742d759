"""What went wrong in a range, by message: how often, since when, where, for how many keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Max, Min, Q

from bridge.error_groups import folded
from bridge.models import UsageRecord
from bridge.outcomes import outcome
from dashboard.queries.finding.conditions import FAULTY
from dashboard.usage.periods import Range

MOST_COMBINATIONS = 20_000
"""Of message, backend, model and key: of clients that make up more, the rarest are left out."""
MOST_GROUPS = 500


@dataclass(frozen=True, slots=True)
class FaultGroup:
    """Refused or failed requests with the same message. `message` has no numbers, ids and names."""

    group: str
    status: int
    error_type: str
    message: str
    count: int
    first: datetime
    last: datetime
    backends: tuple[str, ...]
    models: tuple[str, ...]
    keys: int

    @property
    def outcome(self) -> str:
        return outcome(self.status)


@dataclass(frozen=True, slots=True)
class Faults:
    """`groups`: the greatest first; `others`: how many groups, and requests in them, are left."""

    groups: list[FaultGroup]
    others: tuple[int, int] = (0, 0)

    @property
    def count(self) -> int:
        return sum(group.count for group in self.groups) + self.others[1]


def grouped(span: Range, only: Q) -> Faults:
    """Two queries, one where nothing went wrong. Without a condition an index has it all."""
    # Negated twice: else SQLite may go by the index of some filter, through all its rows.
    rows = UsageRecord.objects.filter(
        FAULTY & ~Q(~only) if only else FAULTY, time__gte=span.start, time__lt=span.end
    ).order_by()
    combined = rows.values("error_group", "backend", "model", "key_id", "fingerprint").annotate(
        count=Count("pk"), first=Min("time"), last=Max("time"), newest=Max("pk")
    )
    found: dict[str, list[dict[str, Any]]] = {}
    row: Any
    for row in combined.order_by("-count")[:MOST_COMBINATIONS]:
        found.setdefault(row["error_group"], []).append(row)
    ranked = sorted(found.values(), key=_count, reverse=True)
    examples = _examples(ranked[:MOST_GROUPS])
    groups = [_group(parts, examples[_newest(parts)]) for parts in ranked[:MOST_GROUPS]]
    others = ranked[MOST_GROUPS:]
    return Faults(groups, (len(others), sum(map(_count, others))))


def _count(parts: Iterable[Mapping[str, Any]]) -> int:
    return sum(part["count"] for part in parts)


def _newest(parts: Iterable[Mapping[str, Any]]) -> int:
    newest: int = max(part["newest"] for part in parts)
    return newest


def _examples(ranked: Sequence[Sequence[Mapping[str, Any]]]) -> dict[int, UsageRecord]:
    """A row of each group, which has the message."""
    rows = UsageRecord.objects.filter(pk__in=[_newest(parts) for parts in ranked])
    found = rows.only("status", "error_type", "error", "asked_model", "model").order_by()
    return {row.pk: row for row in found}


def _group(parts: Sequence[Mapping[str, Any]], row: UsageRecord) -> FaultGroup:
    return FaultGroup(
        parts[0]["error_group"],
        row.status,
        row.error_type,
        folded(row.error, (row.asked_model, row.model)),
        _count(parts),
        min(part["first"] for part in parts),
        max(part["last"] for part in parts),
        _names(parts, "backend"),
        _names(parts, "model"),
        len({(part["key_id"], part["fingerprint"]) for part in parts}),
    )


def _names(parts: Iterable[Mapping[str, Any]], column: str) -> tuple[str, ...]:
    return tuple(sorted({part[column] for part in parts} - {""}))
