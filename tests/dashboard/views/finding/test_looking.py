"""Lists of many rows: what is looked at for a page, what is counted, and how it goes on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from dashboard.tables import keyset
from tests.dashboard import reading
from tests.dashboard.making import CODER, LARGE, NOW, enter, issue_keys, record
from tests.dashboard.months import enter_month

pytestmark = pytest.mark.django_db

LIST = reverse("dashboard:requests")
LOOKED_AT = 40


@pytest.fixture
def rows(now: None, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """200 requests, each tenth at the backend `spare` and each fiftieth an error."""
    monkeypatch.setattr(keyset, "MOST_LOOKED_AT", LOOKED_AT)
    monkeypatch.setattr(keyset, "MOST_COUNTED", 150)
    issue_keys()
    enter(
        record(
            NOW - timedelta(minutes=n),
            n,
            backend="spare" if n % 10 == 0 else "main",
            status=500 if n % 50 == 0 else 200,
            model=LARGE if n % 2 else CODER,
            cost_nano_usd=n,
        )
        for n in range(1, 201)
    )


def head(root: reading.Node) -> str:
    return root.first("section", id="table").first("h2").text


def numbers(root: reading.Node) -> list[int]:
    links = [row["Time"].first("a").attrs["href"] for row in reading.table(root)]
    return [int(link.partition("?")[0].strip("/").rpartition("_")[2]) for link in links]


def test_pages_of_a_rare_value_go_on_where_looking_ended(auditor: Client, rows: None) -> None:
    """Each page looks at so many rows; together they find every one, and say so meanwhile."""
    found, pages, href = [], 0, f"{LIST}?tz=UTC&backend=spare"
    while href:
        root = reading.page(auditor.get(href))
        found += numbers(root)
        pages += 1
        following = root.all("a", rel="next")
        href = following[0].attrs["href"] if following else ""
        if href:
            assert f"Found among {LOOKED_AT} requests" in root.text
            assert following[0].text == "Look further back"
    assert (found, pages) == (list(range(10, 201, 10)), 5)


def test_value_that_nothing_has_is_looked_for_to_the_end(auditor: Client, rows: None) -> None:
    href, pages = f"{LIST}?tz=UTC&backend=nowhere", 0
    while href:
        root = reading.page(auditor.get(href))
        assert not root.all("tbody")
        following = root.all("a", rel="next")
        href, pages = following[0].attrs["href"] if following else "", pages + 1
    assert pages == 5


def test_what_an_index_finds_is_all_looked_at(auditor: Client, rows: None) -> None:
    """Errors are few: those of a model are found however many other requests came since."""
    root = reading.page(auditor.get(LIST, {"tz": "UTC", "outcome": "error", "model": CODER}))
    assert (numbers(root), head(root)) == ([50, 100, 150, 200], "Requests 4")
    assert "Found among" not in root.text


def test_count_ends_where_it_becomes_dear(auditor: Client, rows: None) -> None:
    heads = {
        query: head(reading.page(auditor.get(f"{LIST}?tz=UTC&{query}")))
        for query in ("", f"model={CODER}", "outcome=error", "backend=main")
    }
    assert heads == {
        "": "Requests at least 150",
        f"model={CODER}": "Requests 100",
        "outcome=error": "Requests 4",
        "backend=main": "Requests at least 36",
    }


def test_other_orders_are_of_the_newest_rows(auditor: Client, rows: None) -> None:
    root = reading.page(auditor.get(LIST, {"tz": "UTC", "sort": "-cost"}))
    assert numbers(root) == list(range(LOOKED_AT, 0, -1))
    assert f"Found among {LOOKED_AT} requests, the newest of this time." in root.text
    whole = auditor.get(LIST, {"tz": "UTC", "sort": "-cost", "outcome": "error"})
    assert numbers(reading.page(whole)) == [200, 150, 100, 50]


def test_pages_in_another_order_follow_each_other(
    auditor: Client, rows: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyset, "MOST_LOOKED_AT", 130)
    found, href = [], f"{LIST}?tz=UTC&sort=-cost"
    while href:
        root = reading.page(auditor.get(href))
        found += numbers(root)
        following = root.all("a", rel="next")
        href = following[0].attrs["href"] if following else ""
    assert found == list(range(130, 0, -1))


INDEXED = (
    {"outcome": "error"},
    {"outcome": "refused,error"},
    {"outcome": "abandoned"},
    {"status": "529"},
    {"status": "5xx"},
    {"error": "zebra"},
    {"error_group": "0123456789abcdef"},
    {"key": "ci"},
    {"key_id": "2"},
    {"key_id": "f-a1b2c3d4e5f6"},
    {"person_id": "5"},
    {"team_id": "77"},
    {"session": "session-00000000"},
    {"request_class": "subagent"},
    {"model": LARGE},
)
OTHERS = (
    {"backend": "spare"},
    {"client": "zebra"},
    {"cost_from": "5"},
    {"model": LARGE, "outcome": "error"},
    {"key": "ci", "model": CODER},
    {"sort": "-cost"},
)


@pytest.mark.parametrize("query", [*INDEXED, *OTHERS], ids=str)
def test_no_filter_reads_the_whole_table(
    auditor: Client, now: None, db: None, query: dict[str, Any]
) -> None:
    """Rows are found by an index of the filter, or by their numbers among those looked at."""
    issue_keys()
    enter_month(60)
    with CaptureQueriesContext(connection) as seen:
        auditor.get(LIST, {"range": "90d", "tz": "UTC", **query})
    plans = [plan for sql in seen if (plan := _plan(sql["sql"]))]
    assert plans
    for plan in plans:
        assert not [step for step in plan if step.startswith("SCAN bridge_usagerecord")], plan
    if query in INDEXED and "error" not in query:
        by_time = [plan for plan in plans if any("record_by_time" in step for step in plan)]
        assert by_time == []


def _plan(statement: str) -> list[str]:
    if "bridge_usagerecord" not in statement:
        return []
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {statement}")
        return [row[3] for row in cursor.fetchall()]
