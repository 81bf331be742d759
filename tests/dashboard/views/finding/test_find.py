"""The search by id that every page has."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from bridge.models import UsageSession
from tests.dashboard import reading
from tests.dashboard.making import NOW, enter, issue_keys, record

pytestmark = pytest.mark.django_db

FIND = reverse("dashboard:find")
SESSION = "7d0f3c52-5a0e-4d0b-9a54-0c1f5c8f7a11"


@pytest.fixture
def rows(now: None, db: None) -> None:
    issue_keys()
    enter(
        record(NOW - timedelta(days=n), n, session=SESSION if n < 3 else f"other-{n % 2}")
        for n in range(1, 15)
    )


def test_each_page_has_the_search(auditor: Client, rows: None) -> None:
    for name in ("overview", "keys", "models", "requests", "errors", "sessions", "cache"):
        form = reading.page(auditor.get(reverse(f"dashboard:{name}"))).first("form", role="search")
        assert form.attrs["action"] == FIND


@pytest.mark.parametrize("text", ["req_000000000009", "  req_0000 00000009 ", "req_000000000009"])
def test_whole_id_leads_to_its_request(auditor: Client, rows: None, text: str) -> None:
    answer = auditor.get(FIND, {"q": text})
    there = reverse("dashboard:request", args=["req_000000000009"])
    assert answer["Location"].startswith(there)
    assert auditor.get(reverse("dashboard:requests"), {"id": text}, follow=True).status_code == 200


def test_beginning_leads_to_all_that_begin_so(auditor: Client, rows: None) -> None:
    root = reading.page(auditor.get(FIND, {"q": "req_00000000001"}))
    ids = [row["Id"].text for row in reading.table(root, "found")]
    assert sorted(ids) == [f"req_00000000001{n}" for n in range(5)]


def test_session_is_found_by_its_beginning(auditor: Client, rows: None) -> None:
    (pk,) = UsageSession.objects.filter(session=SESSION).values_list("pk", flat=True)
    for text in (SESSION, "7d0f"):
        answer = auditor.get(FIND, {"q": text})
        assert answer["Location"].startswith(reverse("dashboard:session", args=[pk]))
    root = reading.page(auditor.get(FIND, {"q": "other-"}))
    assert {row["Session"].text for row in reading.table(root, "sessions")} == {
        "other-0",
        "other-1",
    }


@pytest.mark.parametrize(
    "text", ["req_9", "\x00\x00x", "ключ", "%", "_eq", "x" * 500, "../../admin/"]
)
def test_unknown_id_says_why_there_may_be_nothing(auditor: Client, rows: None, text: str) -> None:
    answer = auditor.get(FIND, {"q": text})
    assert answer.status_code == 404
    assert "still running" in reading.page(answer).first("main").text


def test_nothing_asked_is_the_list(auditor: Client, rows: None) -> None:
    for text in ("", "   ", "\x00"):
        answer = auditor.get(FIND, {"q": text})
        assert answer["Location"].startswith(reverse("dashboard:requests"))


def test_search_reads_indexes_alone(auditor: Client, rows: None) -> None:
    """Whatever is typed into the box of every page, no table is read as a whole."""
    with CaptureQueriesContext(connection) as seen:
        auditor.get(FIND, {"q": "req_00000000001"})
        auditor.get(FIND, {"q": "other-"})
    asked = [q["sql"] for q in seen if "usagerecord" in q["sql"] or "usagesession" in q["sql"]]
    assert len(asked) >= 4
    with connection.cursor() as cursor:
        for statement in asked:
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}")
            plan = [row[3] for row in cursor.fetchall()]
            assert not [step for step in plan if step.startswith("SCAN")], plan
