"""Health: permits, and what they tell the breaker of a backend."""

from typing import Any

import pytest

from bridge.backends.breaker import State
from bridge.backends.failures import CLOSED, LOCAL, REFUSED, TIMED_OUT
from bridge.backends.health import (
    BREAKER_OPEN,
    MAX_RESTS,
    Health,
    Permit,
    Report,
    identity,
)
from bridge.translation.errors.api_error import ApiError
from tests.bridge.making import Clock, a_backend

BACKEND = a_backend()
BLAMED = ApiError.bad_gateway("Could not reach the backend")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health(5, 30.0, clock)


def fail(health: Health, times: int = 5) -> None:
    for _ in range(times):
        health.admit(BACKEND).failed(BLAMED)


def refused(health: Health) -> bool:
    """Whether the next request is turned away."""
    try:
        health.admit(BACKEND)
    except ApiError:
        return True
    return False


def test_open_breaker_is_an_overload_with_the_time_to_come_back(
    health: Health, clock: Clock
) -> None:
    """wire E1, row breaker open; G3."""
    fail(health)
    clock.advance(12.0)
    with pytest.raises(ApiError) as caught:
        health.admit(BACKEND)
    error = caught.value
    assert (error.status, error.type, error.message) == (529, "overloaded_error", BREAKER_OPEN)
    assert error.reply_headers() == {"retry-after": "18"}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 429, 529])
def test_error_that_is_not_the_backends_never_counts(health: Health, status: int) -> None:
    """wire E2: only column B counts, 4xx never. S20."""
    for _ in range(20):
        health.admit(BACKEND).failed(ApiError(status, "the caller's"))
    assert health.state(BACKEND) is State.CLOSED
    assert health.of(BACKEND).breaker.failures == 0


def test_client_that_left_never_counts(health: Health) -> None:
    """wire E2: a client disconnect never counts."""
    for _ in range(20):
        health.admit(BACKEND).abandoned()
    assert health.state(BACKEND) is State.CLOSED


@pytest.mark.parametrize("later", ["succeeded", "abandoned", "failed"])
def test_first_verdict_of_a_permit_counts(health: Health, later: str) -> None:
    """Ours: `settle` abandons every permit last."""
    for _ in range(5):
        permit = health.admit(BACKEND)
        permit.failed(BLAMED)
        permit.failed(BLAMED) if later == "failed" else getattr(permit, later)()
    assert health.state(BACKEND) is State.OPEN
    assert health.of(BACKEND).breaker.failures == 5


def test_success_is_not_taken_back(health: Health) -> None:
    permit = health.admit(BACKEND)
    permit.succeeded()
    permit.failed(BLAMED)
    assert health.of(BACKEND).breaker.failures == 0


def test_last_error_is_kept_for_the_page(health: Health) -> None:
    fail(health, 1)
    assert health.of(BACKEND).last_error == "Could not reach the backend"


def test_backends_have_breakers_of_their_own(health: Health) -> None:
    """wire E2: per backend, not per model."""
    fail(health)
    other = a_backend(name="other", id=2)
    assert health.state(BACKEND) is State.OPEN
    assert health.state(other) is State.CLOSED
    health.admit(other).succeeded()
    assert health.state(BACKEND) is State.OPEN


@pytest.mark.parametrize(
    "changed", [{"timeout": 5.0}, {"weight": 2}, {"models": {}}, {"breaker": "automatic"}]
)
def test_condition_outlives_a_changed_row(health: Health, changed: Any) -> None:
    """Ours: an edit in the admin is no proof that the backend is well again."""
    fail(health)
    assert health.state(a_backend(**changed)) is State.OPEN


@pytest.mark.parametrize(
    "changed",
    [{"url": "http://mended.test/v1"}, {"key": "cpk_new"}, {"auth_header": "api-key"}, {"id": 2}],
    ids=["address", "key", "header", "new row"],
)
def test_other_address_or_credential_starts_closed(health: Health, changed: Any) -> None:
    """The condition is about what was called, not about a name."""
    fail(health)
    mended = a_backend(**changed)
    assert (health.state(mended), health.of(mended).last_error) == (State.CLOSED, "")
    assert health.state(BACKEND) is State.OPEN


def test_conditions_of_before_are_forgotten(health: Health) -> None:
    fail(health)
    mended = a_backend("http://mended.test/v1")
    health.admit(mended).succeeded()
    health.keep([mended])
    assert list(health.conditions) == [identity(mended)]


def test_identity_shows_no_key() -> None:
    marks = [identity(a_backend(key=key)) for key in ("cpk_one", "cpk_two", "cpk_one")]
    assert marks[0] == marks[2] != marks[1]
    assert "cpk" not in marks[0]


