"""States that last: a backend that is down, errors, a ledger behind, a full disk; each once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bridge.backends.breaker_sync import reset
from bridge.live.processes import ProcessRegistry
from bridge.models import (
    ApiKey,
    Backend,
    BreakerMode,
    BreakerState,
    GatewayProcess,
    UsageRecord,
    WarningEvent,
    WarningRule,
)
from tests.bridge.rows import a_row
from tests.bridge.warned import Times, WarningProcess, a_rule

pytestmark = pytest.mark.django_db

HOOK = "https://hooks.example.com/x"


def look(process: WarningProcess, times: Times, seconds: float = 0.0) -> list[str]:
    """The types of the events that a look after so many seconds adds."""
    times.pass_by(seconds=seconds)
    before = set(WarningEvent.objects.values_list("pk", flat=True))
    process.watcher.look()
    events = WarningEvent.objects.exclude(pk__in=before).order_by("pk")
    return [event.type for event in events]


@pytest.fixture
def backend_row() -> Backend:
    return a_row()


@pytest.fixture
def rule() -> WarningRule:
    return a_rule(webhook=HOOK)


def goes_down(row: Backend) -> None:
    BreakerState.objects.update_or_create(
        backend=row, defaults={"reachable": False, "last_error": "connection refused"}
    )


def comes_back(row: Backend) -> None:
    reset(row.pk)
    BreakerState.objects.update(reachable=True)


def test_backend_is_warned_of_once_and_once_when_it_is_back(
    rule: WarningRule, backend_row: Backend, process: WarningProcess, times: Times
) -> None:
    goes_down(backend_row)
    assert [look(process, times, 20) for _ in range(6)] == [[], [], [], ["backend.down"], [], []]
    comes_back(backend_row)
    assert [look(process, times, 20) for _ in range(5)] == [[], [], [], ["backend.back"], []]
    down, back = WarningEvent.objects.order_by("pk")
    assert (down.text, back.text) == (
        "Backend main is not reachable: connection refused.",
        "Backend main serves again.",
    )
    assert back.numbers["began"] == down.event_id and not down.is_open
    goes_down(backend_row)
    look(process, times)
    assert look(process, times, 60) == ["backend.down"]


def test_flap_is_not_mentioned(
    rule: WarningRule, backend_row: Backend, process: WarningProcess, times: Times
) -> None:
    """docs: shorter than the threshold on the way down, than 60 seconds on the way back."""
    for _ in range(5):
        goes_down(backend_row)
        assert look(process, times) + look(process, times, 59) == []
        comes_back(backend_row)
        assert look(process, times, 1) == []
    goes_down(backend_row)
    assert look(process, times) + look(process, times, 60) == ["backend.down"]
    for _ in range(5):
        comes_back(backend_row)
        assert look(process, times) + look(process, times, 59) == []
        goes_down(backend_row)
        assert look(process, times, 1) == []


def test_new_leader_neither_forgets_nor_repeats_what_is_down(
    rule: WarningRule, backend_row: Backend, process: WarningProcess, times: Times
) -> None:
    goes_down(backend_row)
    assert look(process, times) + look(process, times, 60) == ["backend.down"]
    successor = WarningProcess(times)
    assert [look(successor, times, 30) for _ in range(5)] == [[]] * 5
    comes_back(backend_row)
    assert look(successor, times) + look(successor, times, 60) == ["backend.back"]


@pytest.mark.parametrize("what", ["forced open", "switched off", "deleted"])
def test_what_an_operator_takes_out_of_service_is_not_said_to_be_back(
    what: str, rule: WarningRule, backend_row: Backend, process: WarningProcess, times: Times
) -> None:
    goes_down(backend_row)
    assert look(process, times) + look(process, times, 60) == ["backend.down"]
    if what == "deleted":
        backend_row.delete()
    elif what == "switched off":
        Backend.objects.update(enabled=False)
    else:
        Backend.objects.update(breaker_mode=BreakerMode.OPEN)
    assert look(process, times) + look(process, times, 60) == ["backend.off"]
    assert look(process, times, 600) == []


def test_those_who_were_warned_are_told_of_the_end(
    rule: WarningRule, backend_row: Backend, process: WarningProcess, times: Times
) -> None:
    """Also by a rule that has another threshold by now, and no rule that was made since."""
    goes_down(backend_row)
    assert look(process, times) + look(process, times, 60) == ["backend.down"]
    rule.what, rule.threshold = "disk", 80
    rule.save()
    a_rule("late", webhook=HOOK, what="ledger")
    comes_back(backend_row)
    assert look(process, times) + look(process, times, 60) == ["backend.back"]
    back = WarningEvent.objects.get(type="backend.back")
    assert [delivery.rule.name for delivery in back.deliveries.all()] == ["all"]


def test_each_rule_has_its_own_patience(
    backend_row: Backend, process: WarningProcess, times: Times
) -> None:
    for name, threshold in (("soon", 30), ("late", 300)):
        a_rule(name, webhook=HOOK, what="backend", threshold=threshold)
    goes_down(backend_row)
    assert look(process, times) + look(process, times, 30) == ["backend.down"]
    assert look(process, times, 100) == []
    assert look(process, times, 200) == ["backend.down"]
    found = WarningEvent.objects.order_by("pk").values_list("deliveries__rule__name", flat=True)
    assert list(found) == ["soon", "late"]


# --- errors ------------------------------------------------------------------------------------


def requests(times: Times, good: int, bad: int, model: str = "m") -> None:
    made = UsageRecord.objects.count()
    statuses = [200] * good + [502] * bad
    UsageRecord.objects.bulk_create(
        UsageRecord(request_id=f"r{made + i}", time=times.now, model=model, status=status)
        for i, status in enumerate(statuses)
    )


def test_share_of_errors_is_warned_of_from_enough_requests_on(
    rule: WarningRule, process: WarningProcess, times: Times
) -> None:
    requests(times, good=0, bad=19)
    assert look(process, times) == []
    requests(times, good=1, bad=0)
    assert look(process, times) == ["errors.many"]
    event = WarningEvent.objects.get()
    assert event.text == "95 % of the requests for m failed in the last 10 minutes (19 of 20)."
    assert look(process, times, 60) == []


def test_errors_are_warned_of_again_when_they_come_back_after_ten_good_minutes(
    rule: WarningRule, process: WarningProcess, times: Times
) -> None:
    requests(times, good=0, bad=30)
    assert look(process, times) == ["errors.many"]
    assert look(process, times, 660) + look(process, times, 300) == []
    requests(times, good=0, bad=30)
    assert look(process, times) == []
    assert look(process, times, 660) + look(process, times, 600) == []
    requests(times, good=10, bad=20)
    assert look(process, times) == ["errors.many"]


def test_refusals_and_clients_that_leave_are_no_errors(
    rule: WarningRule, process: WarningProcess, times: Times
) -> None:
    UsageRecord.objects.bulk_create(
        UsageRecord(request_id=f"r{i}", time=times.now, model="m", status=(400, 429, 499)[i % 3])
        for i in range(60)
    )
    assert look(process, times) == []


# --- keys ----------------------------------------------------------------------------------------


def test_key_is_warned_of_a_week_and_a_day_before_its_end(
    rule: WarningRule, process: WarningProcess, times: Times
) -> None:
    ApiKey.issue("ci")
    ApiKey.objects.update(expires_at=times.now + timedelta(days=8))
    ApiKey.issue("for good")
    days = [look(process, times, 12 * 3600) for _ in range(18)]
    assert [place for place, found in enumerate(days, 1) if found] == [2, 14]
    texts = WarningEvent.objects.order_by("pk").values_list("text", flat=True)
    assert [text.partition(", at")[0] for text in texts] == [
        "Key ci expires in 7 days",
        "Key ci expires in 24 hours",
    ]


@pytest.mark.parametrize("change", [{"enabled": False}, {"expires_at": None}])
def test_key_that_does_not_expire_any_more_is_not_mentioned(
    change: dict[str, Any], rule: WarningRule, process: WarningProcess, times: Times
) -> None:
    ApiKey.issue("ci")
    ApiKey.objects.update(**{"expires_at": times.now + timedelta(days=2)} | change)
    assert look(process, times) == []


# --- the gateway itself --------------------------------------------------------------------------


def a_process(times: Times, **columns: Any) -> None:
    idle = {"waiting": 0, "lag_seconds": 0.0, "disk_percent": 0.0}
    given = {"host": "elsewhere", "pid": 1, "seen_at": times.now} | idle | columns
    GatewayProcess.objects.update_or_create(name="one", defaults=given)


def test_ledger_that_is_behind_is_warned_of_once(
    rule: WarningRule, process: WarningProcess, times: Times
) -> None:
    a_process(times, lag_seconds=299.0, waiting=7)
    assert look(process, times) == []
    a_process(times, lag_seconds=600.0, waiting=70)
    assert look(process, times) == ["ledger.behind"]
    assert look(process, times, 10) == []
    event = WarningEvent.objects.get()
    assert event.text == "The usage records of elsewhere are 10 minutes behind; 70 wait."
    for _ in range(4):
        times.pass_by(seconds=100)
        a_process(times)
        assert look(process, times) == []
    event.refresh_from_db()
    assert event.ended_at is not None


def test_disk_around_its_threshold_is_warned_of_once(
    rule: WarningRule, process: WarningProcess, times: Times
) -> None:
    found = []
    for number in range(60):
        times.pass_by(minutes=1)
        a_process(times, disk_percent=90.5 if number % 20 < 10 else 89.5)
        found += look(process, times)
    assert found == ["disk.filling"]


def test_process_reports_its_ledger_and_its_disk(tmp_path: Any) -> None:
    registry = ProcessRegistry(str, lambda count: None, list, lambda: (7, 1.5), tmp_path)
    registry.renew()
    row = GatewayProcess.objects.get()
    assert (row.waiting, row.lag_seconds) == (7, 1.5)
    assert 0.0 < row.disk_percent <= 100.0
    lost = ProcessRegistry(str, lambda count: None, list, lambda: (0, 0.0), tmp_path / "gone")
    lost.renew()
    assert GatewayProcess.objects.latest("pk").disk_percent == 0.0


# --- in a cluster --------------------------------------------------------------------------------


def test_two_that_look_at_once_make_one_event(
    rule: WarningRule, backend_row: Backend, process: WarningProcess, times: Times
) -> None:
    """A leader that was held up looks with old eyes: the database takes one row."""
    other = WarningProcess(times)
    goes_down(backend_row)
    for each in (process, other):
        each.watcher.look()
    times.pass_by(seconds=61)
    for each in (process, other):
        each.watcher.look()
    assert WarningEvent.objects.count() == 1
    event = WarningEvent.objects.get()
    twin = WarningEvent(
        what=event.what,
        type=event.type,
        subject_kind=event.subject_kind,
        subject=event.subject,
        threshold=event.threshold,
        period="another moment",
        text="x",
        is_open=True,
    )
    WarningEvent.objects.bulk_create([twin], ignore_conflicts=True)
    assert WarningEvent.objects.count() == 1


def test_what_is_long_past_is_forgotten(
    rule: WarningRule, process: WarningProcess, times: Times
) -> None:
    """But for what is prepaid, which never begins anew."""
    for number, period in enumerate(("budget month 2026-11 of 1", "budget total total of 1")):
        WarningEvent.objects.create(
            what="budget", type="budget.reached", subject_kind="key", subject=str(number),
            period=period, text="x", at=times.now,
        )  # fmt: skip
    look(process, times, timedelta(days=101).total_seconds())
    assert [event.subject for event in WarningEvent.objects.all()] == ["1"]
