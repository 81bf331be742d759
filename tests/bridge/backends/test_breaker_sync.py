"""Breakers shared through rows: two processes on one database. wire E2, breaker; Ours: shared."""

from __future__ import annotations

import pytest
from asgiref.sync import sync_to_async

from bridge.backends.breaker import State
from bridge.backends.breaker_sync import MESSAGE_LIMIT, reset
from bridge.backends.health import identity
from bridge.models import Backend as Row
from bridge.models import BreakerState
from bridge.translation.errors.api_error import ApiError
from tests.bridge.making import a_backend
from tests.bridge.processes import Both, Wall
from tests.bridge.rows import URL, a_row

pytestmark = pytest.mark.django_db(transaction=True)


async def stored() -> BreakerState:
    return await BreakerState.objects.aget()


# --- opening and closing -----------------------------------------------------------------------


async def test_failures_add_up_over_the_processes(both: Both) -> None:
    """Five failures in a row open the breaker, wherever they happened."""
    both.one.fail(3)
    await both.exchange()
    assert (both.two.failures, both.two.state) == (3, State.CLOSED)
    both.two.fail(1)
    await both.exchange()
    assert (both.one.failures, both.one.state) == (4, State.CLOSED)
    both.one.fail(1)
    await both.exchange()
    assert (both.one.state, both.two.state) == (State.OPEN, State.OPEN)


async def test_failures_at_the_same_time_add_up(both: Both) -> None:
    """Neither knew of the other's when it counted."""
    both.one.fail(3)
    both.two.fail(2)
    await both.exchange()
    assert (both.one.failures, both.two.failures) == (5, 5)
    assert (both.one.state, both.two.state) == (State.OPEN, State.OPEN)


async def test_breaker_that_opens_in_one_opens_in_the_other_for_what_is_left(both: Both) -> None:
    """Both let the trial through at the same time. Their steady clocks have nothing in common."""
    both.one.fail(5)
    await both.one.rows.exchange()
    both.advance(12.0)
    assert both.two.wait == 0
    await both.two.rows.exchange()
    assert (both.one.wait, both.two.wait) == (18, 18)
    both.advance(18.0)
    assert (both.one.state, both.two.state) == (State.HALF_OPEN, State.HALF_OPEN)


async def test_good_trial_closes_it_in_both(both: Both) -> None:
    both.one.fail(5)
    await both.exchange()
    both.advance(30.0)
    both.two.succeed()
    await both.exchange()
    assert (both.one.state, both.two.state) == (State.CLOSED, State.CLOSED)
    assert (both.one.failures, both.two.failures) == (0, 0)
    assert ((await stored()).failures, (await stored()).opened_at) == (0, None)


async def test_bad_trial_opens_it_again_in_both(both: Both) -> None:
    both.one.fail(5)
    await both.exchange()
    both.advance(30.0)
    both.two.fail(1)
    await both.exchange()
    assert (both.one.wait, both.two.wait) == (30, 30)


async def test_late_failure_does_not_prolong_the_pause(both: Both) -> None:
    """wire E2: half-open after 30 s, which is also what clients were told to wait."""
    early = both.two.health.admit(both.two.backend)
    both.one.fail(5)
    await both.exchange()
    both.advance(20.0)
    early.failed(ApiError.bad_gateway("late"))
    await both.exchange()
    assert (both.one.wait, both.two.wait, both.one.failures) == (10, 10, 6)


async def test_success_anywhere_ends_the_row_of_failures(both: Both) -> None:
    """wire E2: a success resets."""
    both.one.fail(4)
    await both.exchange()
    both.two.succeed()
    await both.exchange()
    assert both.one.failures == both.two.failures == 0


async def test_success_and_then_failures_are_told_in_this_order(both: Both) -> None:
    both.one.fail(4)
    await both.exchange()
    both.one.succeed()
    both.one.fail(2)
    await both.exchange()
    assert both.one.failures == both.two.failures == 2


async def test_success_takes_failures_along_that_nobody_was_told(both: Both) -> None:
    both.two.fail(1)
    await both.exchange()
    both.one.fail(3)
    both.one.succeed()
    await both.exchange()
    assert both.one.failures == both.two.failures == 0


@pytest.mark.parametrize("seconds", [-3600.0, 3600.0])
async def test_wall_clock_that_is_set_changes_no_pause(both: Both, seconds: float) -> None:
    """Ours: what was taken over counts by the steady clock from there on."""
    both.one.fail(5)
    await both.exchange()
    both.advance(10.0)
    both.set_wall(seconds)
    await both.exchange()
    assert (both.one.wait, both.two.wait) == (20, 20)


