"""The circuit breaker as a machine: wire E2, breaker policy; seeds: 5 failures, 30 seconds."""

import pytest

from bridge.backends.breaker import Breaker, State


def opened(at: float = 0.0, **fields: float) -> Breaker:
    """A breaker that opened at this time."""
    breaker = Breaker(**fields)  # type: ignore[arg-type]
    for _ in range(breaker.threshold):
        breaker.failed(at)
    return breaker


def test_new_breaker_lets_everything_through() -> None:
    breaker = Breaker()
    assert [breaker.admit(0.0) for _ in range(50)] == [0] * 50
    assert breaker.state(0.0) is State.CLOSED


@pytest.mark.parametrize(("failures", "state"), [(4, State.CLOSED), (5, State.OPEN)])
def test_fifth_failure_in_a_row_opens(failures: int, state: State) -> None:
    """wire E2: opens after 5 consecutive failures."""
    breaker = Breaker()
    for _ in range(failures):
        breaker.failed(0.0)
    assert breaker.state(0.0) is state


def test_success_between_failures_starts_the_count_anew() -> None:
    """wire E2: consecutive; a success resets."""
    breaker = Breaker()
    for _ in range(3):
        for _ in range(4):
            breaker.failed(0.0)
        breaker.succeeded()
    assert (breaker.state(0.0), breaker.failures) == (State.CLOSED, 0)


def test_request_without_a_verdict_changes_no_count() -> None:
    """wire E2: a client disconnect never counts, neither way."""
    breaker = Breaker()
    for _ in range(4):
        breaker.failed(0.0)
    breaker.abandoned()
    assert (breaker.failures, breaker.admit(0.0)) == (4, 0)
    breaker.failed(0.0)
    assert breaker.state(0.0) is State.OPEN


@pytest.mark.parametrize(
    ("now", "wait"), [(0.0, 30), (0.1, 30), (1.0, 29), (29.0, 1), (29.9, 1), (29.999, 1)]
)
def test_open_breaker_tells_the_whole_seconds_left(now: float, wait: int) -> None:
    """wire E1: retry-after, seconds to half-open, 1-30."""
    assert opened().admit(now) == wait


def test_half_open_lets_one_trial_through() -> None:
    """wire E2: half-open after 30 s with one probe. R10, F114."""
    breaker = opened()
    assert breaker.state(30.0) is State.HALF_OPEN
    assert [breaker.admit(30.0) for _ in range(4)] == [0, 1, 1, 1]


def test_good_trial_closes() -> None:
    breaker = opened()
    breaker.admit(30.0)
    breaker.succeeded()
    assert [breaker.admit(30.0) for _ in range(3)] == [0, 0, 0]
    assert (breaker.state(30.0), breaker.failures) == (State.CLOSED, 0)


def test_bad_trial_opens_for_another_pause() -> None:
    breaker = opened()
    breaker.admit(31.0)
    breaker.failed(32.0, trial=1)
    assert (breaker.state(32.0), breaker.admit(32.0)) == (State.OPEN, 30)
    assert breaker.state(62.0) is State.HALF_OPEN


def test_trial_without_a_verdict_leaves_it_to_the_next() -> None:
    """Ours: a client that left must not lock the backend out for good."""
    breaker = opened()
    breaker.admit(30.0)
    breaker.abandoned(trial=1)
    assert breaker.state(30.0) is State.HALF_OPEN
    assert [breaker.admit(30.0), breaker.admit(30.0)] == [0, 1]


def test_numbers_are_settings() -> None:
    """Ours: BREAKER_FAILURES and BREAKER_SECONDS."""
    breaker = opened(threshold=2, pause=7.5)
    assert (breaker.admit(0.0), breaker.admit(7.0), breaker.admit(7.5)) == (8, 1, 0)


def test_trial_that_hangs_for_a_pause_has_failed_and_the_next_may_try() -> None:
    breaker = opened()
    assert breaker.admit(30.0) == 0
    assert [breaker.admit(59.9), breaker.admit(60.0), breaker.admit(60.0)] == [1, 0, 1]
    assert breaker.failures == 6


@pytest.mark.parametrize("late", ["failed", "abandoned"])
def test_trial_that_was_given_up_decides_nothing_any_more(late: str) -> None:
    """Its place was given to the next one, which is still running."""
    breaker = opened()
    breaker.admit(30.0)
    breaker.admit(60.0)
    if late == "failed":
        breaker.failed(61.0, trial=1)
    else:
        breaker.abandoned(trial=1)
    assert (breaker.state(61.0), breaker.admit(61.0)) == (State.HALF_OPEN, 1)
    breaker.failed(62.0, trial=2)
    assert breaker.state(62.0) is State.OPEN


def test_trial_that_was_given_up_may_still_prove_that_all_is_well() -> None:
    breaker = opened()
    breaker.admit(30.0)
    breaker.admit(60.0)
    breaker.succeeded()
    breaker.failed(61.0, trial=2)
    assert (breaker.state(61.0), breaker.failures) == (State.CLOSED, 1)
