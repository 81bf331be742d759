"""How values look on the pages. ui: numbers, money, times and states."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from bridge.admin import formatting


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (999, "999"), (1000, "1\u202f000"), (202752, "202\u202f752")],
)
def test_thousands_are_told_apart_and_not_torn(value: int, shown: str) -> None:
    """Thin spaces at which no line ends."""
    assert formatting.number(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (9999, "9\u202f999"),
        (12_345, "12.3\u202fk"),
        (1_250_000, "1.2\u202fM"),
        (12_400_000, "12.4\u202fM"),
        (31_000_000_000, "31.0\u202fG"),
    ],
)
def test_large_numbers_are_short(value: int, shown: str) -> None:
    assert formatting.short(value) == shown


@pytest.mark.parametrize(
    ("usd", "shown"),
    [
        ("0", "0.00 USD"),
        ("12.3456", "12.35 USD"),
        ("0.05", "0.050 USD"),
        ("0.000123456", "0.00012 USD"),
        ("1234.5", "1234.50 USD"),
    ],
)
def test_money_has_two_digits_that_say_something(usd: str, shown: str) -> None:
    assert formatting.money(Decimal(usd)) == shown


def test_what_nobody_told_is_not_a_no() -> None:
    assert (formatting.fact(True), formatting.fact(False), formatting.fact(7)) == ("yes", "no", "7")
    assert 'title="Not reported"' in formatting.fact(None)


def test_moment_is_relative_and_exact() -> None:
    at = timezone.now() - timedelta(minutes=5)
    shown = formatting.moment(at)
    assert at.isoformat(timespec="seconds") in shown and "5\xa0minutes ago" in shown
    assert formatting.moment(None) == "-"


def test_values_are_escaped() -> None:
    assert "<b>" not in formatting.state("danger", "<b>") + formatting.two_lines("<b>", "<b>")
