"""Which model earns its place: sums by model, and what is known of each."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from django.db.models import Max, Q

from bridge.models import DiscoveredModel, UsageSession
from dashboard.queries.hours import Group, Sums, sums
from dashboard.usage.periods import Range
from dashboard.usage.totals import USE

NO_MODEL = "(no model)"
"""Requests that were refused before a model was found."""


@dataclass(frozen=True, slots=True)
class ModelUse:
    """What went through one model of the backends that have it."""

    name: str
    sums: Sums

    @property
    def shown(self) -> str:
        return self.name or NO_MODEL


def used(
    span: Range,
    columns: Iterable[str] = USE,
    only: Q | None = None,
    compared: bool | Collection[str] = True,
    sliced: bool = True,
) -> list[ModelUse]:
    """Every model that was asked in the range or in the period before. One query."""
    return folded(sums(span, ("model",), columns, only, compared, sliced))


def folded(groups: Mapping[Group, Sums]) -> list[ModelUse]:
    """One for each model, of groups that end with its name."""
    found: dict[str, Sums] = {}
    for (*_, name), group_sums in groups.items():
        found[name] = found[name] + group_sums if name in found else group_sums
    return [ModelUse(name, group_sums) for name, group_sums in found.items()]


def known(name: str) -> list[DiscoveredModel]:
    """What is known of a model, for each backend that has it. One query."""
    return list(
        DiscoveredModel.objects.filter(name=name)
        .select_related("backend")
        .order_by("backend__position", "backend__name")
    )


def windows() -> Mapping[str, int]:
    """Model -> its context window in tokens; the smallest, where backends differ. One query."""
    found: dict[str, int] = {}
    for row in DiscoveredModel.objects.defer("entry", "evidence", "prices"):
        window = row.fact("context")
        if window:
            found[row.name] = min(window, found.get(row.name, window))
    return found


def longest_context(span: Range, model: str) -> int | None:
    """Tokens of the longest prompt with its answer in the sessions of a range that used this model
    and no other. One query."""
    rows = UsageSession.objects.filter(
        last_at__gte=span.start, first_at__lt=span.end, model_lines=f"\n{model}\n"
    )
    longest: int | None = rows.aggregate(most=Max("largest_context"))["most"]
    return longest
