"""How much of each prompt repeated the turn before, how much of that came from a cache, and what
it saved at today's prices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from operator import add

from bridge.ledger.pricing import Prices, Rates, listed_rates, operator_price, price_list
from bridge.models import DiscoveredModel, Price
from dashboard.queries import hours
from dashboard.queries.hours import Sums
from dashboard.queries.keys import IDENTITY, Identity, KnownKeys
from dashboard.usage.key_owners import Owner
from dashboard.usage.periods import Range
from dashboard.usage.totals import PREFIXES, TOKENS, Totals

Place = tuple[str, str]
"""A backend and a model."""
_PER_NANO = 1000
"""`Rates` times tokens, in a billionth of a dollar."""


@dataclass(frozen=True, slots=True)
class CacheUse:
    """What one key repeated and read from caches.

    saved   billionths of a dollar, against the price of new input; None: no price is known
    """

    owner: Owner
    sums: Sums
    saved: int | None


def prices() -> Prices:
    """Today's prices. Two queries."""
    rows = DiscoveredModel.objects.exclude(prices={}).values_list("backend__name", "name", "prices")
    operators = map(operator_price, Price.objects.select_related("backend"))
    return price_list(operators, listed_rates(rows))


def used(span: Range, known: KnownKeys, prices: Prices) -> list[CacheUse]:
    """Every key with its sums. One query, of a row for each key and model: of those a prompt's size
    is known of."""
    columns = ("requests", *TOKENS, *PREFIXES)
    found = hours.used(span, (*IDENTITY, "key", "backend", "model"), columns)
    size, read = columns.index("prompt_bytes"), columns.index("cache_read_tokens")
    totals: dict[Identity, list[int]] = {}
    names: dict[Identity, tuple[datetime, str]] = {}
    cached: dict[tuple[Identity, Place], int] = {}
    for (key_id, fingerprint, name, backend, model), use in found.items():
        if not use.amounts[size]:
            continue
        who, place = (key_id, fingerprint), (backend, model)
        own = totals.get(who)
        totals[who] = [*map(add, own, use.amounts)] if own else [*use.amounts]
        names[who] = max(names.get(who, (use.last, name)), (use.last, name))
        cached[who, place] = cached.get((who, place), 0) + use.amounts[read]
    saved = _saved(cached, prices)
    return [
        CacheUse(
            known.owner(*who, names[who][1]),
            Sums(total=Totals(dict(zip(columns, amounts, strict=True)))),
            saved.get(who),
        )
        for who, amounts in totals.items()
    ]


def _saved(cached: Mapping[tuple[Identity, Place], int], prices: Prices) -> dict[Identity, int]:
    """What each key saved with the models whose price is known."""
    rates = {place: prices.rates(*place) for place in {place for _, place in cached}}
    found: dict[Identity, int] = {}
    for (who, place), tokens in cached.items():
        if (known := rates[place]) is not None:
            found[who] = found.get(who, 0) + saving(known, tokens)
    return found


def saving(rates: Rates, tokens: int) -> int:
    """What so many tokens read from a cache would have cost more as new input."""
    return tokens * (rates.input - rates.cache_read) // _PER_NANO
