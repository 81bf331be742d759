"""The pages of the reports: with nothing, with some, with many requests (pages, "The pages")."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from bridge.accounts import roles
from bridge.admin import overview
from bridge.models import UsageRecord
from dashboard.usage import periods
from tests.dashboard import reading
from tests.dashboard.conftest import visitor
from tests.dashboard.cursors import CURSORS
from tests.dashboard.making import CODER, FORWARDED, NOW, enter, issue_keys, record
from tests.dashboard.months import clear, enter_month

pytestmark = pytest.mark.django_db

OVERVIEW = reverse("dashboard:overview")
KEYS, MODELS, CACHE = (reverse(f"dashboard:{name}") for name in ("keys", "models", "cache"))
MARIA = reverse("dashboard:key", args=["2"])
TEAM = reverse("dashboard:key", args=[f"f-{FORWARDED}"])
ONE_MODEL = reverse("dashboard:model", args=[CODER])
PAGES = (OVERVIEW, KEYS, MARIA, TEAM, MODELS, ONE_MODEL, CACHE)
MOST_QUERIES = 13


def get(client: Client, path: str, query: str = "range=90d&tz=Europe/Berlin") -> reading.Node:
    answer = client.get(f"{path}?{query}")
    assert answer.status_code == 200, path
    return reading.page(answer)


@pytest.fixture
def some(backends: Any) -> list[UsageRecord]:
    issue_keys()
    return enter_month(400)


@pytest.fixture
def few(backends: Any) -> None:
    """Enough for a row in each table."""
    issue_keys()
    enter_month(60)


def test_the_last_24_hours_are_the_same_in_the_admin(
    now: None, monkeypatch: pytest.MonkeyPatch, backends: Any
) -> None:
    """One row an hour, of which the first and the last are just within and just without."""
    monkeypatch.setattr(overview, "timezone", SimpleNamespace(now=lambda: NOW))
    enter(record(NOW - timedelta(hours=n), n, cost_nano_usd=10**9) for n in range(30))
    admin = visitor(roles.ADMIN)
    shown = reading.big(get(admin, OVERVIEW, "range=24h"))
    traffic = admin.get(reverse("admin:index")).context["traffic"]
    assert traffic.requests == 25 == int(shown["Requests"])
    assert f"${traffic.cost_usd:.2f}" == shown["Cost"]


# --- how many queries -----------------------------------------------------------------------------


def queries(client: Client, path: str, query: str) -> list[str]:
    with CaptureQueriesContext(
        connection,
    ) as seen:
        answer = client.get(f"{path}?{query}")
    assert answer.status_code == 200
    return [told["sql"] for told in seen.captured_queries]


OF_ATTENTION = 9
"""What the first page reads to say what needs attention now."""
QUERIES = ("", "range=90d", "range=7d&compare=off")


def counts(client: Client) -> dict[tuple[str, str], int]:
    return {(path, query): len(queries(client, path, query)) for path in PAGES for query in QUERIES}


def test_pages_take_few_queries_however_many_requests(auditor: Client, backends: Any) -> None:
    """Field 137: usage pages that cannot be used at 300 thousand rows."""
    issue_keys()
    enter_month(60)
    few = counts(auditor)
    clear()
    enter_month(400)
    many = counts(auditor)
    assert few == many
    first = {asked: count for asked, count in many.items() if asked[0] == OVERVIEW}
    assert max(first.values()) <= MOST_QUERIES + OF_ATTENTION, many
    assert max(count for asked, count in many.items() if asked not in first) <= MOST_QUERIES, many


def test_first_page_sums_keys_apart_from_models(auditor: Client, some: list[UsageRecord]) -> None:
    """Ours: thousands of keys with each model and class are as many groups as there are hours."""
    told = queries(auditor, OVERVIEW, "range=90d")
    assert sum("bridge_totalhour" in sql for sql in told) == 1
    names = ('"key_id"', '"model"', '"request_class"')
    by_day = [sql for sql in told if "bridge_keyday" in sql or "bridge_modelday" in sql]
    by = [{name for name in names if name in sql} for sql in by_day]
    assert sorted(by, key=len) == [{names[0]}, set(names[1:])]


@pytest.mark.parametrize("path", [OVERVIEW, KEYS, MODELS, ONE_MODEL])
def test_reports_do_not_add_up_single_requests(
    auditor: Client, some: list[UsageRecord], path: str
) -> None:
    """Only the newest request is looked at, by its index."""
    told = [sql for sql in queries(auditor, path, "range=90d") if "bridge_usagerecord" in sql]
    assert all("LIMIT 1" in sql for sql in told)


# --- nothing yet ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [OVERVIEW, KEYS, MODELS, CACHE])
def test_with_nothing_a_page_says_what_will_come_and_how(auditor: Client, path: str) -> None:
    main = get(auditor, path).first("main")
    assert main.all("p", class_="empty")
    ways = [code.text for code in main.all("code") + main.all("pre")]
    links = [a.attrs["href"] for a in main.all("a") if a.attrs["href"].startswith(("/admin", "/"))]
    assert ways or links
    assert not main.all("canvas")


def test_the_overview_of_nothing_has_lines_to_copy(auditor: Client) -> None:
    lines = get(auditor, OVERVIEW).first("pre").text
    assert "ANTHROPIC_BASE_URL=http://testserver" in lines


def test_nothing_in_this_time_is_another_thing_than_nothing(auditor: Client) -> None:
    enter([record(NOW.replace(month=1), 1)])
    text = get(auditor, OVERVIEW, "range=24h").first("main").text
    assert "No requests in this time" in text and "newest request" in text


@pytest.mark.parametrize(
    "path",
    [
        reverse("dashboard:key", args=["77"]),
        reverse("dashboard:key", args=["f-abc"]),
        reverse("dashboard:key", args=["what"]),
        reverse("dashboard:model", args=["no/such"]),
        reverse("dashboard:model", args=["a\x00b"]),
    ],
)
def test_what_is_not_there_is_said_with_a_way_back(auditor: Client, path: str) -> None:
    answer = auditor.get(path)
    assert answer.status_code == 404
    root = reading.page(answer)
    assert "There is no such" in root.text
    assert root.first("main").all("a")


# --- the frame ------------------------------------------------------------------------------------


def test_the_page_names_its_time_zone(auditor: Client) -> None:
    auditor.cookies["zone"] = "Asia/Kolkata"
    told = get(auditor, KEYS, "").first("div", class_="spoken").text
    assert "Asia/Kolkata" in told and "Sums are kept by the hour of UTC" in told
    assert "Europe/Berlin" in get(auditor, KEYS, "tz=Europe/Berlin").text


def test_links_carry_all_that_the_page_shows(auditor: Client, some: list[UsageRecord]) -> None:
    """A link that is shared shows the same: range, zone, comparison, order and filter."""
    query = "from=2025-03-01&to=2025-03-10&compare=off&sort=-cost&kind=issued&tz=Asia/Kolkata"
    body = get(auditor, KEYS, query).first("body")
    address = body.attrs["data-address"]
    assert set(address.partition("?")[2].split("&")) == set(query.split("&"))
    again = reading.page(auditor.get(address))
    assert again.first("main").text == get(auditor, KEYS, query).first("main").text


def test_a_bad_range_is_told_and_the_page_shows_the_last_day(auditor: Client) -> None:
    root = get(auditor, OVERVIEW, "range=fortnight")
    assert root.first("p", class_="problem").text.startswith("range: expected one of 1h, 24h")
    assert "the last 24 hours" in root.first("div", class_="spoken").text


def test_an_unknown_zone_is_told(auditor: Client) -> None:
    root = get(auditor, OVERVIEW, "tz=Mars/Olympus")
    assert "Mars/Olympus" in root.first("p", class_="problem").text


@pytest.mark.parametrize("path", PAGES)
def test_every_page_takes_every_range(auditor: Client, some: list[UsageRecord], path: str) -> None:
    for name in periods.NAMED:
        root = get(auditor, path, f"range={name}&tz=Asia/Kolkata")
        current = root.first("nav", class_="choices").all("a", aria_current="true")
        assert len(current) == 1, name


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "\"onload='x", "a&b=c#d?e", "ключ 钥匙", "  "]
)
def test_names_that_clients_choose_are_only_text(auditor: Client, name: str) -> None:
    enter([record(NOW, 1, key_id=5, key=name, model=name, session=name, backend=name[:50])])
    for path in (OVERVIEW, KEYS, MODELS, CACHE, reverse("dashboard:key", args=["5"])):
        root = get(auditor, path)
        sources = {one.attrs["src"] for one in root.all("script") if "src" in one.attrs}
        plain = [one for one in root.all("script") if "src" not in one.attrs]
        assert all(one.attrs.get("type") == "application/json" for one in plain)
        assert all(source.startswith("/static/") for source in sources)


NASTY = (
    "",
    "\x00",
    "-",
    "--",
    "٣",
    "9" * 40,
    "1e999",
    "NaN",
    "é'\"<%00>",
    "a" * 3000,
    "../..",
    "[]",
)

PARAMETERS = ("range", "from", "to", "tz", "compare", "sort", "after", "kind", "format", "table")
TABLES = ("", "models-", "sessions-", "errors-", "keys-", "backends-")
FILTERS = ("status", "model")
ORDERS = ("", "-cost", "session", "-error_type", "requests")


def hostile_addresses(html: str) -> Iterator[dict[str, str]]:
    """Each text in each parameter of the page and of its tables, and each cursor in all tables.

    Every cursor in every order of a table is read in tests/dashboard/tables/test_cursors.py.
    """
    prefixes = [one for one in TABLES if f"{one}sort=" in html]
    for start in range(len(NASTY)):
        texts = (*NASTY[start:], *NASTY[:start])
        filters = {f"{prefix}{name}": texts[0] for prefix in prefixes for name in FILTERS}
        yield dict(zip(PARAMETERS, texts, strict=False)) | filters
    for number, cursor in enumerate(CURSORS):
        order = ORDERS[number % len(ORDERS)]
        after = {f"{prefix}after": cursor.text() for prefix in prefixes}
        yield after | {f"{prefix}sort": order for prefix in prefixes}


@pytest.mark.parametrize("path", PAGES)
def test_nothing_in_an_address_breaks_a_page(auditor: Client, few: Any, path: str) -> None:
    """Whatever stands in its address, a page is a page."""
    html = auditor.get(path).content.decode()
    for parameters in hostile_addresses(html):
        answer = auditor.get(path, parameters)
        assert answer.status_code == 200, parameters


@pytest.mark.parametrize("text", [text for text in NASTY if text.isascii()])
def test_nothing_in_the_cookie_of_the_zone_breaks_a_page(
    auditor: Client, few: Any, text: str
) -> None:
    """All pages read it in one place."""
    auditor.cookies["zone"] = text
    for parameters in ({}, {"range": "7d"}, {"from": "2025-03-01", "to": text}):
        assert auditor.get(CACHE, parameters).status_code == 200, parameters
