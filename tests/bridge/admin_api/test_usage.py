"""Sums and what is left, through the API: the numbers of the command and of the dashboard."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.management import call_command

from bridge.ledger.report import BY
from bridge.models import ApiKey, PersonLimits
from dashboard.queries import hours, keys, models
from dashboard.usage import periods
from tests.bridge.people import a_team, a_user
from tests.bridge.scripts import Script, a_script, message
from tests.dashboard.making import NOW, enter, issue_keys, record
from tests.dashboard.months import enter_month

pytestmark = pytest.mark.django_db

COUNTS = (
    "requests",
    "errors",
    "refused",
    "abandoned",
    "unpriced",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cost_usd",
)


@pytest.fixture
def script() -> Script:
    return a_script("auditor")


@pytest.fixture
def some() -> None:
    issue_keys()
    enter_month(300)
    whose = {"person_id": 7, "person": "ann", "team_id": 8, "team": "blue"}
    enter([record(NOW - timedelta(days=40), 10**6, request_class="compaction", **whose)])


def whole(script: Script, query: str) -> list[dict[str, Any]]:
    """All pages of an answer."""
    found, page = [], ""
    while page is not None:
        answer = script.get(f"/usage?{query}&limit=7&page={page}")
        assert answer.status_code == 200, answer.content
        found += answer.json()["data"]
        page = answer.json()["next_page"]
    return found


@pytest.mark.parametrize("by", BY)
def test_sums_are_those_of_the_command(script: Script, some: None, by: str) -> None:
    out = io.StringIO()
    call_command("usage", "--by", by, "--since", "2025-01-01", "--format", "json", stdout=out)
    expected = json.loads(out.getvalue())
    found = whole(script, f"by={by}&since=2025-01-01")
    assert [line["group"] for line in found] == [line[by] for line in expected]
    for line, other in zip(found, expected, strict=True):
        assert {name: line[name] for name in COUNTS} == {name: other[name] for name in COUNTS}
    assert len(found) > 1


def test_sums_are_those_of_the_dashboard(script: Script, some: None) -> None:
    """The same requests, summed by the reports' own queries."""
    zone = ZoneInfo("Europe/Berlin")
    span = periods.read({"range": "30d"}, zone, NOW)
    since, until = (at.isoformat() for at in (span.start, span.end))
    asked = f"since={since.replace('+', '%2B')}&until={until.replace('+', '%2B')}"
    total = hours.total(span, compared=False).total
    lines = whole(script, f"by=model&{asked}")
    assert sum(line["requests"] for line in lines) == total.requests
    for name in ("input_tokens", "output_tokens", "cache_read_tokens", "errors"):
        assert sum(line[name] for line in lines) == total[name]
    used = models.used(span, compared=False)
    shown = {use.name: use.sums.total["input_tokens"] for use in used}
    assert {line["group"]: line["input_tokens"] for line in lines} == shown
    known = keys.KnownKeys.read()
    found = keys.used(span, known, compared=False)
    by_key = sorted(use.sums.total.requests for use in found)
    assert sorted(line["requests"] for line in whole(script, f"by=key&{asked}")) == by_key


def test_range_ends_where_it_is_told(script: Script) -> None:
    at = datetime(2025, 3, 1, 12, 30, tzinfo=UTC)
    enter([record(at + timedelta(hours=n), n, input_tokens=10**n) for n in range(4)])
    query = "since=2025-03-01T13:00&until=2025-03-01T15:00&by=hour&timezone=Europe/Berlin"
    first, second = whole(script, "since=2025-03-01T13:00Z&until=2025-03-01T15:00Z&by=hour")
    assert (first["group"], first["input_tokens"]) == ("2025-03-01T13:00+00:00", 10)
    assert (second["group"], second["input_tokens"]) == ("2025-03-01T14:00+00:00", 100)
    berlin = whole(script, query)
    assert [line["group"] for line in berlin] == [
        "2025-03-01T13:00+01:00",
        "2025-03-01T14:00+01:00",
    ]
    assert [line["input_tokens"] for line in berlin] == [1, 10]


