"""`manage.py usage`: the numbers are right, by whatever groups."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from bridge.ledger.record import Record
from bridge.ledger.report import csv_text
from bridge.ledger.writer import enter
from bridge.models import ApiKey, KeyLabel
from dashboard.management.commands import usage as usage_command
from dashboard.tables import file_formats
from tests.bridge.people import a_team, a_user

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
    head, *lines, total, note, covered = usage().splitlines()
    assert covered.startswith("Full hours from ") and covered.endswith(" to now, UTC.")
    assert head.split() == ["key", "requests", "errors", "input", "output", "cache", "read", "cost"]
    assert lines[0].split()[0] == "alice" and "1,234,567" in lines[0]
    assert total.split() == ["total", "2", "0", "1,234,667", "20", "2,000", "$1.5000"]
    assert len({len(line) for line in (head, *lines, total)}) == 1
    assert note.startswith("1 requests had no known price")


def test_nothing_used_is_said() -> None:
    assert usage().startswith("Nothing was used in this time. Full hours from ")
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


def test_several_groups_have_a_column_each() -> None:
    used("1", cost_nano_usd=3)
    used("2", model="vendor/small", cost_nano_usd=5)
    used("3", key="bob", key_id=2, cost_nano_usd=7)
    lines = json.loads(usage("--by", "key,model", "--format", "json"))
    assert [(line["key"].split()[0], line["model"], line["cost_usd"]) for line in lines] == [
        ("bob", "vendor/large", 7e-9),
        ("alice", "vendor/small", 5e-9),
        ("alice", "vendor/large", 3e-9),
    ]
    head = usage("--by", "key,model", "--format", "csv").splitlines()[0]
    assert head.startswith("key,model,requests,")


def test_days_stand_before_what_is_within_them() -> None:
    used("1", hours_ago=50, cost_nano_usd=1)
    used("2", hours_ago=50, key="bob", key_id=2, cost_nano_usd=2)
    used("3", cost_nano_usd=9)
    lines = json.loads(usage("--by", "day,key", "--format", "json"))
    assert [line["cost_usd"] for line in lines] == [2e-9, 1e-9, 9e-9]


def test_a_deleted_key_keeps_its_owner() -> None:
    row, _ = ApiKey.issue("leaving", {"owner": "Ann of accounts"})
    used("1", key="leaving", key_id=row.pk, cost_nano_usd=1)
    row.delete()
    (line,) = json.loads(usage("--by", "owner,key", "--format", "json"))
    assert (line["owner"], line["key"]) == ("Ann of accounts", "leaving (deleted)")


@pytest.mark.parametrize(
    ("cost", "shown", "exported"),
    [
        (None, "no price", ""),
        (0, "$0.0000", "0.000000000"),
        (1, "<$0.0001", "0.000000001"),
        (100_000, "$0.0001", "0.000100000"),
    ],
)
def test_something_is_never_shown_as_nothing(cost: int | None, shown: str, exported: str) -> None:
    used("1", cost_nano_usd=cost)
    assert usage().splitlines()[1].endswith(f"  {shown}")
    (row,) = csv.DictReader(io.StringIO(usage("--format", "csv")))
    assert row["cost_usd"] == exported


@pytest.mark.parametrize("by", ["nothing", "key,key", "key,", "session,key"])
def test_groups_that_do_not_exist_are_refused(by: str) -> None:
    with pytest.raises(CommandError, match="--by: expected session, or one or more of key, owner"):
        usage("--by", by)


def test_the_last_day_is_included() -> None:
    used("1", hours_ago=48)
    day = f"{NOW - timedelta(hours=48):%Y-%m-%d}"
    lines = json.loads(usage("--from", day, "--to", day, "--by", "model", "--format", "json"))
    assert [line["requests"] for line in lines] == [1]
    with pytest.raises(CommandError, match="--to: expected a date such as"):
        usage("--to", "7d")


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


class _Closed(io.StringIO):
    """Whoever read from here has gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_reader_that_goes_ends_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours: `usage | head` writes no traceback."""
    gone: list[bool] = []
    monkeypatch.setattr(usage_command, "_read_enough", lambda: gone.append(True))
    call_command("usage", stdout=_Closed())
    assert gone == [True]