def test_first_token_of_a_trial_closes_and_its_end_still_counts(
    health: Health, clock: Clock
) -> None:
    fail(health)
    clock.advance(30.0)
    trial = health.admit(BACKEND)
    trial.began()
    assert health.state(BACKEND) is State.CLOSED
    trial.failed(BLAMED)
    assert health.of(BACKEND).breaker.failures == 1


def test_first_token_of_any_other_request_proves_nothing(health: Health) -> None:
    """Else a backend that always breaks off in the middle never opens its breaker."""
    for _ in range(5):
        permit = health.admit(BACKEND)
        permit.began()
        permit.failed(BLAMED)
    assert health.state(BACKEND) is State.OPEN


def test_trial_that_hangs_is_reported_as_a_failure(health: Health, clock: Clock) -> None:
    fail(health)
    clock.advance(30.0)
    health.admit(BACKEND)
    clock.advance(30.0)
    assert not refused(health)
    assert health.of(BACKEND).last_error == "Trial request showed no answer within 30 seconds"
    assert health.reports[identity(BACKEND)].failures == 6


def test_shortage_of_the_gateway_is_logged_and_blames_nobody(
    health: Health, caplog: pytest.LogCaptureFixture
) -> None:
    """The log names it once and not for every request."""
    shortage = LOCAL.error("Too many open files")
    for _ in range(20):
        health.admit(BACKEND).failed(shortage)
    assert (health.state(BACKEND), health.of(BACKEND).breaker.failures) == (State.CLOSED, 0)
    assert health.of(BACKEND).reachable is None
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert said == [
        "backend main: Gateway could not open a connection to the backend: Too many open files "
        "(shortage on the gateway's machine: Too many open files)"
    ]


