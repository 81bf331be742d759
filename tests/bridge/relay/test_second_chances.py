"""Who gets a second chance, and after how long. wire E2 column R, E7; seeds: the 429 rule."""

import pytest

from bridge.relay import attempt
from bridge.relay.attempt import _allowance, _pause
from bridge.translation.errors.api_error import ApiError, Remedy
from bridge.translation.facts import refuses
from tests.bridge.making import relay_settings


@pytest.mark.parametrize(
    ("error", "allowed"),
    [
        (ApiError(429, "slow", retry_after=2, retryable=True), 1),
        (ApiError(429, "slow", retry_after=0, retryable=True), 1),
        (ApiError(429, "slow", retry_after=3, retryable=True), 0),
        (ApiError(429, "slow", retryable=True), 0),
        (ApiError(529, "busy", retry_after=30, retryable=True), 1),
        (ApiError(502, "bad", retryable=True), 1),
        (ApiError(502, "bad"), 0),
        (ApiError(500, "bug", blames_backend=True), 0),
        (ApiError(400, "no", remedy=Remedy(facts=refuses("strict"))), 1),
        (ApiError(400, "no", remedy=Remedy(max_tokens=300)), 1),
        (ApiError(400, "no"), 0),
    ],
)
def test_second_chance_is_given_by_the_error(error: ApiError, allowed: int) -> None:
    """wire E2, column R; a 429 only when its retry-after is short."""
    assert _allowance(error, relay_settings()) == allowed


@pytest.mark.parametrize(
    ("backoff", "most", "allowed"), [(False, 1, 0), (True, 0, 0), (True, 3, 3)]
)
def test_rule_for_429_is_the_operators(backoff: bool, most: int, allowed: int) -> None:
    """Seeds: PROXY_BACKOFF_ON_429 and PROXY_MAX_RETRY_ON_429. P15."""
    settings = relay_settings(proxy_backoff_on_429=backoff, proxy_max_retry_on_429=most)
    slow = ApiError(429, "slow", retry_after=1, retryable=True)
    assert _allowance(slow, settings) == allowed


def test_longest_wait_is_the_operators() -> None:
    """Seeds: PROXY_MAX_RETRY_AFTER. P15."""
    settings = relay_settings(proxy_max_retry_after=9.0)
    slow = ApiError(429, "slow", retry_after=9, retryable=True)
    assert (_allowance(slow, settings), _pause(slow, 9.0)) == (1, 9)


@pytest.mark.parametrize(
    ("retry_after", "least", "most"), [(2, 2, 2), (0, 0, 0), (30, 0.3, 0.8), (None, 0.3, 0.8)]
)
def test_pause_is_what_was_asked_for_or_a_moment(
    monkeypatch: pytest.MonkeyPatch, retry_after: int | None, least: float, most: float
) -> None:
    """wire E7: retry-after when <= 2 s, else 0.3-0.8 s random."""
    monkeypatch.undo()
    assert attempt.PAUSE_RANGE == (0.3, 0.8)
    error = ApiError(529, "busy", retry_after=retry_after, retryable=True)
    assert all(least <= _pause(error, 2.0) <= most for _ in range(50))
