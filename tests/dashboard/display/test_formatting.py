"""Numbers as people read them (pages, "Rules for every page": numbers)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from dashboard.display import formatting
from dashboard.display.formatting import Figure

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2025, 3, 20, 14, 23, 45, tzinfo=UTC)


def plain(text: str) -> str:
    """With ordinary spaces."""
    return text.replace(formatting.THIN, " ")


@pytest.mark.parametrize(
    ("number", "text", "title"),
    [
        (0, "0", ""),
        (9_999, "9 999", ""),
        (10_000, "10.0 k", "10 000"),
        (12_437_912, "12.4 M", "12 437 912"),
        (999_949, "1.00 M", "999 949"),
        (999_499, "999 k", "999 499"),
        (1_234_567_890, "1.23 B", "1 234 567 890"),
        (5_000_000_000_000, "5 000 B", "5 000 000 000 000"),
    ],
)
def test_tokens_are_short_and_exact_on_hover(number: int, text: str, title: str) -> None:
    figure = formatting.tokens(number)
    assert (plain(figure.text), plain(figure.title)) == (text, title)


@pytest.mark.parametrize(
    ("nano", "text"),
    [
        (0, "$0"),
        (1, "$0.0000000010"),
        (480_000, "$0.00048"),
        (4_849_999, "$0.0048"),
        (99_600_000, "$0.100"),
        (420_000_000, "$0.42"),
        (12_340_000_000, "$12.34"),
        (1_234_567_891_000, "$1 234.57"),
        (-420_000_000, "-$0.42"),
    ],
)
def test_money_has_its_currency_and_at_least_two_digits(nano: int, text: str) -> None:
    assert plain(formatting.money(nano).text) == text


def test_money_is_exact_on_hover() -> None:
    assert plain(formatting.money(4_240_000_001).title) == "4.240000001 US dollars"


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0 ms"),
        (840, "840 ms"),
        (999.4, "999 ms"),
        (999.6, "1.0 s"),
        (2_345, "2.3 s"),
        (99_960, "1 min 40 s"),
        (250_000, "4 min 10 s"),
        (7_500_000, "2 h 5 min"),
    ],
)
def test_durations(ms: float, text: str) -> None:
    assert plain(formatting.duration(ms).text) == text


@pytest.mark.parametrize(
    ("part", "text"),
    [
        (0, "0 %"),
        (0.0004, "<0.1 %"),
        (0.0123, "1.2 %"),
        (0.02, "2 %"),
        (0.42, "42 %"),
        (0.99951, ">99.9 %"),
        (1, "100 %"),
    ],
)
def test_a_share_never_rounds_something_to_nothing(part: float, text: str) -> None:
    assert plain(formatting.share(part).text) == text


@pytest.mark.parametrize(
    ("gone", "text"),
    [
        (timedelta(seconds=1), "now"),
        (timedelta(seconds=12), "12 s ago"),
        (timedelta(minutes=3), "3 min ago"),
        (timedelta(hours=5), "5 h ago"),
        (timedelta(days=2), "2 d ago"),
        (timedelta(days=40), "8 Feb 2025"),
        (timedelta(hours=-20), "in 20 h"),
    ],
)
def test_times_are_relative_and_exact_on_hover(gone: timedelta, text: str) -> None:
    figure = formatting.ago(NOW - gone, NOW, BERLIN)
    assert plain(figure.text) == text
    assert figure.title == formatting.moment(NOW - gone, BERLIN)


def test_the_exact_time_is_in_the_visitors_zone_and_says_which() -> None:
    assert formatting.moment(NOW, BERLIN) == "Thu 20 Mar 2025, 15:23:45 CET"
    assert formatting.moment(NOW, ZoneInfo("Asia/Kolkata")) == "Thu 20 Mar 2025, 19:53:45 IST"


@pytest.mark.parametrize(
    ("now", "before", "text", "direction"),
    [
        (150, 100, "+50 %", "up"),
        (50, 100, "−50 %", "down"),
        (1000, 100, "10 times", "up"),
        (100.2, 100, "unchanged", "same"),
        (5, 0, "none before", "up"),
        (0, 5, "−100 %", "down"),
    ],
)
def test_changes(now: float, before: float, text: str, direction: str) -> None:
    change = formatting.change(now, before, "told", 0)
    assert change is not None
    assert (plain(change.text), change.direction, change.good) == (text, direction, None)


@pytest.mark.parametrize(("now", "before"), [(None, 5), (5, None), (0, 0)])
def test_nothing_to_compare(now: float | None, before: float | None) -> None:
    assert formatting.change(now, before, "", 1) is None


def test_what_is_wanted_decides_whether_a_change_is_good() -> None:
    more, less = formatting.change(2, 1, "", 1), formatting.change(2, 1, "", -1)
    assert more is not None and less is not None
    assert (more.good, less.good) == (True, False)


def test_shares_differ_by_points() -> None:
    """2 % after 1 % is no rise by 100 %."""
    change = formatting.change(0.02, 0.01, "", -1, of_share=True)
    assert change is not None and change.text == "+1.0 points" and change.good is False
    same = formatting.change(0.0101, 0.01, "", -1, of_share=True)
    assert same is not None and same.direction == "same"


def test_unknown_is_a_dash_that_says_so() -> None:
    assert Figure("–", "not known") == formatting.NOTHING


def test_one_request_is_not_several() -> None:
    assert [formatting.requests(n) for n in (0, 1, 1234)] == [
        "0 requests",
        "1 request",
        "1\u202f234 requests",
    ]
