"""The rules of a sign-in by themselves: codes as typed, tokens, and how often a client may ask."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bridge.keys.authentication import PREFIX
from bridge.sign_in import failures, polling, tokens, user_codes
from bridge.sign_in.polling import RequestState, Waiting

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)


@pytest.mark.parametrize("typed", ["BCDF-GHJK", "bcdfghjk", " bcdf ghjk ", "b-c-d-f–ghjk"])
def test_code_is_read_as_people_write_it(typed: str) -> None:
    """RFC 8628, 6.1."""
    assert user_codes.read(typed) == "BCDFGHJK"


@pytest.mark.parametrize("typed", ["", "BCDF", "BCDF-GHJA", "BCDF-GHJKL", "ＢCDFGHJK", "B" * 9999])
def test_what_cannot_be_a_code_is_none(typed: str) -> None:
    assert user_codes.read(typed) == ""


def test_codes_differ_and_are_shown_in_two_halves() -> None:
    codes = {user_codes.new() for _ in range(100)}
    assert len(codes) == 100
    assert all(user_codes.read(user_codes.shown(code)) == code for code in codes)


def test_session_key_is_known_by_the_installation_that_made_it_alone() -> None:
    """docs/architecture.md: made-up keys make nobody look at the database."""
    key = tokens.first_pair(tokens.new_family(), "ours").key
    assert key.startswith(PREFIX)
    assert tokens.is_session_key(key, "ours")
    other = "A" if key[20] != "A" else "B"
    for wrong in (key[:-1], key + "x", key[:20] + other + key[21:], key[:-1] + "é", ""):
        assert not tokens.is_session_key(wrong, "ours")
    assert not tokens.is_session_key(key, "another's")


def test_a_refresh_token_gives_one_pair() -> None:
    first = tokens.first_pair(tokens.new_family(), "ours")
    second = tokens.next_pair(first.refresh, "ours")
    assert second == tokens.next_pair(first.refresh, "ours") != first
    assert second != tokens.next_pair(first.refresh, "another's")
    known = [tokens.read_refresh(pair.refresh) for pair in (first, second)]
    assert known[0] and known[1] and known[0].family == known[1].family


@pytest.mark.parametrize(
    ("waiting", "code"),
    [
        (Waiting(RequestState.PENDING, LATER), failures.PENDING),
        (Waiting(RequestState.PENDING, LATER, 5, NOW - timedelta(seconds=2)), failures.SLOW_DOWN),
        (Waiting(RequestState.PENDING, LATER, 5, NOW - timedelta(seconds=5)), failures.PENDING),
        (Waiting(RequestState.PENDING, LATER, 10, NOW - timedelta(seconds=5)), failures.SLOW_DOWN),
        (Waiting(RequestState.PENDING, NOW), failures.EXPIRED),
        (Waiting(RequestState.APPROVED, NOW), failures.EXPIRED),
        (Waiting(RequestState.DENIED, LATER), failures.DENIED),
        (Waiting(RequestState.REDEEMED, LATER), failures.INVALID_GRANT),
    ],
)
def test_client_that_waits_is_told_why(waiting: Waiting, code: str) -> None:
    """RFC 8628, 3.5."""
    problem = polling.problem(waiting, NOW)
    assert problem is not None and problem.code == code


def test_approved_client_is_due_even_when_it_is_hasty() -> None:
    assert polling.problem(Waiting(RequestState.APPROVED, LATER, 5, NOW), NOW) is None


def test_interval_grows_to_a_minute() -> None:
    assert Waiting(RequestState.PENDING, LATER, 5).slower() == 10
    assert Waiting(RequestState.PENDING, LATER, 58).slower() == 60
