"""What decisions say to clients: headers, and sentences that name whose limit it is."""

from datetime import UTC, datetime
from decimal import Decimal
from math import inf

import pytest

from bridge.keys.decisions import Decision, Gauge, dollars, headers, judge
from bridge.keys.limits import (
    Account,
    AccountKind,
    AccountRef,
    Counts,
    LimitKind,
    Limits,
    Outcome,
    QuotaUsage,
    Reservation,
)
from tests.fakes.rival import of_key

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC).timestamp()
EVERY = Limits(10, 1000, 2, budget_month=Decimal("12.50"), tokens_day=500)


def decision(
    limits: Limits,
    estimate: int = 100,
    refused: LimitKind | None = None,
    wait: float = 0.0,
    **counts: object,
) -> Decision:
    """On a request of a key alone."""
    reservation = Reservation("t", of_key(1, limits), NOW, estimate)
    counted = Counts(**counts) if counts else None  # type: ignore[arg-type]
    return judge(reservation, Outcome(refused, wait=wait, counts=(counted,) if counted else ()))


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
    assert [(each.used, each.quota.most) for each in refused.budgets] == [(2 * 10**9, 10**9)]


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


@pytest.mark.parametrize(
    ("amount", "words"),
    [("20.0000", "20.00 USD"), ("0", "0.00 USD"), ("0.0125", "0.0125 USD"), ("7.5", "7.50 USD")],
)
def test_money_is_told_with_cents(amount: str, words: str) -> None:
    assert dollars(Decimal(amount)) == words


# --- several accounts ---------------------------------------------------------------------------


def accounts(key: Limits, person: Limits, team: Limits) -> tuple[Account, ...]:
    return (
        Account(AccountRef(AccountKind.KEY, 1), "laptop", key),
        Account(AccountRef(AccountKind.PERSON, 2), "ann", person),
        Account(AccountRef(AccountKind.TEAM, 3), "blue", team),
    )


@pytest.mark.parametrize(
    ("kind", "account", "sentence"),
    [
        (LimitKind.REQUESTS, 1, "Rate limit of person ann (10 requests per minute) exceeded"),
        (LimitKind.TOKENS, 2, "Rate limit of team blue (1000 tokens per minute) exceeded"),
        (LimitKind.CONCURRENT, 2, "Limit of team blue (2 concurrent requests) exceeded"),
        (
            LimitKind.BUDGET,
            2,
            "Budget of team blue (12.50 USD a month) is used up, the next one begins at "
            "2026-04-01T00:00:00Z",
        ),
        (
            LimitKind.RESERVED,
            1,
            "What is left of the budget of person ann (12.50 USD a month) is reserved by running "
            "requests",
        ),
    ],
)
def test_refusal_names_whose_limit_it_is(kind: LimitKind, account: int, sentence: str) -> None:
    reservation = Reservation("t", accounts(Limits(), EVERY, EVERY), NOW, 100)
    monthly = [n for n, each in enumerate(reservation.quotas) if each.quota.period == "month"]
    refused = judge(reservation, Outcome(kind, account, monthly[account - 1], 3.0))
    assert refused.message == sentence
    assert refused.account == reservation.accounts[account]


def test_request_too_large_for_a_team_is_told_so() -> None:
    reservation = Reservation("t", accounts(Limits(), Limits(), EVERY), NOW, 1200)
    refused = judge(reservation, Outcome(LimitKind.TOKENS, 2, wait=inf))
    assert refused.message == (
        "Request of about 1200 tokens exceeds the 1000 tokens per minute of team blue"
    )


def test_headers_show_the_tightest_minute() -> None:
    """Of requests and of tokens, whosever it is."""
    mine = accounts(Limits(rpm=50, tpm=500), Limits(rpm=10), Limits(rpm=20, tpm=9000))
    counts = (Counts(5, 60.0, 100, 60.0), Counts(7, 30.0), Counts(17, 45.0, 8990, 20.0))
    told = judge(Reservation("t", mine, NOW, 1), Outcome(counts=counts))
    assert told.requests == Gauge(20, 3, NOW + 45), "of equals the one that takes longer"
    assert told.tokens == Gauge(9000, 10, NOW + 20)


def test_decision_tells_how_much_of_each_budget_is_used_and_until_when() -> None:
    mine = accounts(
        Limits(budget_total=Decimal(8)), Limits(), Limits(budget_day=Decimal(2), tokens_month=10)
    )
    counts = (
        Counts(used=(QuotaUsage(10**9, 5),)),
        Counts(),
        Counts(used=(QuotaUsage(10**9, 5), QuotaUsage(6 * 10**9, 9))),
    )
    told = judge(Reservation("t", mine, NOW, 1), Outcome(counts=counts))
    assert [(each.account.name, each.used, each.share, each.reset) for each in told.budgets] == [
        ("laptop", 10**9, 0.125, inf),
        ("blue", 10**9, 0.5, datetime(2026, 3, 2, tzinfo=UTC).timestamp()),
    ]
    assert [each.used for each in told.quotas if each not in told.budgets] == [9]


def test_quotas_that_end_last_are_looked_at_first() -> None:
    """Who waits for the refused one must not meet another."""
    mine = accounts(
        Limits(tokens_day=1, budget_week=Decimal(1)),
        Limits(budget_month=Decimal(1)),
        Limits(budget_day=Decimal(1)),
    )
    order = [(each.account, each.quota.period) for each in Reservation("t", mine, NOW, 1).quotas]
    # 2026-03-01 is a Sunday: its week ends with the day
    assert order == [(1, "month"), (0, "week"), (0, "day"), (2, "day")]
