"""What tokens cost: which price counts, and that sums are exact."""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.ledger.pricing import OperatorPrice, Prices, Rates, cost, price_list, usd
from bridge.ledger.record import Record

CHEAP = Rates.of(Decimal("0.1"), Decimal("0.2"))
MIDDLE = Rates.of(Decimal(1), Decimal(2))
DEAR = Rates.of(Decimal(10), Decimal(20))
TOLD = Rates.of(Decimal(3), Decimal(15), Decimal("0.3"), Decimal("3.75"))


@dataclass
class Used:
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    backend: str = "main"
    model: str = "vendor/large"


@pytest.mark.parametrize(
    ("used", "nano"),
    [
        (Used(1_000_000), 3 * 10**9),
        (Used(output_tokens=1_000_000), 15 * 10**9),
        (Used(cache_read_tokens=1_000_000), 3 * 10**8),
        (Used(cache_write_tokens=1_000_000), 375 * 10**7),
        (Used(1000, 100, 50_000, 200), 3_000_000 + 1_500_000 + 15_000_000 + 750_000),
        (Used(), 0),
        (Used(1), 3000),
    ],
)
def test_each_kind_of_token_has_its_price(used: Used, nano: int) -> None:
    """field, case 67: cached tokens are not billed at full price."""
    assert cost(TOLD, used) == nano


def test_cached_tokens_cost_as_input_where_nothing_is_told() -> None:
    """Price: what is left empty costs as input does."""
    assert cost(MIDDLE, Used(10, 0, 10, 10)) == 30 * 1000
    free = Rates.of(Decimal(1), Decimal(2), Decimal(0), Decimal(0))
    assert cost(free, Used(10, 0, 10, 10)) == 10 * 1000


@pytest.mark.parametrize(("tokens", "nano"), [(1, 0), (2, 1), (3, 2), (4, 2), (5, 2), (6, 3)])
def test_halves_are_rounded_to_even(tokens: int, nano: int) -> None:
    """Ours: 0.0005 dollars per million tokens are half a billionth for each."""
    assert cost(Rates.of(Decimal("0.0005"), Decimal(0)), Used(tokens)) == nano


PRICE = st.decimals(0, 1000, places=6)
TOKENS = st.integers(0, 10**9)


@given(PRICE, PRICE, PRICE, PRICE, TOKENS, TOKENS, TOKENS, TOKENS)
def test_cost_is_the_exact_one_rounded_once(
    a: Decimal, b: Decimal, c: Decimal, d: Decimal, i: int, o: int, r: int, w: int
) -> None:
    """Ours: money in whole billionths of a dollar."""
    exact = sum(Fraction(p) * n for p, n in ((a, i), (b, o), (c, r), (d, w))) * 1000
    assert cost(Rates.of(a, b, c, d), Used(i, o, r, w)) == round(exact)


def test_billionths_are_shown_exactly() -> None:
    assert usd(1_234_567_891) == Decimal("1.234567891")
    assert usd(1) == Decimal("1E-9")


# --- which price counts --------------------------------------------------------------------------


def prices(**operators: Rates) -> Prices:
    rows = [OperatorPrice(model, rates) for model, rates in operators.items()]
    return price_list(rows, {("main", "vendor/large"): TOLD})


@pytest.mark.parametrize(
    ("operators", "rates"),
    [
        ({}, TOLD),
        ({"other/*": DEAR}, TOLD),
        ({"*": CHEAP}, CHEAP),
        ({"*": CHEAP, "vendor/*": MIDDLE}, MIDDLE),
        ({"vendor/*": MIDDLE, "*": CHEAP}, MIDDLE),
        ({"*large": MIDDLE, "vendor/l*": DEAR}, DEAR),
        ({"vendor/l????": DEAR, "vendor/*": CHEAP}, DEAR),
        ({"vendor/[lx]arge": DEAR, "v*": CHEAP}, DEAR),
        ({"vendor/larg*": CHEAP, "vendor/large": DEAR}, DEAR),
        ({"VENDOR/Large": DEAR, "vendor/larg*": CHEAP}, DEAR),
        ({"VENDOR/*": DEAR}, DEAR),
    ],
)
def test_exact_name_then_closest_glob_then_the_backends_list(
    operators: dict[str, Rates], rates: Rates
) -> None:
    assert prices(**operators).rates("main", "vendor/large") == rates


@pytest.mark.parametrize(
    ("rows", "at_main", "at_spare"),
    [
        ([("vendor/large", "", DEAR), ("vendor/large", "spare", CHEAP)], DEAR, CHEAP),
        ([("vendor/large", "spare", CHEAP)], TOLD, CHEAP),
        ([("vendor/large", "", DEAR), ("*", "spare", CHEAP)], DEAR, CHEAP),
        ([("vendor/*", "", DEAR), ("*", "spare", CHEAP), ("ven*", "spare", MIDDLE)], DEAR, MIDDLE),
        ([("other", "spare", CHEAP), ("vendor/*", "", DEAR)], DEAR, DEAR),
    ],
)
def test_price_of_a_backend_goes_before_the_price_of_all(
    rows: list[tuple[str, str, Rates]], at_main: Rates, at_spare: Rates
) -> None:
    """Reported by operators: one model, a backend that is paid and one that is free."""
    told = [OperatorPrice(model, rates, backend) for model, backend, rates in rows]
    known = price_list(told, {("main", "vendor/large"): TOLD})
    assert known.rates("main", "vendor/large") == at_main
    assert known.rates("spare", "vendor/large") == at_spare


def test_price_of_a_list_is_its_backends_own() -> None:
    known = prices()
    assert known.rates("second", "vendor/large") is None
    assert known.rates("main", "vendor/LARGE") is None


def test_free_model_has_a_known_price() -> None:
    """Ours: nought is not unknown."""
    free = prices(**{"vendor/large": Rates.of(Decimal(0), Decimal(0))})
    assert free.cost(Used(1000, 1000)) == 0
    assert Prices().cost(Used(1000, 1000)) is None


def test_record_can_be_priced() -> None:
    """The record has the members that pricing reads."""
    record = Record("req_1", backend="main", model="vendor/large", input_tokens=1000)
    assert prices().cost(record) == 3_000_000


@pytest.mark.parametrize(
    ("told", "rates"),
    [
        ({"input": "3", "output": "15", "cache_read": "0.3", "cache_write": "3.75"}, TOLD),
        ({"input": 3, "output": 15.0, "cache_read": 0.3, "cache_write": Decimal("3.75")}, TOLD),
        ({"input": "1", "output": "2"}, MIDDLE),
        ({"input": "1", "output": "2", "cache_read": None, "cache_write": "x"}, MIDDLE),
        ({"input": "0.0000004", "output": "0.0000006"}, Rates(0, 1, 0, 0)),
        ({}, None),
        ({"input": "1"}, None),
        ({"output": "1"}, None),
        ({"input": "-1", "output": "1"}, None),
        ({"input": True, "output": "1"}, None),
        ({"input": "NaN", "output": "1"}, None),
        ({"input": "1e9", "output": "1"}, None),
    ],
)
def test_prices_of_a_models_row_are_read(told: dict[str, Any], rates: Rates | None) -> None:
    """DiscoveredModel.prices: numbers or text, by the names of the members."""
    assert Rates.read(told) == rates
