"""What was asked of each backend, what went through it, and which models each lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Sum

from bridge.models import AttemptHour, DiscoveredModel
from dashboard.queries.backend_status import ShownBackend
from dashboard.queries.hours import Sums, sums
from dashboard.usage.attempts import AttemptSums
from dashboard.usage.periods import Range
from dashboard.usage.totals import Totals


@dataclass(frozen=True, slots=True)
class BackendUse:
    """One backend: its state, its attempts, the sums of the requests that it was the last to be
    asked about, its models by number and name, and its share of all."""

    state: ShownBackend
    attempts: AttemptSums
    sums: Sums
    models: tuple[tuple[int, str], ...]
    request_share: float | None
    token_share: float | None


def used(span: Range, states: Sequence[ShownBackend]) -> list[BackendUse]:
    """Every backend that exists, in the order in which they are asked. Three queries."""
    found = {name: sums_of_backend for (name,), sums_of_backend in sums(span, ("backend",)).items()}
    whole = sum(
        (sums_of_backend.total for name, sums_of_backend in found.items() if name), Totals()
    )
    listed, tried = _models(), attempts_of(span)
    return [
        _use(span, state, tried.get(state.name), found.get(state.name), listed, whole)
        for state in states
    ]


def attempts_of(span: Range) -> dict[str, AttemptSums]:
    """The attempts at each backend, also of requests that another one answered. One query."""
    columns = {f"_{name}": Sum(name) for name in AttemptHour.COUNTED}
    rows = AttemptHour.objects.filter(hour__gte=span.start, hour__lt=span.end).order_by()
    return {
        name: AttemptSums(dict(zip(AttemptHour.COUNTED, amounts, strict=True)))
        for name, *amounts in rows.values_list("backend").annotate(**columns)
    }


def _use(
    span: Range,
    state: ShownBackend,
    attempts: AttemptSums | None,
    used_sums: Sums | None,
    listed: dict[int, list[tuple[int, str]]],
    whole: Totals,
) -> BackendUse:
    own = used_sums or Sums.nothing(span)
    return BackendUse(
        state,
        attempts or AttemptSums(),
        own,
        tuple(listed.get(state.row.pk, ())),
        own.total.requests / whole.requests if whole.requests else None,
        own.total.tokens / whole.tokens if whole.tokens else None,
    )


def _models() -> dict[int, list[tuple[int, str]]]:
    """Backend -> (number, name) of what its list has."""
    found: dict[int, list[tuple[int, str]]] = {}
    rows = DiscoveredModel.objects.filter(listed=True).order_by("name")
    for backend, pk, name in rows.values_list("backend_id", "pk", "name"):
        found.setdefault(backend, []).append((pk, name))
    return found