async def test_wall_clock_of_another_host_may_be_behind(both: Both) -> None:
    """Ours: else a breaker would stay open there for as long as the clocks differ."""
    both.one.fail(5)
    await both.one.rows.exchange()
    both.set_wall(-3600.0)
    await both.two.rows.exchange()
    assert both.two.wait == 30
    both.advance(30.0)
    assert both.two.wait == 0


async def test_client_that_left_is_told_to_nobody(both: Both) -> None:
    """wire E2: a client disconnect never counts."""
    both.one.health.admit(both.one.backend).abandoned()
    both.one.succeed()
    await both.exchange()
    assert await BreakerState.objects.acount() == 0


async def test_backends_have_rows_of_their_own(saved_row: Row, wall: Wall) -> None:
    """wire E2: per backend."""
    other = await sync_to_async(a_row)("other")
    both = Both(wall, a_backend(URL, id=saved_row.pk), a_backend(URL, "other", id=other.pk))
    both.one.fail(5)
    await both.exchange()
    states = [both.two.health.state(b) for b in both.two.store.current.routes.backends]
    assert states == [State.OPEN, State.CLOSED]


async def test_last_error_is_known_everywhere(both: Both) -> None:
    """For the page, whichever process shows it; cut to its column."""
    both.one.fail(1, "long " * 200)
    await both.exchange()
    kept = ("long " * 200)[:MESSAGE_LIMIT]
    assert both.two.health.of(both.two.backend).last_error == kept
    assert (await stored()).last_error_at is not None


# --- an operator -------------------------------------------------------------------------------


async def test_reset_closes_it_in_both(both: Both, saved_row: Row) -> None:
    both.one.fail(5)
    await both.exchange()
    await sync_to_async(reset)(saved_row.pk)
    await both.exchange()
    assert (both.one.wait, both.two.wait) == (0, 0)
    assert (both.one.failures, both.two.failures) == (0, 0)


async def test_reset_of_a_backend_that_never_failed_is_nothing(both: Both, saved_row: Row) -> None:
    await sync_to_async(reset)(saved_row.pk)
    await both.exchange()
    assert (both.one.state, both.two.state) == (State.CLOSED, State.CLOSED)


@pytest.mark.parametrize(("forced", "state"), [("open", State.OPEN), ("closed", State.CLOSED)])
async def test_forced_breaker_shows_so_and_the_truth_is_kept(
    both: Both, saved_row: Row, forced: str, state: State
) -> None:
    """backends.py: forced closed, failures do not open it; afterwards they count again."""
    both.one.fail(5)
    await both.exchange()
    for process in (both.one, both.two):
        process.backend = a_backend(URL, id=saved_row.pk, breaker=forced)
        assert process.state is state
    if forced == "closed":
        both.two.succeed()
        await both.exchange()
    automatic = a_backend(URL, id=saved_row.pk)
    kept = State.CLOSED if forced == "closed" else State.OPEN
    assert both.one.health.state(automatic) is both.two.health.state(automatic) is kept


# --- rows that are not there -------------------------------------------------------------------


async def test_demo_has_no_row(wall: Wall) -> None:
    both = Both(wall, a_backend("demo://local/v1", "demo", id=0))
    both.one.fail(5)
    await both.exchange()
    assert (both.one.state, both.two.state) == (State.OPEN, State.CLOSED)
    assert await BreakerState.objects.acount() == 0


async def test_backend_that_was_deleted_meanwhile_is_forgotten(both: Both, saved_row: Row) -> None:
    """Ours: the admin does not wait for running requests."""
    both.one.fail(5)
    await sync_to_async(saved_row.delete)()
    await both.exchange()
    assert both.one.state is State.OPEN
    assert both.one.health.reports == {}


# --- another address, another key, another row -------------------------------------------------


async def moved(both: Both, row: Row) -> None:
    """The address is corrected in the row, and both processes have read it."""
    row.url = "https://mended.example.com/v1"
    await sync_to_async(row.save)()
    for process in (both.one, both.two):
        process.know(a_backend(row.url, id=row.pk))


async def test_corrected_address_starts_closed_in_both(both: Both, saved_row: Row) -> None:
    """The first thing after mending a typo must not be thirty seconds of refusals."""
    both.one.fail(5)
    await both.exchange()
    assert both.two.state is State.OPEN
    await moved(both, saved_row)
    await both.exchange()
    for process in (both.one, both.two):
        assert (process.state, process.wait, process.failures) == (State.CLOSED, 0, 0)
        assert list(process.health.conditions) == [identity(process.backend)]


