"""How much of each prompt repeated the turn before, how much of that came from a cache, and what
it saved at today's prices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bridge.ledger.pricing import Prices, Rates, listed_rates, operator_price, price_list
from bridge.models import DiscoveredModel, Price, UsageHour
from dashboard.queries.hours import Sums, sums
from dashboard.queries.keys import IDENTITY, Identity, KnownKeys, age
from dashboard.usage.key_owners import Owner
from dashboard.usage.periods import Range
from dashboard.usage.totals import PREFIXES, TOKENS, Totals

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
    """Every key with its sums, without bars. One query."""
    found = sums(
        span,
        (*IDENTITY, "key", "backend", "model"),
        ("requests", *TOKENS, *PREFIXES),
        rows=UsageHour.objects.filter(prompt_bytes__gt=0),
        compared=False,
        sliced=False,
    )
    totals: dict[Identity, Sums] = {}
    saved: dict[Identity, int] = {}
    names: dict[Identity, str] = {}
    for (key_id, fingerprint, name, backend, model), group_sums in sorted(found.items(), key=age):
        who = (key_id, fingerprint)
        totals[who] = totals.get(who, Sums()) + group_sums
        names[who] = name
        each = saving(prices.rates(backend, model), group_sums.total)
        if each is not None:
            saved[who] = saved.get(who, 0) + each
    return [_use(known, who, names, group_sums, saved) for who, group_sums in totals.items()]


def _use(
    known: KnownKeys,
    who: Identity,
    names: Mapping[Identity, str],
    group_sums: Sums,
    saved: Mapping[Identity, int],
) -> CacheUse:
    return CacheUse(known.owner(*who, names[who]), group_sums, saved.get(who))


def saving(rates: Rates | None, total: Totals) -> int | None:
    """What the tokens read from a cache would have cost more as new input."""
    if rates is None:
        return None
    return total["cache_read_tokens"] * (rates.input - rates.cache_read) // _PER_NANO