def test_cause_stands_in_the_log_and_in_the_last_error(
    health: Health, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    health.admit(BACKEND).failed(REFUSED.error())
    health.admit(BACKEND).failed(REFUSED.error())
    text = "Could not reach the backend (connection refused)"
    assert health.of(BACKEND).last_error == text
    assert caplog.text.count(text) == 1
    clock.advance(60.0)
    health.admit(BACKEND).failed(REFUSED.error())
    assert caplog.text.count(text) == 2


# --- targets that come last ---------------------------------------------------------------------


def limited(seconds: int) -> ApiError:
    return ApiError(429, "slow down", rest_seconds=seconds)


def rest(health: Health, seconds: int, name: str = "m") -> None:
    permit = health.admit(BACKEND)
    permit.rest_name = name
    permit.failed(limited(seconds))


def test_rest_is_for_one_model_and_ends(health: Health, clock: Clock) -> None:
    rest(health, 600)
    assert health.reason_to_defer(BACKEND, "m") == ("asked to wait for 600 s", 600.0)
    assert health.reason_to_defer(BACKEND, "other") == ("", 0.0)
    assert health.state(BACKEND) is State.CLOSED
    clock.advance(600.0)
    assert health.reason_to_defer(BACKEND, "m") == ("", 0.0)


def test_rest_is_capped(clock: Clock) -> None:
    health = Health(5, 30.0, clock, rest_max=100.0)
    rest(health, 86_400)
    assert health.reason_to_defer(BACKEND, "m")[1] == 100.0


def test_shorter_rest_does_not_end_a_longer_one(health: Health) -> None:
    rest(health, 600)
    rest(health, 5)
    assert health.reason_to_defer(BACKEND, "m")[1] == 600.0


def test_rests_are_bounded(health: Health) -> None:
    """Names of models may come from callers."""
    for n in range(MAX_RESTS + 50):
        rest(health, 100 + n, f"m{n}")
    rests = health.of(BACKEND).rests
    assert len(rests) == MAX_RESTS
    assert "m0" not in rests


def test_backend_that_could_not_be_reached_comes_last_until_it_is(health: Health) -> None:
    health.admit(BACKEND).failed(TIMED_OUT.error())
    assert health.reason_to_defer(BACKEND, "m")[0] == "not reachable when last tried"
    health.reached(BACKEND, True)
    assert health.reason_to_defer(BACKEND, "m") == ("", 0.0)
    health.admit(BACKEND).failed(CLOSED.error())
    assert health.reason_to_defer(BACKEND, "m") == ("", 0.0)


def test_backend_that_is_forced_closed_is_never_put_last(health: Health) -> None:
    """backends.py: go on sending, whatever fails."""
    health.reached(BACKEND, False)
    rest(health, 600)
    assert health.reason_to_defer(a_backend(breaker="closed"), "m") == ("", 0.0)


@pytest.mark.parametrize(
    ("seconds", "open_ones", "serving"),
    [(0.0, 0, True), (0.0, 1, True), (0.0, 2, False), (30.0, 2, True)],
)
def test_gateway_serves_while_any_backend_would_be_called(
    health: Health, clock: Clock, seconds: float, open_ones: int, serving: bool
) -> None:
    """Ours: /health is 200 when it can serve, 503 when it cannot."""
    backends = (a_backend(name="a"), a_backend(name="b"))
    for backend in backends[:open_ones]:
        for _ in range(5):
            health.admit(backend).failed(BLAMED)
    clock.advance(seconds)
    assert health.can_serve(backends) is serving


def test_backend_that_is_forced_open_is_never_called(health: Health) -> None:
    """backends.py: nothing is sent. wire E1: with the time to come back."""
    forced = a_backend(breaker="open")
    with pytest.raises(ApiError) as caught:
        health.admit(forced)
    assert (caught.value.status, caught.value.message) == (529, BREAKER_OPEN)
    assert caught.value.reply_headers()["retry-after"] == "1"
    assert health.state(forced) is State.OPEN
    assert health.can_serve((forced,)) is False


def test_backend_that_is_forced_closed_is_always_called(health: Health, clock: Clock) -> None:
    """backends.py: failures do not open it. They count, for when it is automatic again."""
    forced = a_backend(breaker="closed")
    for _ in range(20):
        health.admit(forced).failed(BLAMED)
    assert (health.state(forced), health.can_serve((forced,))) == (State.CLOSED, True)
    assert health.state(BACKEND) is State.OPEN
    health.admit(forced).succeeded()
    assert health.state(BACKEND) is State.CLOSED


def test_call_of_a_forced_breaker_is_no_trial(health: Health, clock: Clock) -> None:
    """Ours: nobody must wait for the end of a call that was let through in any case."""
    fail(health)
    clock.advance(30.0)
    for _ in range(3):
        health.admit(a_backend(breaker="closed")).abandoned()
    early = health.admit(a_backend(breaker="closed"))
    assert not refused(health), "the trial"
    early.abandoned()
    assert refused(health), "the trial is still running"


@pytest.mark.parametrize("breaker", ["automatic", "open", "closed"])
def test_backend_that_is_not_configured_is_never_called(health: Health, breaker: str) -> None:
    """snapshot.py: the row makes no sense. A forced breaker does not mend it."""
    broken = a_backend(breaker=breaker, broken="is not configured correctly")
    with pytest.raises(ApiError) as caught:
        health.admit(broken)
    error = caught.value
    assert (error.status, error.message) == (503, "Backend main is not configured correctly")
    assert health.can_serve((broken,)) is False
    assert health.can_serve((broken, a_backend(name="other", id=2))) is True


def test_opening_and_closing_is_said_at_once(health: Health, clock: Clock) -> None:
    """breaker_rows.py: other processes learn of it within moments."""
    said: list[State] = []
    health.changed = lambda: said.append(health.state(BACKEND))
    fail(health)
    assert said == [State.OPEN]
    clock.advance(30.0)
    health.admit(BACKEND).succeeded()
    assert len(said) == 2
    health.admit(BACKEND).succeeded()
    assert len(said) == 2


@pytest.mark.parametrize(
    ("first", "later", "together"),
    [
        (Report(2, False, False, "a"), Report(1, False, False, "b"), Report(3, error="b")),
        (Report(2, False, True, "a"), Report(1), Report(3, opened=True, error="a")),
        (Report(2, True, False, "a"), Report(1), Report(3, recovered=True, error="a")),
        (Report(4, False, True, "a"), Report(1, True), Report(1, recovered=True)),
        (Report(1), Report(1, opened=True), Report(2, opened=True)),
    ],
)
def test_reports_add_up(first: Report, later: Report, together: Report) -> None:
    """health.py: failures in a row, since the last success if there was one."""
    assert first.followed_by(later) == together


def test_gateway_without_backends_cannot_serve(health: Health) -> None:
    assert health.can_serve(()) is False


def early_and_trial(health: Health, clock: Clock) -> Permit:
    """A request from before the breaker opened, still running while the trial runs."""
    early = health.admit(BACKEND)
    fail(health)
    clock.advance(30.0)
    assert not refused(health), "the trial"
    assert refused(health), "one trial at a time"
    return early


def test_trial_is_not_given_away_by_a_request_from_before(health: Health, clock: Clock) -> None:
    """wire E2: half-open with one probe; only the probe's own end admits another."""
    early_and_trial(health, clock).abandoned()
    assert refused(health)


def test_request_from_before_does_not_prolong_the_pause(health: Health, clock: Clock) -> None:
    """wire E2: half-open after 30 s, which is also what clients were told to wait."""
    early = health.admit(BACKEND)
    fail(health)
    clock.advance(29.0)
    early.failed(BLAMED)
    clock.advance(1.0)
    assert health.state(BACKEND) is State.HALF_OPEN
