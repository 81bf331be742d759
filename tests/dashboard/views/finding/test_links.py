"""Numbers are links to the requests behind them, and there are as many as the number says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from bridge.models import Team, UsageRecord, UsageSession
from dashboard.pages import page as framing
from tests.dashboard import reading
from tests.dashboard.making import CODER, NOW, enter, issue_keys, month, record
from tests.dashboard.months import enter_once

pytestmark = pytest.mark.django_db

LIST = reverse("dashboard:requests")
COUNT = re.compile(r"([0-9\u202f]+)(?: requests?)?")
GUESSED = {"key_id": 0, "key": "", "fingerprint": "feed", "status": 401, "model": "", "alias": ""}


@pytest.fixture
def rows(now: None, db: None) -> None:
    """A month of requests, of which some are a person's, a team's, nobody's, or have no model."""
    issue_keys()
    person, team = User.objects.create_user("maria").pk, Team.objects.create(name="platform").pk
    enter_once(("links", person, team), lambda: requests(person, team))


def requests(person: int, team: int) -> list[UsageRecord]:
    made = list(month(900, days=20))
    for number, row in enumerate(made):
        row.person_id, row.person = (person, "maria") if number % 3 else (0, "")
        row.team_id, row.team = (team, "platform") if number % 4 else (0, "")
        row.request_class = ("main", "subagent", "", "made-up")[number % 4]
    made += [record(NOW, 5000 + number, **GUESSED, backend="") for number in range(7)]
    return made


def targets(root: reading.Node) -> Iterator[tuple[int, str]]:
    """Every number of a page's content that leads to requests, and where."""
    for link in root.first("main").all("a", href="*"):
        href, text = link.attrs["href"], COUNT.fullmatch(link.text)
        if text and urlsplit(href).path == LIST and "sort=" not in href:
            yield int(text[1].replace("\u202f", "")), href


def counted(client: Client, href: str) -> int:
    """How many requests the list behind an address says that it has."""
    answer = client.get(href)
    assert answer.status_code == 200, href
    head = reading.heading(answer).all("span")
    return int(head[0].text.replace("\u202f", "")) if head else 0


PAGES = (
    ("overview", 25),
    ("keys", 5),
    ("models", 3),
    ("people", 2),
    ("teams", 2),
    ("backends", 2),
)
"""Name of a page, and how many numbers at least lead to requests."""


@pytest.mark.parametrize(
    ("page", "least", "time"),
    [
        *((page, least, "7d") for page, least in PAGES),
        ("overview", 2, "24h"),
        *(pytest.param(page, 2, "24h", marks=pytest.mark.slow) for page, _ in PAGES[1:]),
    ],
)
def test_as_many_requests_are_behind_a_number_as_it_says(
    operator: Client, rows: None, backends: Any, page: str, least: int, time: str
) -> None:
    """Cards, charts, their tables, rankings and tables: each number is followed."""
    query = {"range": time, "tz": "Europe/Berlin"}
    root = reading.page(operator.get(reverse(f"dashboard:{page}"), query))
    found = list(dict.fromkeys(targets(root)))
    assert len(found) >= least
    wrong = [(number, href) for number, href in found if counted(operator, href) != number]
    assert wrong == []


@pytest.mark.parametrize("slug", ["2", "none", "f-a1b2c3d4e5f6", "4"])
def test_numbers_of_one_key_lead_to_its_requests(auditor: Client, rows: None, slug: str) -> None:
    path = reverse("dashboard:key", args=[slug])
    root = reading.page(auditor.get(path, {"range": "30d", "tz": "UTC"}))
    found = list(dict.fromkeys(targets(root)))
    assert found
    assert [(n, href) for n, href in found if counted(auditor, href) != n] == []


def test_numbers_of_one_model_lead_to_its_requests(auditor: Client, rows: None) -> None:
    path = reverse("dashboard:model", args=[CODER])
    root = reading.page(auditor.get(path, {"range": "30d", "tz": "UTC"}))
    found = list(dict.fromkeys(targets(root)))
    assert len(found) > 10
    assert [(n, href) for n, href in found if counted(auditor, href) != n] == []


def test_bars_and_their_table_lead_to_the_same(auditor: Client, rows: None) -> None:
    """charts.js puts the filter of a layer behind the address of its bar."""
    root = reading.page(auditor.get(reverse("dashboard:overview"), {"range": "7d", "tz": "UTC"}))
    data = reading.chart(root, "requests")
    cells = root.first("figure", data_chart="requests-data").first("tbody").all("td")
    linked = {a.attrs["href"] for cell in cells for a in cell.all("a")}
    made = {
        f"{data['hrefs'][number]}&{series['query']}"
        for series in data["series"]
        for number, value in enumerate(series["values"])
        if value
    }
    assert {_asked(href) for href in made} == {_asked(href) for href in linked}
    names = {series["name"]: _asked(series["href"]) for series in data["series"]}
    assert names["error"] == _asked(f"{LIST}?range=7d&tz=UTC&outcome=error")


def _asked(href: str) -> frozenset[tuple[str, str]]:
    return frozenset(parse_qsl(urlsplit(href).query))


def test_second_of_two_hours_that_clocks_show_alike_is_its_own(
    auditor: Client, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the night in which clocks go back a bar is an hour, too."""
    morning = datetime(2025, 10, 26, 9, 30, tzinfo=UTC)
    monkeypatch.setattr(framing, "timezone", SimpleNamespace(now=lambda: morning))
    hours = (0, 1, 1, 2)
    enter(record(morning.replace(hour=at, minute=5), number) for number, at in enumerate(hours))
    root = reading.page(
        auditor.get(reverse("dashboard:overview"), {"range": "24h", "tz": "Europe/Berlin"})
    )
    found = list(dict.fromkeys(targets(root)))
    assert [(n, href) for n, href in found if counted(auditor, href) != n] == []


def test_turns_of_a_session_lead_to_their_requests(auditor: Client, rows: None) -> None:
    row = UsageSession.objects.order_by("-requests")[0]
    root = reading.page(auditor.get(reverse("dashboard:session", args=[row.pk]), {"tz": "UTC"}))
    hrefs = reading.chart(root, "context")["hrefs"]
    own = UsageRecord.objects.filter(session=row.session, key_id=row.key_id)
    ids = list(own.order_by("time", "pk").values_list("request_id", flat=True))
    assert [urlsplit(href).path for href in hrefs] == [
        reverse("dashboard:request", args=[request_id]) for request_id in ids
    ]