def test_sums_of_one_key_person_or_team(script: Script) -> None:
    ann, blue = a_user(name="ann"), a_team("blue")
    key, _ = ApiKey.issue("k", {"person": ann})
    at = NOW - timedelta(hours=3)
    whose = {"person_id": ann.pk, "person": "ann", "team_id": blue.pk, "team": "blue"}
    enter([record(at, 1, key_id=key.pk, key="k", **whose), record(at, 2, key_id=99, key="gone")])
    base = "since=2025-03-01&by=model"
    for chosen in ("key=k", "person=ann", "team=blue", "key=k&person=ann&team=blue", "key=gone"):
        assert [line["requests"] for line in whole(script, f"{base}&{chosen}")] == [1], chosen
    assert whole(script, f"{base}&key=gone&person=ann") == []
    blue.delete()
    assert [line["requests"] for line in whole(script, f"{base}&team=blue")] == [1], "deleted"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("by=week", "by: "),
        ("since=soon", "since: expected 24h, 7d"),
        ("since=0001-01-01T00:00%2B23:00", "since: expected 24h, 7d"),
        ("until=x", "until: expected 24h, 7d"),
        ("timezone=Mars/Base", "timezone: Mars/Base is not known"),
        ("timezone=../../etc/passwd", "timezone: "),
        ("timezone=" + "x" * 300, "timezone: "),
        ("timezone=%00", "timezone: "),
        ("key=nobody", "key: no key is or was called nobody"),
        ("person=nobody", "person: no person is or was called nobody"),
        ("team=nobody", "team: no team is or was called nobody"),
        ("by=session&team=blue", "team: sessions are known by their key alone"),
        ("page=x", "page: "),
        ("page=-1", "page: "),
    ],
)
def test_question_that_makes_no_sense_is_refused(script: Script, query: str, expected: str) -> None:
    a_team("blue")
    assert message(script.get(f"/usage?{query}")).startswith(expected)


# --- what is left ---------------------------------------------------------------------------------


def test_budgets_tell_what_is_left(script: Script) -> None:
    ann = a_user(name="ann")
    PersonLimits.objects.create(user=ann, tokens_day=5000)
    a_team("blue", budget_month="2.5")
    a_team("free")
    key, _ = ApiKey.issue("k", {"budget_usd": "1", "period": "total", "person": ann})
    now = datetime.now(UTC)
    whose = {"key_id": key.pk, "key": "k", "person_id": ann.pk, "person": "ann"}
    enter([record(now, 1, cost_nano_usd=1_250_000_000, **whose)])
    found = {each["name"]: each for each in script.get("/budgets").json()["data"]}
    assert set(found) == {"k", "ann", "blue"}
    (total,) = found["k"]["budgets"]
    assert (total["unit"], total["period"], total["resets_at"]) == ("usd", "total", None)
    assert (total["most"], total["used"], total["left"]) == (1.0, 1.25, 0.0)
    (day,) = found["ann"]["budgets"]
    assert (day["unit"], day["most"], day["used"], day["left"]) == ("tokens", 5000, 4200, 800)
    assert datetime.fromisoformat(day["resets_at"]) > now
    (month_,) = found["blue"]["budgets"]
    assert (month_["used"], month_["left"]) == (0, 2.5)


def test_budgets_come_in_pages_and_by_kind(script: Script) -> None:
    for number in range(3):
        a_team(f"t{number}", budget_day=1)
    ApiKey.issue("k", {"budget_usd": "1"})
    first = script.get("/budgets?kind=team&limit=2").json()
    assert [each["name"] for each in first["data"]] == ["t0", "t1"] and first["has_more"]
    rest = script.get(f"/budgets?kind=team&limit=2&page={first['next_page']}").json()
    assert [each["name"] for each in rest["data"]] == ["t2"] and rest["next_page"] is None
    assert len(script.get("/budgets?name=k").json()["data"]) == 1
    assert message(script.get("/budgets?page=zwei")).startswith("page: ")
