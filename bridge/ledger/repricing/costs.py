"""What a recorded request costs at today's prices. The rules are those of the moment it ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bridge.ledger.pricing import Priced, Prices
from bridge.ledger.rows import MOST_COST
from bridge.models import Backend


class PricedRow(Priced, Protocol):
    """A row of a request, with what its backend said that it cost."""

    @property
    def cost_nano_usd(self) -> int | None: ...
    @property
    def reported(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class CostReader:
    """`own`: the backends whose own word goes before every price."""

    prices: Prices
    own: frozenset[str] = frozenset()

    def knows(self, backend: str, model: str) -> bool:
        """Whether there is a price for this model."""
        return self.prices.rates(backend, model) is not None

    def cost(self, row: PricedRow) -> int | None:
        """In billionths of a dollar. What nobody knows a price of keeps the cost that it has."""
        if row.reported is not None and row.backend in self.own:
            return row.reported
        priced = self.prices.cost(row)
        return row.cost_nano_usd if priced is None else min(priced, MOST_COST)


def costs_now(prices: Prices) -> CostReader:
    """At these prices, and by what the rows of backends say today. One query."""
    own = Backend.objects.filter(prefers_own_cost=True).values_list("name", flat=True)
    return CostReader(prices, frozenset(own))
