"""The headers on spend at the edges that a running gateway does not come to by itself."""

from decimal import Decimal
from math import inf, nextafter

import pytest

from bridge.keys.decisions import QuotaState, fullest, judge
from bridge.keys.limits import NANO, Counts, LimitKind, Limits, Outcome, QuotaUsage, Reservation
from bridge.keys.periods import Period
from bridge.keys.spend_headers import PREFIX, answered, refused, shown_share
from bridge.keys.thresholds import surpassed
from tests.fakes.rival import of_key

NOW = 1_772_366_400.0  # 2026-03-01T12:00:00Z
MILLION = 10**6


def state(used: int, most: int = MILLION, period: Period = "month") -> QuotaState:
    limits = Limits(**{f"budget_{period}": Decimal(most) / NANO})  # type: ignore[arg-type]
    (account,) = of_key(1, limits)
    return QuotaState(account, limits.quotas[0], used, NOW + 0.5)


@pytest.mark.parametrize(
    ("used", "share", "threshold"),
    [
        (0, "0.00", None),
        (749_999, "0.75", None),
        (750_000, "0.75", "0.75"),
        (949_999, "0.95", "0.75"),
        (950_000, "0.95", "0.95"),
        (994_999, "0.99", "0.95"),
        (999_999, "0.99", "0.95"),
    ],
)
def test_share_stays_below_one_while_requests_pass(
    used: int, share: str, threshold: str | None
) -> None:
    """Gateway contract 6."""
    lines = answered(state(used))
    assert lines[f"{PREFIX}overage-utilization"] == share
    assert lines.get(f"{PREFIX}overage-surpassed-threshold") == threshold
    status = "allowed" if threshold is None else "allowed_warning"
    assert lines[f"{PREFIX}status"] == lines[f"{PREFIX}overage-status"] == status
    assert lines[f"{PREFIX}reset"] == lines[f"{PREFIX}overage-reset"] == "1772366401"


def test_thresholds_belong_to_the_shares_from_them_on() -> None:
    assert surpassed(nextafter(0.75, 0)) is None
    assert (surpassed(0.75), surpassed(0.95), surpassed(7.0)) == (0.75, 0.95, 0.95)


def test_budget_of_nothing_is_used_up() -> None:
    nothing = state(0, most=0)
    assert (nothing.share, shown_share(nothing)) == (1.0, 1.0)


def test_of_two_walls_the_one_that_begins_anew_last_is_described() -> None:
    """Also where less of it is overdrawn."""
    limits = Limits(budget_day=Decimal(1), budget_month=Decimal(5))
    reservation = Reservation("r", of_key(1, limits), NOW, 0)
    used = (QuotaUsage(9 * NANO, 0), QuotaUsage(5 * NANO, 0))
    decision = judge(reservation, Outcome(LimitKind.BUDGET, counts=(Counts(used=used),)))
    assert refused(decision)[f"{PREFIX}overage-period"] == "monthly"


def test_none_is_described_where_there_is_none() -> None:
    assert fullest([]) is None
    assert answered(None) == {}
    reservation = Reservation("r", of_key(1, Limits(rpm=1)), NOW, 0)
    assert refused(judge(reservation, Outcome(LimitKind.REQUESTS, wait=inf))) == {}
