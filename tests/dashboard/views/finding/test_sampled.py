"""The search in samples of failed requests (`/dashboard/errors/samples/`)."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from dashboard.queries.finding import samples
from tests.dashboard import reading
from tests.dashboard.making import NOW, enter, record

pytestmark = pytest.mark.django_db

SEARCH = reverse("dashboard:sampled")


def sampled(number: int, text: str, status: int = 502, hours: float = 1, **told: Any) -> Any:
    """A request of that many hours ago whose prompt says this."""
    request = json.dumps({"messages": [{"role": "user", "content": text}]}, ensure_ascii=False)
    kept = {"request": request, "answer": "", "cut": False, "taken": {}}
    at = NOW - timedelta(hours=hours)
    detail = {"sample": kept}
    return record(at, number, status=status, detail=detail, sample_bytes=len(request), **told)


@pytest.fixture
def rows(now: None, db: None) -> None:
    enter(
        [
            sampled(1, "Der Fuchs frißt <b>Kohl</b> und\nRüben"),
            sampled(2, "nothing of it", 400, 2),
            sampled(3, "kohl again", 429, 3),
            sampled(4, "kohl that was answered", 200),
            sampled(5, "kohl of one who left", 499),
            sampled(6, "kohl of last month", 502, 24 * 40),
            record(NOW, 7, status=502, error="kohl in no sample"),
        ]
    )


def ask(client: Client, text: str, **more: str) -> Any:
    return reading.page(client.get(SEARCH, {"q": text, "tz": "UTC", "range": "7d", **more}))


def test_failed_requests_are_found_by_words_of_their_samples(auditor: Client, rows: None) -> None:
    root = ask(auditor, "KOHL")
    first, second = reading.table(root)
    assert "<b>Kohl</b>" in " ".join(map(str, first.values()))
    assert "kohl again" in " ".join(map(str, second.values()))
    assert not root.all("b")
    assert "3 samples read" in root.text
    hrefs = [a.attrs["href"] for a in root.all("a")]
    assert any("/dashboard/requests/" in href and href.count("/") >= 4 for href in hrefs)


def test_words_with_signs_that_json_escapes_are_found(auditor: Client, rows: None) -> None:
    assert len(reading.table(ask(auditor, "und\nRüben"))) == 1


def test_search_ends_at_its_bounds_and_says_so(
    auditor: Client, rows: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "MOST_READ", 1)
    root = ask(auditor, "kohl")
    assert len(reading.table(root)) == 1
    assert "1 sample read, the newest first" in root.text


def test_nothing_is_read_before_somebody_asks(auditor: Client, rows: None) -> None:
    root = reading.page(auditor.get(SEARCH))
    assert "read" not in root.first("main").text.replace("Read", "")
    assert not root.all("table")


def test_file_of_what_is_found_has_no_text_of_a_sample(auditor: Client, rows: None) -> None:
    """Samples are read on pages, one by one."""
    asked = {"q": "kohl", "tz": "UTC", "range": "7d", "format": "json"}
    found = auditor.get(SEARCH, asked).json()
    assert "req_" in json.dumps(found)
    assert "kohl" not in json.dumps(found).casefold()


def test_search_is_for_those_who_may_read_samples(guest: Client) -> None:
    assert guest.get(SEARCH, {"q": "kohl"}).status_code == 403
