"""One process of a cluster leads; another one takes over when it is gone."""

from __future__ import annotations

import pytest

from bridge.live.leader import LEASE_SECONDS, RENEW_SECONDS, Leader
from bridge.models import Lease
from tests.bridge.making import Clock

pytestmark = pytest.mark.django_db

TAKEN_OVER = 10.0
"""Seconds within which it is, as docs promise."""


@pytest.fixture
def clocks() -> tuple[Clock, Clock]:
    """Clocks of two hosts, which began at different times."""
    return Clock(50.0), Clock(90_000.0)


@pytest.fixture
def pair(clocks: tuple[Clock, Clock]) -> tuple[Leader, Leader]:
    one, two = (Leader("work", clock) for clock in clocks)
    return one, two


def pass_by(clocks: tuple[Clock, Clock], seconds: float) -> None:
    for clock in clocks:
        clock.advance(seconds)


def test_first_one_leads_and_goes_on_leading(
    pair: tuple[Leader, Leader], clocks: tuple[Clock, Clock]
) -> None:
    one, two = pair
    for _ in range(20):
        one.step()
        two.step()
        assert (one.is_leading, two.is_leading) == (True, False)
        pass_by(clocks, RENEW_SECONDS)


def test_killed_leader_is_replaced_in_time(
    pair: tuple[Leader, Leader], clocks: tuple[Clock, Clock]
) -> None:
    one, two = pair
    one.step()
    two.step()
    pass_by(clocks, RENEW_SECONDS - 0.1)
    one.step()  # and is killed
    waited = 0.0
    while not two.is_leading:
        pass_by(clocks, RENEW_SECONDS)
        waited += RENEW_SECONDS
        assert not (one.is_leading and two.is_leading)
        two.step()
    assert LEASE_SECONDS <= waited < TAKEN_OVER


def test_never_do_two_lead(pair: tuple[Leader, Leader], clocks: tuple[Clock, Clock]) -> None:
    """Whatever the order, and however late a process comes to its turn."""
    one, two = pair
    for number in range(400):
        pass_by(clocks, (0.7, 1.9, 3.1, 4.9, 5.0, 11.0)[number % 6])
        (one, two)[(number * 7 + number // 5) % 2].step()
        assert not (one.is_leading and two.is_leading)


def test_leader_that_ends_is_replaced_at_once(pair: tuple[Leader, Leader]) -> None:
    one, two = pair
    one.step()
    two.step()
    one.leave()
    two.step()
    assert (one.is_leading, two.is_leading) == (False, True)


def test_leader_that_was_held_up_knows_that_it_leads_no_more(
    pair: tuple[Leader, Leader], clocks: tuple[Clock, Clock]
) -> None:
    one, two = pair
    one.step()
    two.step()
    pass_by(clocks, LEASE_SECONDS)
    assert not one.is_leading
    two.step()
    one.step()
    assert (one.is_leading, two.is_leading) == (False, True)


def test_nobody_else_wanted_it_meanwhile(
    pair: tuple[Leader, Leader], clocks: tuple[Clock, Clock]
) -> None:
    one, _ = pair
    one.step()
    pass_by(clocks, 1000)
    one.step()
    assert one.is_leading


def test_leases_of_different_work_do_not_meet(clocks: tuple[Clock, Clock]) -> None:
    leaders = [Leader(name, clocks[0]) for name in ("a", "b")]
    for leader in leaders:
        leader.step()
    assert all(leader.is_leading for leader in leaders)
    assert Lease.objects.count() == 2
