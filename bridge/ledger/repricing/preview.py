"""What giving requests another cost would change, by backend and model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Count, Sum

from bridge.ledger.audit import one_view
from bridge.ledger.repricing.costs import CostReader
from bridge.ledger.repricing.scope import USED, Place, RepricingScope
from bridge.models import UsageHorizon

COLUMNS = (
    "backend",
    "model",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cost_nano_usd",
    "reported",
)


@dataclass(slots=True)
class ModelChange:
    """One model at one backend. Money in billionths of a dollar.

    requests        how many get another cost;  before, after   what they cost together
    gone            how many count in the sums and have no row any more: they stay as they are
    is_priced       whether a price is known, so that anything can be done
    """

    backend: str
    model: str
    is_priced: bool
    requests: int = 0
    before: int = 0
    after: int = 0
    gone: int = 0


def preview(scope: RepricingScope, costs: CostReader) -> list[ModelChange]:
    """What would change, the dearest first, with what cannot. Raises UnknownNameError."""
    with one_view():
        found = {place: _change(place, costs) for place in _summed(scope)}
        for place, count in _gone(scope).items():
            found[place].gone = count
        models = {change.model for change in found.values() if change.is_priced}
        rows = scope.rows(models).values_list(*COLUMNS, named=True)
        for row in rows.iterator():
            change, cost = found.get((row.backend, row.model)), costs.cost(row)
            if change is not None and cost != row.cost_nano_usd:
                change.requests += 1
                change.before += row.cost_nano_usd or 0
                change.after += cost or 0
    shown = (each for each in found.values() if each.requests or each.gone or not each.is_priced)
    return sorted(shown, key=lambda each: (-each.after, -each.gone, each.model, each.backend))


def total(changes: Iterable[ModelChange]) -> ModelChange:
    """All of them together."""
    sums = ModelChange("", "", is_priced=True)
    for change in changes:
        sums.requests += change.requests
        sums.before += change.before
        sums.after += change.after
        sums.gone += change.gone
    return sums


def _change(place: Place, costs: CostReader) -> ModelChange:
    return ModelChange(*place, is_priced=costs.knows(*place))


def _summed(scope: RepricingScope) -> dict[Place, int]:
    """How many requests of each model the sums have: those without a price, or all of them."""
    column = "requests" if scope.every else "unpriced"
    hours = scope.hours().filter(**{f"{column}__gt": 0}).exclude(model="")
    sums = hours.values_list("backend", "model").annotate(_count=Sum(column))
    return {(backend, model): count for backend, model, count in sums if scope.takes(model)}


def _gone(scope: RepricingScope) -> dict[Place, int]:
    """How many of those have no row any more; nothing is counted where all have theirs."""
    horizon = UsageHorizon.objects.first()
    if horizon is None or horizon.complete_from <= scope.since:
        return {}
    summed = _summed(scope)
    rows = scope.all_rows().filter(model__in={model for _, model in summed})
    if not scope.every:
        rows = rows.filter(USED, cost_nano_usd=None)
    counts = rows.values_list("backend", "model").annotate(_count=Count("pk"))
    there = {(backend, model): count for backend, model, count in counts}
    return {place: max(0, count - there.get(place, 0)) for place, count in summed.items()}
