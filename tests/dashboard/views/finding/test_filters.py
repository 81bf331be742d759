"""The filter bar of the list of requests."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from bridge.models import Team, UsageHorizon
from tests.dashboard import reading
from tests.dashboard.making import FORWARDED, NOW, issue_keys, record
from tests.dashboard.months import enter_once

pytestmark = pytest.mark.django_db

LIST = reverse("dashboard:requests")
GUESSED = {"key_id": 0, "key": "", "fingerprint": "feed", "status": 401, "model": ""}
ROWS: tuple[dict[str, Any], ...] = (
    {"client": "claude-cli/2.1 (external)", "session": "s-1", "prompt_id": "p-1", "repairs": 1},
    {"status": 499, "model": "b", "backend": "spare", "alias": "x-*", "cost_nano_usd": None},
    {"status": 404, "model": "", "backend": "", "alias": "", "error": "model: typo", "key_id": 2},
    {
        "status": 529,
        "model": "b",
        "error": "Out of Memory",
        "duration_ms": 90_000,
        "attempts": 3,
        "failed_lines": "\nspare\nmain\n",
    },
    {"key_id": 0, "fingerprint": FORWARDED, "key": f"key-{FORWARDED}", "streamed": False},
    GUESSED,
    {"input_tokens": 2_000_000, "cost_nano_usd": 3_000_000_000, "estimated": True},
    {"request_class": "subagent", "key_id": 77, "key": "old-one"},
)


@pytest.fixture
def rows(now: None, db: None) -> None:
    issue_keys()
    person = User.objects.create_user("maria")
    team = Team.objects.create(name="platform")
    whose = {1: {"person_id": person.pk, "person": "mary"}, 2: {"team_id": team.pk, "team": "old"}}
    gone = {8: {"person_id": 999, "person": "paul"}}
    enter_once(
        (LIST, person.pk, team.pk),
        lambda: (
            record(NOW - timedelta(minutes=n), n, **told, **(whose | gone).get(n, {}))
            for n, told in enumerate(ROWS, 1)
        ),
    )


def found(client: Client, /, **query: str) -> str:
    """The numbers of the requests that a file of them has."""
    answer = client.get(LIST, {"tz": "UTC", "sort": "-time", "format": "json", **query})
    assert answer.status_code == 200
    return " ".join(row["request_id"].rpartition("_")[2].lstrip("0") for row in answer.json())


CASES = (
    ({"outcome": "refused,error"}, "3 4 6"),
    ({"outcome": "answered,abandoned"}, "1 2 5 7 8"),
    ({"status": "4xx"}, "2 3 6"),
    ({"status": "400-499", "outcome": "refused"}, "3 6"),
    ({"error": "memory"}, "4"),
    ({"error": "TYPO"}, "3"),
    ({"error": "%"}, ""),
    ({"key_id": "1"}, "1 2 4 7"),
    ({"key_id": f"f-{FORWARDED}"}, "5"),
    ({"key_id": "f-feed"}, ""),
    ({"key_id": "none"}, "6"),
    ({"key": "no valid key"}, "6"),
    ({"key": "old-one (deleted)"}, "8"),
    ({"person": "maria"}, "1"),
    ({"person": "paul (deleted)"}, "8"),
    ({"person": "(none)"}, "2 3 4 5 6 7"),
    ({"person_id": "999"}, "8"),
    ({"team": "platform"}, "2"),
    ({"team_id": "0"}, "1 3 4 5 6 7 8"),
    ({"model": "(no model)"}, "3 6"),
    ({"backend": "(none)"}, "3"),
    ({"alias": "x-*"}, "2"),
    ({"alias": "(none)"}, "3"),
    ({"client": "cli/2"}, "1"),
    ({"session": "s-1"}, "1"),
    ({"prompt_id": "p-1"}, "1"),
    ({"request_class": "subagent"}, "8"),
    ({"request_class": "unknown", "status": "200"}, "1 5 7"),
    ({"failed_at": "spare"}, "4"),
    ({"failed_at": "spar"}, ""),
    ({"trait": "repaired"}, "1"),
    ({"trait": "unpriced"}, "2"),
    ({"trait": "estimated"}, "7"),
    ({"trait": "retried"}, "4"),
    ({"tokens_from": "1M"}, "7"),
    ({"tokens_from": "4,200", "tokens_to": "4200", "outcome": "abandoned"}, "2"),
    ({"cost_from": "2.99"}, "7"),
    ({"cost_to": "0.001", "status": "200"}, "1 5 8"),
    ({"seconds_from": "60"}, "4"),
    ({"seconds_to": "89.9", "outcome": "error"}, ""),
    ({"from": "2025-03-20T14:00", "to": "2025-03-20T15:00", "model": "b"}, "2 4"),
    ({"from": "2025-03-19", "to": "2025-03-19"}, ""),
    ({"trait": "retried", "outcome": "error", "seconds_from": "1.5", "key": "ci"}, "4"),
)


@pytest.mark.parametrize(("query", "numbers"), CASES, ids=str)
def test_each_filter_finds_its_requests(
    auditor: Client, rows: None, query: dict[str, str], numbers: str
) -> None:
    """On the page and in files, together with others."""
    assert found(auditor, **query) == numbers
    root = reading.page(auditor.get(LIST, {"tz": "UTC", **query}))
    shown = reading.table(root) if root.all("tbody") else []
    assert len(shown) == len(numbers.split())


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"outcome": "splendid"}, "Outcome: expected answered, refused, abandoned, error"),
        ({"status": "many"}, "Status: expected a status such as 404, 5xx or 500-504"),
        ({"tokens_from": "lots"}, "Tokens at least: expected a number"),
        ({"tokens_from": "1" * 60}, "Tokens at least: expected a number"),
        ({"cost_to": "-1"}, "Cost at most: expected a number"),
        ({"cost_to": "NaN"}, "Cost at most: expected a number"),
        ({"seconds_from": "1e999"}, "Duration at least: expected a number"),
        ({"key_id": "../1"}, "Key: expected a number"),
        ({"person_id": "x"}, "Person: expected a number"),
        ({"error_group": "x"}, "Errors: expected a group"),
        ({"trait": "odd"}, "Marked: expected one of unpriced"),
    ],
)
def test_value_that_makes_no_sense_is_named(
    auditor: Client, rows: None, query: dict[str, str], words: str
) -> None:
    """Nothing is found, and a program that asks for a file is told so by the status."""
    answer = auditor.get(LIST, {"tz": "UTC", **query})
    assert answer.status_code == 200
    root = reading.page(answer)
    assert root.first("p", role="alert").text.startswith(words)
    assert not root.all("tbody")
    assert root.first("details", class_="filters").attrs["open"] == ""
    file = auditor.get(LIST, {"format": "csv", **query})
    assert (file.status_code, file.content.decode().startswith(words)) == (400, True)


def test_form_works_without_script_and_keeps_what_it_does_not_ask(
    auditor: Client, rows: None
) -> None:
    """A plain GET: what is filled in, and hidden, is the same address again."""
    asked = {"tz": "UTC", "range": "7d", "sort": "duration", "outcome": "error", "key_id": "1"}
    root = reading.page(auditor.get(LIST, {**asked, "tokens_from": "10"}))
    form = root.first("details", class_="filters").first("form")
    sent = {n.attrs["name"]: n.attrs.get("value", "") for n in form.all("input")}
    sent |= {
        select.attrs["name"]: (select.all("option", selected="*") or select.all("option"))[0].attrs[
            "value"
        ]
        for select in form.all("select")
    }
    assert {name: text for name, text in sent.items() if text} == {**asked, "tokens_from": "10"}
    labels = {label.attrs["for"] for label in form.all("label")}
    controls = [
        n for n in (*form.all("input"), *form.all("select")) if n.attrs.get("type") != "hidden"
    ]
    assert {n.attrs["id"] for n in controls} == labels


def test_each_filter_is_a_chip_that_takes_it_away(auditor: Client, rows: None) -> None:
    query = {"key_id": "1", "outcome": "error", "error": "memory", "person_id": "0"}
    root = reading.page(auditor.get(LIST, {"tz": "UTC", **query}))
    chips = {n.text.partition(" ×")[0]: n.attrs["href"] for n in root.all("a", class_="chip")}
    assert set(chips) == {
        "Key: ci",
        "Outcome: error",
        "Message: contains “memory”",
        "Person: none",
    }
    left = dict(parse_qsl(urlsplit(chips["Key: ci"]).query))
    assert {name: left.get(name) for name in query} == {**query, "key_id": None}


def test_controls_offer_what_is_known(auditor: Client, rows: None, backends: Any) -> None:
    root = reading.page(auditor.get(LIST))

    def offered(name: str) -> set[str]:
        options = root.first("datalist", id=f"filter-{name}-known").all("option")
        return {option.attrs["value"] for option in options}

    assert {"ci", "maria", "no valid key"} <= offered("key")
    assert offered("backend") == {"main", "spare", "(none)"}
    assert {"qwen3-coder-30b", "(no model)"} <= offered("model")
    assert {"maria", "(none)"} <= offered("person")
    assert offered("team") == {"platform", "(none)"}


def test_messages_are_shown_where_errors_are_asked_for(auditor: Client, rows: None) -> None:
    for query in ({"outcome": "error"}, {"status": "529"}, {"error": "memory"}):
        (row,) = reading.table(reading.page(auditor.get(LIST, {"tz": "UTC", **query})))
        assert row["What the client received"].text == "Out of Memory"
    first = reading.table(reading.page(auditor.get(LIST, {"tz": "UTC"})))[0]
    assert "What the client received" not in first
    file = auditor.get(LIST, {"tz": "UTC", "format": "json"}).json()
    assert file[3]["message"] == "Out of Memory"


def test_page_says_from_when_on_single_requests_are_kept(auditor: Client, rows: None) -> None:
    UsageHorizon.objects.create(complete_from=NOW - timedelta(days=3))
    text = reading.page(auditor.get(LIST, {"tz": "UTC", "range": "7d"})).text
    assert "Single requests are kept from Mon 17 Mar 2025" in text
    assert "Single requests are kept" not in reading.page(auditor.get(LIST, {"tz": "UTC"})).text
