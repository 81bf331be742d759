"""What the requests of a range were for: sums by class."""

from __future__ import annotations

from collections.abc import Mapping

from dashboard.queries.hours import Group, Sums
from dashboard.usage.classes import ClassUse
from dashboard.usage.totals import Totals


def folded(groups: Mapping[Group, Sums]) -> list[ClassUse]:
    """Every class that has requests, of groups that end with class and model."""
    totals: dict[str, Totals] = {}
    for (*_, request_class, _model), sums in groups.items():
        if sums.total.requests:
            totals[request_class] = totals.get(request_class, Totals()) + sums.total
    cost = sum(total["cost_nano_usd"] for total in totals.values())
    return [
        ClassUse(name, total, total["cost_nano_usd"] / cost if cost else None)
        for name, total in totals.items()
    ]
