"""Where a request's time went: all of it, in order, whatever is known (pages, "timing bar")."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.display.formatting import THIN
from dashboard.display.request.timing import WIDTH, precise, timing

ALL = {
    "auth_after": 0.001,
    "translated_after": 0.004,
    "connected_after": 0.014,
    "headers_after": 0.2,
    "first_token_after": 0.5,
}


def names(**moments: float | None) -> list[str]:
    return [phase.name for phase in timing(moments, 1000).phases]


def test_a_whole_request_has_six_phases() -> None:
    told = timing(ALL, 2000)
    assert [(p.name, round(p.ms)) for p in told.phases] == [
        ("auth", 1),
        ("translate", 3),
        ("connect", 10),
        ("wait", 186),
        ("prompt", 300),
        ("answer", 1500),
    ]
    assert told.own == f"4.0{THIN}ms"
    assert timing({"translated_after": 0.5}, 900, earlier=480).own == f"20{THIN}ms"
    assert all(phase.reached for phase in told.phases)


def test_a_connection_that_was_there_takes_no_time() -> None:
    told = timing({**ALL, "connected_after": None}, 2000)
    assert told.is_reused and not timing(ALL, 2000).is_reused
    assert "connect" not in [phase.name for phase in told.phases]


@pytest.mark.parametrize(
    ("known", "last"),
    [
        ({}, "auth"),
        ({"auth_after": 0.1}, "translate"),
        ({"auth_after": 0.1, "translated_after": 0.2}, "wait"),
        ({"auth_after": 0.1, "translated_after": 0.2, "connected_after": 0.3}, "wait"),
        ({"auth_after": 0.1, "headers_after": 0.4}, "prompt"),
        ({"first_token_after": 0.4}, "answer"),
    ],
)
def test_a_request_that_ended_early_says_what_it_waited_for(
    known: dict[str, float], last: str
) -> None:
    phase = timing(known, 1000).phases[-1]
    assert phase.name == last
    assert phase.reached == (last == "answer")
    assert phase.words.startswith("Ended before ") != phase.reached


def test_a_phase_that_took_next_to_nothing_is_still_seen() -> None:
    told = timing({"auth_after": 0.0001, "translated_after": 0.0002}, 100_000)
    assert all(phase.width >= 3 for phase in told.phases)


def test_less_than_ten_milliseconds_have_tenths() -> None:
    assert [precise(ms) for ms in (0, 0.04, 0.44, 9.9, 12.4, 2400)] == [
        f"0{THIN}ms",
        f"0.0{THIN}ms",
        f"0.4{THIN}ms",
        f"9.9{THIN}ms",
        f"12{THIN}ms",
        f"2.4{THIN}s",
    ]


moments = st.one_of(st.none(), st.floats(0, 700, allow_nan=False))


@given(
    st.fixed_dictionaries(dict.fromkeys(ALL, moments)),
    st.integers(0, 600_000),
)
def test_phases_follow_each_other_and_are_all_of_the_time(
    known: dict[str, float | None], total: int
) -> None:
    """Also where moments contradict each other: clocks of rows are nobody's promise."""
    told = timing(known, total)
    assert told.phases[0].start == 0
    for one, following in zip(told.phases, told.phases[1:], strict=False):
        assert one.end == following.start
        assert one.x + one.width == pytest.approx(following.x)
    assert all(phase.ms >= 0 and phase.width >= 0 for phase in told.phases)
    assert told.phases[-1].end == total
    if total:
        assert sum(phase.width for phase in told.phases) == pytest.approx(WIDTH)