async def test_failure_after_the_correction_begins_the_row_anew(both: Both, saved_row: Row) -> None:
    both.one.fail(5)
    await both.exchange()
    await moved(both, saved_row)
    both.one.fail(1, "another")
    await both.exchange()
    row = await stored()
    assert (row.failures, row.opened_at, row.last_error) == (1, None, "another")
    assert both.two.failures == 1


async def test_late_failure_at_the_old_address_is_not_the_new_ones(
    both: Both, saved_row: Row
) -> None:
    """A process that has not read the change yet."""
    saved_row.url = "https://mended.example.com/v1"
    await sync_to_async(saved_row.save)()
    both.two.know(a_backend(saved_row.url, id=saved_row.pk))
    both.two.fail(1)
    await both.two.rows.exchange()
    both.one.fail(5)
    await both.exchange()
    assert (both.two.state, both.two.failures) == (State.CLOSED, 1)
    assert ((await stored()).failures, (await stored()).opened_at) == (1, None)


async def test_new_row_under_an_old_name_starts_closed(both: Both, saved_row: Row) -> None:
    both.one.fail(5)
    await both.exchange()
    await sync_to_async(saved_row.delete)()
    made = await sync_to_async(a_row)()
    for process in (both.one, both.two):
        process.know(a_backend(URL, id=made.pk))
    await both.exchange()
    assert both.one.state is both.two.state is State.CLOSED
    assert both.one.wait == both.two.wait == 0


# --- what else is shared -----------------------------------------------------------------------


async def test_rest_is_known_everywhere_for_what_is_left(both: Both) -> None:
    """Their steady clocks have nothing in common."""
    both.one.health.rest(both.one.backend, "m", 600)
    both.advance(100.0)
    await both.exchange()
    two = both.two.health
    assert two.reason_to_defer(both.two.backend, "m") == ("asked to wait for 500 s", 500.0)
    both.advance(500.0)
    assert two.reason_to_defer(both.two.backend, "m") == ("", 0.0)
    both.one.health.rest(both.one.backend, "other", 5)
    await both.exchange()
    assert list((await stored()).rests) == ["other"]


@pytest.mark.parametrize("seconds", [-3600.0, 3600.0])
async def test_rest_of_a_host_whose_clock_is_wrong_is_capped(both: Both, seconds: float) -> None:
    both.one.health.rest(both.one.backend, "m", 3000)
    await both.one.rows.exchange()
    both.set_wall(seconds)
    await both.two.rows.exchange()
    assert both.two.health.reason_to_defer(both.two.backend, "m")[1] <= 3600.0


async def test_reset_ends_rests(both: Both, saved_row: Row) -> None:
    both.one.health.rest(both.one.backend, "m", 600)
    await both.exchange()
    await sync_to_async(reset)(saved_row.pk)
    await both.exchange()
    for process in (both.one, both.two):
        assert process.health.reason_to_defer(process.backend, "m") == ("", 0.0)


async def test_host_that_one_could_not_reach_comes_last_in_both(both: Both) -> None:
    """One lost connection attempt is enough for all; one success as well."""
    both.one.health.reached(both.one.backend, False)
    await both.exchange()
    assert both.two.health.of(both.two.backend).reachable is False
    assert (await stored()).reachable is False
    both.two.succeed()
    await both.exchange()
    assert both.one.health.of(both.one.backend).reachable is True
    assert (await stored()).reachable is True


async def test_process_that_starts_learns_it_and_may_know_better(
    both: Both, saved_row: Row
) -> None:
    """What a process of before could not reach."""
    both.one.health.reached(both.one.backend, False)
    await both.one.rows.exchange()
    both.two.health.reached(both.two.backend, True)
    await both.two.rows.exchange()
    assert both.two.health.of(both.two.backend).reachable is True
    assert (await stored()).reachable is True


async def test_backend_that_is_simply_there_needs_no_row(both: Both) -> None:
    both.one.health.reached(both.one.backend, True)
    await both.exchange()
    assert await BreakerState.objects.acount() == 0


async def test_key_that_cannot_be_read_any_more_ends_the_sharing(
    both: Both, saved_row: Row
) -> None:
    await Row.objects.aupdate(credential="sealed:nonsense")
    both.one.fail(5)
    await both.exchange()
    assert both.one.state is State.OPEN
    assert await BreakerState.objects.acount() == 0
