"""What tokens cost. Pure.

Prices are written in US dollars per million tokens and kept as whole millionths of that, so that
the cost of a request is one exact sum, rounded once, to billionths of a dollar.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any, Protocol

from bridge.routing.globs import fixed, is_glob, matches

MEMBERS = ("input", "output", "cache_read", "cache_write")
_FINEST = Decimal("0.000001")
_PER_NANO = 1000


@dataclass(frozen=True, slots=True)
class Rates:
    """Prices of one model, in millionths of a US dollar per million tokens."""

    input: int
    output: int
    cache_read: int
    cache_write: int

    @classmethod
    def of(
        cls,
        input: Decimal,
        output: Decimal,
        cache_read: Decimal | None = None,
        cache_write: Decimal | None = None,
    ) -> Rates:
        """From US dollars per million tokens. What is left out costs as input does."""
        prices = (input, output, *(input if p is None else p for p in (cache_read, cache_write)))
        return cls(*(int((p / _FINEST).to_integral_value(ROUND_HALF_EVEN)) for p in prices))

    @classmethod
    def read(cls, document: Mapping[str, object]) -> Rates | None:
        """From a model's row: MEMBERS -> number or text. None without both input and output."""
        prices = [_price(document.get(member)) for member in MEMBERS]
        if prices[0] is None or prices[1] is None:
            return None
        return cls.of(prices[0], prices[1], *prices[2:])


class Priced(Protocol):
    """What was used. `input_tokens` does not contain what was read from or put into a cache."""

    @property
    def backend(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def input_tokens(self) -> int: ...
    @property
    def output_tokens(self) -> int: ...
    @property
    def cache_read_tokens(self) -> int: ...
    @property
    def cache_write_tokens(self) -> int: ...


@dataclass(frozen=True, slots=True)
class OperatorPrice:
    """A price that an operator set: for a model or a glob, at one backend or ("") at all."""

    model: str
    rates: Rates
    backend: str = ""


@dataclass(frozen=True, slots=True)
class PricesOf:
    """Operators' prices for one backend, or for all. `globs` has the most specific ones first."""

    exact: Mapping[str, Rates]
    globs: tuple[tuple[str, Rates], ...]

    def rates(self, name: str) -> Rates | None:
        if found := self.exact.get(name):
            return found
        return next((rates for glob, rates in self.globs if matches(glob, name)), None)


@dataclass(frozen=True, slots=True)
class Prices:
    """All known prices.

    operators   theirs, by backend; "" has those for all backends
    listed      what backends' own lists tell, by backend and model
    """

    operators: Mapping[str, PricesOf] = field(default_factory=dict)
    listed: Mapping[tuple[str, str], Rates] = field(default_factory=dict)

    def rates(self, backend: str, model: str) -> Rates | None:
        """The prices of a model at a backend: an operator's for it there, then one for all
        backends, then the list's."""
        name = model.lower()
        for place in (backend, ""):
            if (prices := self.operators.get(place)) and (found := prices.rates(name)):
                return found
        return self.listed.get((backend, model))

    def cost(self, used: Priced) -> int | None:
        """What this used, in billionths of a US dollar; None when no price is known."""
        rates = self.rates(used.backend, used.model)
        return None if rates is None else cost(rates, used)


class PriceRow(Protocol):
    """A price as an operator's row has it, in US dollars per million tokens."""

    model: Any
    input_per_mtok: Any
    output_per_mtok: Any
    cache_read_per_mtok: Any
    cache_write_per_mtok: Any

    @property
    def backend_name(self) -> str: ...


def operator_price(row: PriceRow) -> OperatorPrice:
    """ValueError: the row holds no price."""
    rates = Rates.of(
        row.input_per_mtok, row.output_per_mtok, row.cache_read_per_mtok, row.cache_write_per_mtok
    )
    return OperatorPrice(row.model, rates, row.backend_name)


def listed_rates(rows: Iterable[tuple[str, str, Any]]) -> dict[tuple[str, str], Rates]:
    """From backend, model and what the backend's list says of its price; unreadable ones less."""
    found = {(backend, model): Rates.read(prices) for backend, model, prices in rows}
    return {place: rates for place, rates in found.items() if rates is not None}


def price_list(
    operators: Iterable[OperatorPrice], listed: Mapping[tuple[str, str], Rates]
) -> Prices:
    """From operators' prices, and listed ones by backend and model."""
    places: dict[str, list[tuple[str, Rates]]] = {}
    for row in operators:
        places.setdefault(row.backend, []).append((row.model.lower(), row.rates))
    return Prices({place: _prices_of(rows) for place, rows in places.items()}, dict(listed))


def _prices_of(rows: list[tuple[str, Rates]]) -> PricesOf:
    globs = sorted((row for row in rows if is_glob(row[0])), key=_specificity, reverse=True)
    return PricesOf(dict(row for row in rows if not is_glob(row[0])), tuple(globs))


def cost(rates: Rates, used: Priced) -> int:
    """What this used at these prices, in billionths of a US dollar."""
    total = (
        used.input_tokens * rates.input
        + used.output_tokens * rates.output
        + used.cache_read_tokens * rates.cache_read
        + used.cache_write_tokens * rates.cache_write
    )
    whole, rest = divmod(total, _PER_NANO)
    up = rest * 2 > _PER_NANO or (rest * 2 == _PER_NANO and whole % 2)
    return whole + bool(up)


def usd(nano: int) -> Decimal:
    """Billionths of a US dollar as dollars, exactly."""
    return Decimal(nano).scaleb(-9)


def _specificity(row: tuple[str, Rates]) -> tuple[int, str]:
    """How many characters are fixed; among equals the order is at least always the same."""
    return len(fixed(row[0])), row[0]


def _price(value: object) -> Decimal | None:
    """A number that can be a price."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str, Decimal)):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() and 0 <= number < 10**6 else None
