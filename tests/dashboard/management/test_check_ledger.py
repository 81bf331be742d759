"""`manage.py check_ledger`: every difference between rows and sums is found."""

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from bridge.ledger.audit import audit
from bridge.ledger.record import Record
from bridge.ledger.retention.erasing import erase
from bridge.ledger.spool import Spool
from bridge.ledger.writer import note_lost
from bridge.models import KeyDay, ModelDay, TotalHour, UsageHour, UsageRecord, UsageSession
from tests.fakes import synthetic

pytestmark = pytest.mark.django_db

NOW = datetime.now(UTC)


@pytest.fixture
def some_days() -> datetime:
    """400 requests of a day; the hour in their middle."""
    synthetic.fill(400, days=1, end=NOW.timestamp())
    return (NOW - timedelta(hours=12)).replace(minute=0, second=0, microsecond=0)


@pytest.fixture
def spool(settings: Any, tmp_path: Path) -> Spool:
    settings.DATA_DIR = tmp_path
    return Spool(tmp_path / "spool", 2**30)


def check() -> str:
    out = io.StringIO()
    try:
        call_command("check_ledger", stdout=out)
    except CommandError as error:
        out.write(f"{error} ({error.returncode})")
    return out.getvalue()


def test_ledger_adds_up(some_days: datetime, spool: Spool) -> None:
    """field, idea 14: a self-check that compares both."""
    said = check()
    assert said.startswith("400 requests in ")
    assert said.endswith("Everything adds up.\n")
    assert "0 records wait" in said


def test_lines_of_the_spool_are_told(some_days: datetime, spool: Spool) -> None:
    """Ours: what waits is no difference; what is a row already does not wait."""
    known = next(synthetic.records(400, days=1, end=NOW.timestamp()))
    for record in (known, Record("req_new"), Record("req_newer")):
        record.write(spool)
    spool.append(b"no record")
    assert "2 records wait" in check()
    spool.close()


def busy(hour: datetime) -> UsageHour:
    found: UsageHour | None = UsageHour.objects.filter(hour__gte=hour, requests__gt=0).first()
    assert found is not None
    return found


def more_tokens(hour: datetime) -> str:
    row = busy(hour)
    UsageHour.objects.filter(pk=row.pk).update(input_tokens=row.input_tokens + 1)
    return f"hour {row.hour:%Y-%m-%d %H:%M}"


def other_class(hour: datetime) -> str:
    """The sum of all classes stays right, and that of two of them is wrong."""
    row = busy(hour)
    UsageHour.objects.filter(pk=row.pk).update(request_class="workflow")
    return f"request_class {row.request_class}: requests is 0, its rows add up to {row.requests}"


def other_bucket(hour: datetime) -> str:
    UsageHour.objects.filter(pk=busy(hour).pk).update(duration_24=99)
    return "duration_24 is 99"


def hour_gone(hour: datetime) -> str:
    busy(hour).delete()
    return "requests is 0, its rows add up to "


def hour_too_many(hour: datetime) -> str:
    UsageHour.objects.create(hour=hour, key="ghost", key_id=999, requests=1)
    return "key_id 999: requests is 1, its rows add up to 0"


def kept_sum_wrong(hour: datetime) -> str:
    row = KeyDay.objects.filter(day__gte=hour.replace(hour=0)).earliest("pk")
    KeyDay.objects.filter(pk=row.pk).update(output_tokens=row.output_tokens + 1)
    return f"KeyDay: day {row.day:%Y-%m-%d %H:%M}"


def kept_sum_gone(hour: datetime) -> str:
    TotalHour.objects.filter(hour=busy(hour).hour).delete()
    return f"TotalHour: hour {busy(hour).hour:%Y-%m-%d %H:%M}: "


def kept_sum_too_many(hour: datetime) -> str:
    day = hour.replace(hour=0)
    ModelDay.objects.create(day=day, model="ghost", last_hour=day, requests=3)
    return "model ghost: requests is 3, its hours add up to 0"


def kept_end_wrong(hour: datetime) -> str:
    row = ModelDay.objects.filter(day__gte=hour.replace(hour=0)).earliest("pk")
    ModelDay.objects.filter(pk=row.pk).update(last_hour=row.last_hour + timedelta(days=1))
    return f"its hours end with {row.last_hour:%Y-%m-%d %H:%M}"


def row_gone(hour: datetime) -> str:
    UsageRecord.objects.filter(time__gte=hour).first().delete()  # type: ignore[union-attr]
    return "requests is "


def session_wrong(hour: datetime) -> str:
    row = UsageSession.objects.all()[0]
    UsageSession.objects.filter(pk=row.pk).update(cost_nano_usd=-1)
    return f"session {row.session}, "


def session_gone(hour: datetime) -> str:
    row = UsageSession.objects.all()[0]
    row.delete()
    return f"session {row.session}: has rows and no sums"


@pytest.mark.parametrize(
    "tamper",
    [
        more_tokens,
        other_class,
        other_bucket,
        hour_gone,
        hour_too_many,
        row_gone,
        session_wrong,
        session_gone,
        kept_sum_wrong,
        kept_end_wrong,
        kept_sum_gone,
        kept_sum_too_many,
    ],
)
def test_every_difference_is_named(
    some_days: datetime, spool: Spool, tamper: Callable[[datetime], str]
) -> None:
    told = tamper(some_days)
    said = check()
    assert told in said
    assert said.endswith(" differences (1)")


def test_times_whose_rows_are_gone_are_left_out(some_days: datetime) -> None:
    """docs: all requests that still have rows. Also when retention is in the middle of an hour."""
    erase(some_days, limit=7)
    found = audit()
    assert found.differences == []
    assert 0 < found.requests < 400
    hour_too_many(some_days - timedelta(hours=1))
    found = audit()
    assert found.differences and not [one for one in found.differences if "its rows" in one]
    hour_too_many(some_days)
    assert len([one for one in audit().differences if "its rows" in one]) == 1


def test_lost_records_are_a_difference(settings: Any, tmp_path: Path) -> None:
    """Evasion: "Everything adds up" was said of a ledger that had dropped lines."""
    settings.DATA_DIR = tmp_path
    note_lost(3)
    with pytest.raises(CommandError, match="1 differences"):
        call_command("check_ledger", stdout=(out := io.StringIO()))
    assert "3 records were lost, no disk and no memory took them" in out.getvalue()
