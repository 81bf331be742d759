"""Errors by message (`/dashboard/errors/`)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tests.dashboard import reading
from tests.dashboard.making import CODER, LARGE, NOW, enter, issue_keys, record
from tests.dashboard.views.finding.test_filters import found

pytestmark = pytest.mark.django_db

ERRORS = reverse("dashboard:errors")
LONG = "prompt is too long: {} tokens"


def failed(number: int, ago: float, error: str, status: int = 400, **told: Any) -> Any:
    return record(NOW - timedelta(hours=ago), number, status=status, error=error, **told)


@pytest.fixture
def rows(now: None, db: None) -> None:
    issue_keys()
    enter(
        [
            failed(1, 1, LONG.format(210_001)),
            failed(2, 2, LONG.format(9), key_id=2, backend="spare", model=LARGE),
            failed(3, 5, LONG.format(77)),
            failed(4, 1, "The backend is busy", 529),
            failed(5, 1, "", 499),
            failed(6, 50, LONG.format(1)),
            record(NOW, 7),
        ]
    )


def test_messages_that_differ_in_numbers_are_one_line(auditor: Client, rows: None) -> None:
    root = reading.page(auditor.get(ERRORS, {"tz": "UTC"}))
    assert root.first("h1").text == "4 requests refused or failed"
    long, busy = reading.table(root)
    assert long["What clients received"].text == "prompt is too long: # tokens"
    shown = {name: long[name].text for name in ("Requests", "Outcome", "Status", "Keys")}
    assert shown == {"Requests": "3", "Outcome": "refused", "Status": "400", "Keys": "2"}
    assert (long["First"].text, long["Last"].text) == ("5\u202fh ago", "60\u202fmin ago")
    assert long["Backends"].text == "main, spare"
    assert {CODER, LARGE} == set(long["Models"].text.split(", "))
    assert busy["What clients received"].text == "The backend is busy"


def test_a_line_leads_to_exactly_its_requests(auditor: Client, rows: None) -> None:
    root = reading.page(auditor.get(ERRORS, {"tz": "UTC"}))
    for line, numbers in zip(reading.table(root), ("1 2 3", "4"), strict=True):
        href = line["What clients received"].first("a").attrs["href"]
        assert href == line["Requests"].first("a").attrs["href"]
        answer = auditor.get(f"{href}&format=json").json()
        assert " ".join(row["request_id"][-1] for row in sorted(answer, key=_id)) == numbers
        page = reading.page(auditor.get(href))
        assert f"Errors that say: {line['What clients received'].text}" in page.text
    every = root.first("h1").first("a").attrs["href"]
    assert len(auditor.get(f"{every}&format=json").json()) == 4


def _id(row: dict[str, Any]) -> str:
    return str(row["request_id"])


def test_filters_of_requests_hold_here_too(auditor: Client, rows: None) -> None:
    root = reading.page(auditor.get(ERRORS, {"tz": "UTC", "key": "ci", "outcome": "refused"}))
    (line,) = reading.table(root)
    assert line["Requests"].text == "2"
    assert [n.text.partition(" ×")[0] for n in root.all("a", class_="chip")] == [
        "Outcome: refused",
        "Key: ci",
    ]
    href = line["Requests"].first("a").attrs["href"]
    assert [row["request_id"][-1] for row in auditor.get(f"{href}&format=json").json()] == [
        "1",
        "3",
    ]


def test_list_of_requests_leads_to_their_messages(auditor: Client, rows: None) -> None:
    root = reading.page(auditor.get(reverse("dashboard:requests"), {"tz": "UTC", "model": LARGE}))
    (href,) = [a.attrs["href"] for a in root.all("a") if a.text == "Errors by message"]
    (line,) = reading.table(reading.page(auditor.get(href)))
    assert line["Requests"].text == "1"
    assert found(auditor, model=LARGE) == "2"


def test_longer_time_has_more_of_them(auditor: Client, rows: None) -> None:
    root = reading.page(auditor.get(ERRORS, {"tz": "UTC", "range": "7d"}))
    assert reading.table(root)[0]["Requests"].text == "4"
    file = auditor.get(ERRORS, {"tz": "UTC", "range": "7d", "format": "json"}).json()
    assert [(row["message"], row["count"]) for row in file] == [
        ("prompt is too long: # tokens", 4),
        ("The backend is busy", 1),
    ]


def test_nothing_went_wrong(auditor: Client) -> None:
    assert "Nothing was refused and nothing failed" in reading.page(auditor.get(ERRORS)).text
    answer = auditor.get(ERRORS, {"status": "odd"})
    assert "Status: expected" in reading.page(answer).first("p", role="alert").text
