"""What limits say to clients: headers, sentences, and when a budget begins anew."""

from datetime import UTC, datetime
from decimal import Decimal
from math import inf

import pytest

from bridge.keys.limits import (
    Decision,
    LimitKind,
    Limits,
    Outcome,
    QuotaUsage,
    Reservation,
    billionths,
    dollars,
    headers,
    judge,
    rfc3339,
)
from bridge.keys.periods import period_end, period_name

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC).timestamp()


def decision(limits: Limits, estimate: int = 100, **outcome: object) -> Decision:
    reservation = Reservation("t", 1, NOW, estimate, limits)
    return judge(reservation, Outcome(**outcome))  # type: ignore[arg-type]


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


def test_every_reply_shows_the_limits_that_there_are() -> None:
    """The vendor's names; times as RFC 3339."""
    limits = Limits(rpm=10, tpm=1000)
    told = decision(limits, requests=3, requests_reset=60.0, tokens=300, tokens_reset=12.5)
    assert told.is_allowed
    assert headers(told) == {
        "anthropic-ratelimit-requests-limit": "10",
        "anthropic-ratelimit-requests-remaining": "7",
        "anthropic-ratelimit-requests-reset": "2026-03-01T12:01:00Z",
        "anthropic-ratelimit-tokens-limit": "1000",
        "anthropic-ratelimit-tokens-remaining": "700",
        "anthropic-ratelimit-tokens-reset": "2026-03-01T12:00:13Z",
    }


def test_limits_that_a_key_has_not_are_not_shown() -> None:
    assert headers(decision(Limits(concurrent=1, budget_month=Decimal(5)))) == {}


def test_more_used_than_allowed_leaves_nothing() -> None:
    """An answer may turn out longer than its estimate."""
    told = headers(decision(Limits(tpm=1000), tokens=1500))
    assert told["anthropic-ratelimit-tokens-remaining"] == "0"


@pytest.mark.parametrize(
    ("kind", "sentence", "number"),
    [
        (LimitKind.REQUESTS, "Rate limit of 10 requests per minute exceeded", 10),
        (LimitKind.TOKENS, "Rate limit of 1000 tokens per minute exceeded", 1000),
        (LimitKind.CONCURRENT, "Limit of 2 concurrent requests exceeded", 2),
        (
            LimitKind.BUDGET,
            "Budget of 12.50 USD a month is used up, the next one begins at 2026-04-01T00:00:00Z",
            Decimal("12.50"),
        ),
    ],
)
def test_refusal_names_the_limit(kind: LimitKind, sentence: str, number: object) -> None:
    """wire E1: per-key rate limit, per-key budget used up."""
    limits = Limits(10, 1000, 2, budget_month=Decimal("12.50"))
    refused = decision(limits, refused=kind, wait=3.2)
    assert not refused.is_allowed
    assert (refused.refused, refused.limit, refused.message) == (kind, number, sentence)


@pytest.mark.parametrize(("wait", "seconds"), [(0.001, "1"), (1.0, "1"), (1.01, "2"), (59.5, "60")])
def test_refusal_says_in_whole_seconds_when_to_come_back(wait: float, seconds: str) -> None:
    """wire A3: retry-after, integer seconds. Rounded up: who comes back then is let in."""
    refused = decision(Limits(rpm=1), refused=LimitKind.REQUESTS, wait=wait)
    assert headers(refused)["retry-after"] == seconds
    assert refused.should_retry is None


def test_used_up_budget_lasts_until_the_next_period_and_is_no_matter_of_retries() -> None:
    """wire E1: x-should-retry: false, retry-after."""
    refused = decision(
        Limits(budget_day=Decimal(1)),
        refused=LimitKind.BUDGET,
        used=(QuotaUsage(2 * 10**9),),
    )
    assert (refused.retry_after, refused.should_retry) == (12 * 3600, False)
    assert refused.spent_usd == 2


def test_request_larger_than_the_limit_is_told_that_waiting_is_of_no_use() -> None:
    refused = decision(Limits(tpm=1000), estimate=1200, refused=LimitKind.TOKENS, wait=inf)
    assert (refused.retry_after, refused.should_retry) == (None, False)
    assert "retry-after" not in headers(refused)
    assert refused.message == (
        "Request of about 1200 tokens exceeds the 1000 tokens per minute of this key"
    )


def test_passing_request_tells_no_wait() -> None:
    passing = decision(Limits(rpm=1), requests=1)
    assert (passing.retry_after, passing.message, passing.should_retry) == (None, "", None)


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


@pytest.mark.parametrize(
    ("amount", "words"),
    [("20.0000", "20.00 USD"), ("0", "0.00 USD"), ("0.0125", "0.0125 USD"), ("7.5", "7.50 USD")],
)
def test_money_is_told_with_cents(amount: str, words: str) -> None:
    assert dollars(Decimal(amount)) == words
