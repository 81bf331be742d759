"""How much of each prompt repeated the turn before, how much of that came from a cache, and what
it saved at today's prices."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from operator import add
from typing import Any

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
    size, read = columns.index("prompt_bytes"), columns.index("cache_read_tokens")
    rows = list(hours.parts(span, (*IDENTITY, "key", "backend", "model"), columns))
    sizes, cached = _by_place(rows, _BEGIN + size), _by_place(rows, _BEGIN + read)
    totals: dict[Identity, tuple[int, ...]] = {}
    names: dict[Identity, tuple[datetime, str]] = {}
    for _, key_id, fingerprint, name, backend, model, last, *amounts in rows:
        who = (key_id, fingerprint)
        if sizes[backend, model][who]:
            own = totals.get(who)
            totals[who] = tuple(map(add, own, amounts)) if own else tuple(amounts)
            names[who] = max(names.get(who, (last, name)), (last, name))
    saved = _saved(cached, sizes, prices)
    return [
        CacheUse(
            known.owner(*who, names[who][1]),
            Sums(total=Totals(dict(zip(columns, amounts, strict=True)))),
            saved.get(who),
        )
        for who, amounts in totals.items()
    ]


_BEGIN = 7
"""Where the sums of a row begin."""
ByPlace = dict[Place, dict[Identity, int]]


def _by_place(rows: Iterable[tuple[Any, ...]], column: int) -> ByPlace:
    """One column of each key with each model, added up."""
    found: ByPlace = {}
    for row in rows:
        own = found.setdefault((row[4], row[5]), {})
        who = (row[1], row[2])
        own[who] = own.get(who, 0) + row[column]
    return found


def _saved(cached: ByPlace, sizes: ByPlace, prices: Prices) -> dict[Identity, int]:
    """What each key saved with the models whose price is known."""
    found: dict[Identity, int] = {}
    for place, of_keys in cached.items():
        if (rates := prices.rates(*place)) is not None:
            for who, tokens in of_keys.items():
                if sizes[place][who]:
                    found[who] = found.get(who, 0) + saving(rates, tokens)
    return found


def saving(rates: Rates, tokens: int) -> int:
    """What so many tokens read from a cache would have cost more as new input."""
    return tokens * (rates.input - rates.cache_read) // _PER_NANO
