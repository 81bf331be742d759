"""What went through each backend, and which models each lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.models import DiscoveredModel
from dashboard.queries.backend_status import ShownBackend
from dashboard.queries.hours import EVERYTHING, Sums, sums
from dashboard.usage.periods import Range
from dashboard.usage.totals import Totals


@dataclass(frozen=True, slots=True)
class BackendUse:
    """One backend: its state, its sums, its models by number and name, and its share of all."""

    state: ShownBackend
    sums: Sums
    models: tuple[tuple[int, str], ...]
    request_share: float | None
    token_share: float | None


def used(span: Range, states: Sequence[ShownBackend]) -> list[BackendUse]:
    """Every backend that exists, in the order in which they are asked. Two queries."""
    found = {
        name: sums_of_backend
        for (name,), sums_of_backend in sums(span, ("backend",), EVERYTHING).items()
    }
    whole = sum(
        (sums_of_backend.total for name, sums_of_backend in found.items() if name), Totals()
    )
    listed = _models()
    return [_use(span, state, found.get(state.name), listed, whole) for state in states]


def _use(
    span: Range,
    state: ShownBackend,
    used_sums: Sums | None,
    listed: dict[int, list[tuple[int, str]]],
    whole: Totals,
) -> BackendUse:
    own = used_sums or Sums.nothing(span)
    return BackendUse(
        state,
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
