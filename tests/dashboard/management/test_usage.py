"""`manage.py usage` and `check_ledger`: the numbers are right, and a difference is found."""

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from bridge.ledger.audit import audit
from bridge.ledger.record import Record
from bridge.ledger.report import csv_text
from bridge.ledger.retention.erasing import erase
from bridge.ledger.spool import Spool
from bridge.ledger.writer import enter, note_lost
from bridge.models import ApiKey, KeyLabel, UsageHour, UsageRecord, UsageSession
from dashboard.management.commands import usage as usage_command
from dashboard.tables import file_formats
from tests.bridge.people import a_team, a_user
from tests.fakes import synthetic

pytestmark = pytest.mark.django_db

NOW = datetime.now(UTC)
Json = dict[str, Any]


def used(request_id: str, hours_ago: float = 1.0, **fields: Any) -> None:
    """One request is in the ledger."""
    told = {
        "status": 200,
        "key": "alice",
        "key_id": 1,
        "model": "vendor/large",
        "input_tokens": 100,
        "output_tokens": 10,
        "cache_read_tokens": 1000,
        "cost_nano_usd": 1_500_000_000,
    }
    started_at = (NOW - timedelta(hours=hours_ago)).timestamp()
    enter([Record(request_id, started_at=started_at, **{**told, **fields})])


def usage(*options: str) -> str:
    out = io.StringIO()
    call_command("usage", *options, stdout=out)
    return out.getvalue()


def rows(*options: str) -> list[Json]:
    found: list[Json] = json.loads(usage(*options, "--format", "json"))
    return found


# --- usage ---------------------------------------------------------------------------------------


def test_json_has_the_group_and_its_numbers() -> None:
    """docs, Commands."""
    used("1")
    used("2", status=500, cost_nano_usd=None)
    assert rows("--by", "key") == [
        {
            "key": "alice (deleted)",
            "requests": 2,
            "errors": 1,
            "input_tokens": 200,
            "output_tokens": 20,
            "cache_read_tokens": 2000,
            "cache_write_tokens": 0,
            "refused": 0,
            "abandoned": 0,
            "unpriced": 1,
            "cost_usd": 1.5,
        }
    ]


def test_keys_go_by_the_name_that_they_have_today() -> None:
    """field, cases 129 and 131: deleted keys stay, nothing lands on the wrong key."""
    key, _ = ApiKey.issue("today")
    used("1", 30, key="before", key_id=key.pk)
    used("2", 2, key="today", key_id=key.pk)
    used("3", 20, key="old", key_id=key.pk + 1)
    used("4", 1, key="last", key_id=key.pk + 1)
    KeyLabel.objects.create(fingerprint="abc", name="laptop")
    used("5", key="key-abc", key_id=None, fingerprint="abc")
    used("6", key="key-def", key_id=None, fingerprint="def")
    used("7", key="key-x", key_id=None, fingerprint="x", status=401)
    found = {row["key"]: row["requests"] for row in rows("--by", "key")}
    assert found == {"today": 2, "last (deleted)": 2, "laptop": 1, "key-def": 1, "(none)": 1}


@pytest.mark.parametrize("name", ["today", "before", "laptop", "key-abc"])
def test_one_key_is_chosen_by_any_name_that_it_had(name: str) -> None:
    key, _ = ApiKey.issue("today")
    KeyLabel.objects.create(fingerprint="abc", name="laptop")
    used("1", 3, key="before", key_id=key.pk)
    used("2", 2, key="today", key_id=key.pk)
    used("3", key="key-abc", key_id=None, fingerprint="abc")
    used("4", key="key-abc", key_id=None, fingerprint="abc", model="vendor/small")
    used("5", key="other", key_id=99)
    (row,) = rows("--by", "key", "--key", name)
    assert (row["key"], row["requests"]) in (("today", 2), ("laptop", 2))
    assert sum(row["requests"] for row in rows("--by", "model", "--key", name)) == 2


def test_unknown_key_is_named() -> None:
    used("1")
    with pytest.raises(CommandError, match="--key: no key is or was called nobody"):
        usage("--key", "nobody")


def test_models_come_dearest_first() -> None:
    used("1", model="cheap", cost_nano_usd=1)
    used("2", model="dear", cost_nano_usd=5)
    used("3", model="", cost_nano_usd=None, status=404)
    assert [row["model"] for row in rows("--by", "model")] == ["dear", "cheap", "(none)"]


def test_classes_come_dearest_first_and_add_up() -> None:
    used("1", request_class="main", cost_nano_usd=9)
    used("2", request_class="subagent", cost_nano_usd=5)
    used("3", request_class="subagent", cost_nano_usd=6)
    used("4", cost_nano_usd=1)
    used("5", request_class="of-tomorrow", cost_nano_usd=2)
    found = rows("--by", "class")
    assert [row["class"] for row in found] == ["subagent", "main", "other", "(not known)"]
    assert sum(row["requests"] for row in found) == rows("--by", "key")[0]["requests"] == 5


def test_days_come_in_order_and_end_where_the_reader_lives() -> None:
    """field, case 133: buckets in the wrong time zone."""
    start = datetime(2026, 3, 10, tzinfo=UTC)
    for number, hour in enumerate((1, 5, 23, 30)):
        started_at = (start + timedelta(hours=hour)).timestamp()
        enter([Record(str(number), status=200, started_at=started_at)])

    def days(zone: str) -> list[tuple[str, int]]:
        told = rows("--by", "day", "--since", "2026-03-01", "--timezone", zone)
        return [(row["day"], row["requests"]) for row in told]

    assert days("UTC") == [("2026-03-10", 3), ("2026-03-11", 1)]
    assert days("America/New_York") == [("2026-03-09", 1), ("2026-03-10", 2), ("2026-03-11", 1)]


