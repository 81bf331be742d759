"""Which processes serve: rows that are renewed, and that end with their process."""

import subprocess
import sys
from datetime import timedelta

import pytest
from django.utils import timezone

from bridge.live.processes import KEPT, ProcessRegistry, living
from bridge.models import GatewayProcess
from bridge.models.processes import ALIVE

pytestmark = pytest.mark.django_db


def registry(problem: str = "") -> ProcessRegistry:
    return ProcessRegistry(lambda: problem, lambda count: None)


def test_processes_see_each_other() -> None:
    one, other = registry(), registry("Redis is full")
    assert (one.renew(), other.renew(), one.renew()) == (0, 1, 1)
    assert sorted(row.problem for row in living()) == ["", "Redis is full"]
    other._leave()
    assert one.renew() == 0


def test_troubles_of_a_process_are_in_its_row_while_they_last() -> None:
    troubles = ["The ledger fails", "A file cannot be read"]
    one = ProcessRegistry(str, lambda count: None, lambda: troubles)
    one.renew()
    assert [row.troubles for row in living()] == ["The ledger fails\nA file cannot be read"]
    troubles.clear()
    one.renew()
    assert [row.troubles for row in living()] == [""]


def test_row_that_is_not_renewed_counts_no_longer() -> None:
    one = registry()
    one.renew()
    old = timezone.now() - ALIVE - timedelta(seconds=1)
    GatewayProcess.objects.create(name="a", host="elsewhere", pid=1, seen_at=old)
    assert one.renew() == 0
    GatewayProcess.objects.filter(name="a").update(seen_at=timezone.now())
    assert one.renew() == 1
    GatewayProcess.objects.filter(name="a").update(seen_at=timezone.now() - 2 * KEPT)
    one.renew()
    assert GatewayProcess.objects.count() == 1


def test_process_that_was_killed_on_this_host_counts_no_longer() -> None:
    """After a crash and a restart nothing is said of two processes."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    one, dead = registry(), registry()
    dead._pid = ended.pid
    dead.renew()
    assert one.renew() == 0
