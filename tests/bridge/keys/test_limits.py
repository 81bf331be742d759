"""What limits are: numbers that make sense, money in billionths, periods of UTC."""

from datetime import UTC, datetime
from decimal import Decimal
from math import inf

import pytest

from bridge.keys.decisions import rfc3339
from bridge.keys.limits import Limits, billionths
from bridge.keys.periods import period_end, period_name

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    "name",
    ["rpm", "tpm", "concurrent", "budget_month", "tokens_day", "tokens_week", "tokens_month"],
)
def test_limit_below_zero_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        Limits(**{name: -1})  # type: ignore[arg-type]


def test_limits_without_a_number_are_empty() -> None:
    assert Limits().is_empty
    assert not Limits(rpm=0).is_empty
    assert not Limits(budget_month=Decimal(0)).is_empty


# --- money and time ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cost", "nanos"),
    [("0", 0), ("1", 10**9), ("0.00000005", 50), ("0.0000000004", 0), ("0.0000000006", 1)],
)
def test_money_is_counted_in_billionths(cost: str, nanos: int) -> None:
    assert billionths(Decimal(cost)) == nanos


@pytest.mark.parametrize(
    ("moment", "day", "month"),
    [
        ("2026-03-01T00:00:00", "2026-03-02T00:00:00Z", "2026-04-01T00:00:00Z"),
        ("2026-01-31T23:59:59", "2026-02-01T00:00:00Z", "2026-02-01T00:00:00Z"),
        ("2026-12-31T12:00:00", "2027-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ("2028-02-28T12:00:00", "2028-02-29T00:00:00Z", "2028-03-01T00:00:00Z"),
    ],
)
def test_periods_end_at_midnight_utc(moment: str, day: str, month: str) -> None:
    now = datetime.fromisoformat(f"{moment}+00:00").timestamp()
    assert rfc3339(period_end(now, "day")) == day
    assert rfc3339(period_end(now, "month")) == month


def test_periods_have_names_that_never_come_again() -> None:
    assert (period_name(NOW, "day"), period_name(NOW, "month")) == ("2026-03-01", "2026-03")
    assert (period_name(NOW, "week"), period_name(NOW, "total")) == ("2026-W09", "total")


@pytest.mark.parametrize(
    ("moment", "week"),
    [
        ("2026-03-01T12:00:00", "2026-03-02T00:00:00Z"),
        ("2026-03-02T00:00:00", "2026-03-09T00:00:00Z"),
        ("2026-12-31T12:00:00", "2027-01-04T00:00:00Z"),
    ],
)
def test_weeks_begin_on_monday(moment: str, week: str) -> None:
    now = datetime.fromisoformat(f"{moment}+00:00").timestamp()
    assert rfc3339(period_end(now, "week")) == week
    assert period_end(now, "total") == inf