def test_sessions_count_whole_when_they_were_active() -> None:
    used("1", 50, session="long")
    used("2", 1, session="long")
    used("3", 50, session="over")
    (row,) = rows("--by", "session", "--since", "24h")
    assert (row["session"], row["requests"]) == ("long", 2)


@pytest.mark.parametrize(
    ("since", "count"), [("1h", 1), ("24h", 2), ("1d", 2), ("3d", 3), ("1w", 3), ("9w", 4)]
)
def test_time_is_counted_from_the_full_hour(since: str, count: int) -> None:
    for number, hours_ago in enumerate((0.001, 20, 60, 24 * 30)):
        used(str(number), hours_ago)
    assert sum(row["requests"] for row in rows("--since", since)) == count


def test_time_may_be_a_date() -> None:
    used("1", 1)
    tomorrow = (NOW + timedelta(days=1)).date().isoformat()
    assert rows("--since", tomorrow) == []
    assert len(rows("--since", "2020-01-01T12:00+02:00")) == 1


@pytest.mark.parametrize(
    "options",
    [
        ("--since", "soon"),
        ("--since", "7"),
        ("--since", "-1d"),
        ("--since", "2026-13-01"),
        ("--timezone", "Europe/Nowhere"),
        ("--timezone", "../etc/passwd"),
        ("--by", "colour"),
        ("--format", "xml"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_name(options: tuple[str, str]) -> None:
    name, value = options
    with pytest.raises(CommandError, match=name):
        usage(f"{name}={value}")


def test_table_is_aligned_and_has_a_total() -> None:
    used("1", input_tokens=1_234_567)
    used("2", key="bob", key_id=2, cost_nano_usd=None)
    head, *lines, total, note = usage().splitlines()
    assert head.split() == ["key", "requests", "errors", "input", "output", "cache", "read", "cost"]
    assert lines[0].split()[0] == "alice" and "1,234,567" in lines[0]
    assert total.split() == ["total", "2", "0", "1,234,667", "20", "2,000", "$1.5000"]
    assert len({len(line) for line in (head, *lines, total)}) == 1
    assert note.startswith("1 requests had no known price")


def test_nothing_used_is_said() -> None:
    assert usage() == "Nothing was used in this time.\n"
    assert rows() == []


@pytest.mark.parametrize("start", ["=", "+", "-", "@"])
def test_csv_is_read_by_spreadsheets_and_never_as_a_formula(start: str) -> None:
    """Ours: sessions are named by clients. The exports of the pages have the same guard."""
    used("1", session=f"{start}cmd|' /C calc'!A0", cost_nano_usd=1)
    (row,) = csv.DictReader(io.StringIO(usage("--by", "session", "--format", "csv"), newline=""))
    assert row["session"] == f"'{start}cmd|' /C calc'!A0"
    assert (row["requests"], row["cost_usd"]) == ("1", "0.000000001")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"], ids=repr)
def test_command_and_pages_share_one_guard_against_formulas(start: str) -> None:
    assert csv_text(f"{start}1+1") == f"'{start}1+1"
    assert csv_text("1+1") == "1+1"
    assert vars(usage_command)["csv_text"] is vars(file_formats)["csv_text"] is csv_text


def test_people_and_teams_have_their_names_of_today() -> None:
    """A deleted one stays in the report; what counts for nobody is in it too."""
    ann, team = a_user(name="ann"), a_team("navy")
    of_ann: dict[str, Any] = {"person": "ann", "person_id": ann.pk}
    used("r1", 3, team="blue", team_id=team.pk, **of_ann)
    used("r2", 2, team="gone", team_id=99, **of_ann)
    used("r3", 2, team="gone", team_id=99, person="bob", person_id=98)
    used("r4")
    assert {row["team"]: row["requests"] for row in rows("--by", "team")} == {
        "navy": 1,
        "gone (deleted)": 2,
        "(none)": 1,
    }
    assert {row["person"]: row["requests"] for row in rows("--by", "person")} == {
        "ann": 2,
        "bob (deleted)": 1,
        "(none)": 1,
    }


# --- check_ledger --------------------------------------------------------------------------------


@pytest.fixture
def some_days() -> datetime:
    """400 requests of three days; the hour in their middle."""
    synthetic.fill(400, days=3, end=NOW.timestamp())
    return (NOW - timedelta(days=1.5)).replace(minute=0, second=0, microsecond=0)


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
    known = next(synthetic.records(400, days=3, end=NOW.timestamp()))
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
    assert audit().differences == []
    hour_too_many(some_days)
    assert len(audit().differences) == 1


def test_lost_records_are_a_difference(settings: Any, tmp_path: Path) -> None:
    """Evasion: "Everything adds up" was said of a ledger that had dropped lines."""
    settings.DATA_DIR = tmp_path
    note_lost(3)
    with pytest.raises(CommandError, match="1 differences"):
        call_command("check_ledger", stdout=(out := io.StringIO()))
    assert "3 records were lost, no disk and no memory took them" in out.getvalue()
