"""Pages read as many sums as they show, not as there are keys (field 137)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.db.models import Sum
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from bridge.ledger import writer
from bridge.ledger.record import Record
from bridge.models import KeyDay, ModelDay, ModelHour, TeamHour, TotalHour, UsageHour
from dashboard.queries import hours
from dashboard.usage import periods
from tests.dashboard.making import NOW
from tests.dashboard.months import clear

pytestmark = pytest.mark.django_db
SMALL = (TotalHour, ModelHour, TeamHour, ModelDay)


def used_by(keys: int, days: int) -> Iterator[Record]:
    """Each key once a day, with one of two models."""
    now = NOW.replace(minute=5)
    for day in range(days):
        for key in range(1, keys + 1):
            at = now - timedelta(days=day)
            yield Record(
                f"req_{day}_{key}",
                key_id=key,
                key=f"key {key}",
                person_id=key,
                person=f"person {key}",
                team_id=1,
                team="team",
                request_class="main",
                backend="main",
                model=f"m{key % 2}",
                status=200,
                input_tokens=key,
                started_at=at.timestamp(),
            )


def enter(keys: int, days: int = 4) -> None:
    made = [*used_by(keys, days)]
    for start in range(0, len(made), 500):
        writer.enter(made[start : start + 500])


def test_the_smaller_tables_do_not_grow_with_the_keys() -> None:
    enter(20)
    few = [table.objects.count() for table in SMALL]
    clear()
    enter(400)
    assert [table.objects.count() for table in SMALL] == few
    assert KeyDay.objects.count() <= 400 * 4


def test_a_key_has_few_sums_a_day_however_many_hours_it_works() -> None:
    now = datetime.now(UTC).replace(hour=12, minute=0) - timedelta(days=2)
    writer.enter(
        [
            Record(
                f"req_{hour}_{name}",
                key_id=1,
                model="m",
                request_class=name,
                started_at=(now - timedelta(hours=hour)).timestamp(),
            )
            for hour in range(10)
            for name in ("main", "subagent", "auxiliary")
        ]
    )
    assert (UsageHour.objects.count(), KeyDay.objects.count()) == (30, 1)
    assert KeyDay.objects.aggregate(all=Sum("requests"))["all"] == 30


def test_pairs_are_sorted_by_the_database(auditor: Client) -> None:
    """Of thousands of keys with each model as many rows are read as a page shows."""
    enter(300, days=2)
    with CaptureQueriesContext(connection) as seen:
        auditor.get(f"{reverse('dashboard:keys')}?range=7d")
    (pairs,) = [told["sql"] for told in seen if "pairs AS MATERIALIZED" in told["sql"]]
    assert pairs.endswith("LIMIT 51")


@pytest.mark.parametrize("page", ["keys", "people"])
def test_bars_are_read_for_the_lines_that_are_shown(auditor: Client, page: str) -> None:
    """By the index of the keys and the people, not by that of the hours."""
    enter(120, days=2)
    with CaptureQueriesContext(connection) as seen:
        auditor.get(f"{reverse(f'dashboard:{page}')}?range=7d")
    column = "key_id" if page == "keys" else "person_id"
    bars = re.compile(rf'bridge_usagehour"."{column}" IN \(([^)]*)\)')
    named = [found[1].count(",") for told in seen if (found := bars.search(told["sql"]))]
    assert named and max(named) < 60


QUESTIONS = (
    (("model",), "bridge_modelday", "one_row_per_model_class_and_day"),
    (("key_id", "fingerprint"), "bridge_keyday", "one_row_per_key_model_and_day"),
    (("person_id",), "bridge_keyday", "one_row_per_key_model_and_day"),
)


@pytest.mark.parametrize(("by", "table", "index"), QUESTIONS)
def test_whole_days_come_from_sums_of_days(by: tuple[str, ...], table: str, index: str) -> None:
    """And the hours at their ends, from an index of hours, of no more than a day each."""
    enter(20, days=3)
    span = periods.read({"range": "30d"}, ZoneInfo("Asia/Kolkata"), NOW)
    with CaptureQueriesContext(connection) as seen:
        hours.sums(span, by, compared=False, sliced=False)
    (sql,) = [told["sql"] for told in seen if table in told["sql"]]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
        plan = " ".join(str(row) for row in cursor.fetchall())
    assert f"SEARCH {table}" in plan and "SCAN" not in plan.replace("SCAN SUBQUERY", ""), plan
