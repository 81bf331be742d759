"""The reports in a browser: what they say is what was entered, added up here a second time."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.browser import sums
from tests.browser.site import Site
from tests.browser.stock import SESSION, Stock
from tests.browser.sums import Days
from tests.dashboard.making import CODER
from tests.fakes import books
from tests.fakes.books import Row

D = "/dashboard/"
TODAY = datetime.now(UTC).date()
DAYS = Days(TODAY - timedelta(days=40), TODAY - timedelta(days=1))
"""Days that are over, so that nothing that is asked meanwhile is part of them."""


JUDGED = ("flagged", "not_flagged", "skipped", "unanswered")


@pytest.fixture(scope="module")
def package_site(stocked_site: tuple[Site, Stock]) -> Site:
    """The gateway that this module's browser opens."""
    return stocked_site[0]


@pytest.fixture(scope="module")
def entered(package_site: Site) -> list[Row]:
    """All rows of the ledger, read past the product."""
    return books.rows(package_site.gateway)


@pytest.fixture(scope="module")
def rows(entered: list[Row]) -> list[Row]:
    return DAYS.of(entered)


def agree(page: Page, rows: list[Row]) -> None:
    """The four great numbers are those of these rows."""
    assert sums.card(page, "Requests") == len(rows)
    assert sums.card(page, "Tokens") == sums.tokens(rows)
    assert sums.card(page, "Cost") == sums.cost(rows)
    share = 100 * sums.errors(rows) / len(rows)
    assert float(sums.card(page, "Error share")) == pytest.approx(share, abs=0.006)


HEADS = """() => [...document.querySelectorAll('thead tr')].map((row) => new Set(
  [...row.querySelectorAll('a > :not(.arrow), a, span')].map((one) => {
    const words = [...one.childNodes].find((node) => node.nodeType === 3 && node.data.trim());
    if (!words) return null;
    const range = document.createRange();
    range.selectNodeContents(words);
    return Math.round(range.getBoundingClientRect().bottom);
  }).filter((bottom) => bottom)).size)"""
"""Of each table: on how many lines the names of its columns stand."""


@pytest.mark.parametrize("path", ["teams/", "models/", "errors/"])
def test_names_of_columns_stand_on_one_line(page: Page, path: str) -> None:
    page.set_viewport_size({"width": 1600, "height": 900})
    page.goto(f"{D}{path}?{DAYS.query}")
    assert page.evaluate(HEADS) == [1] * page.locator("thead tr").count() != []


# --- one thing ------------------------------------------------------------------------------------


def test_overview(page: Page, rows: list[Row]) -> None:
    page.goto(f"{D}?{DAYS.query}")
    agree(page, rows)
    outcomes = sums.series(page, "requests")
    assert sum(outcomes.values()) == len(rows)
    assert outcomes["error"] == sums.errors(rows)
    assert sums.unpainted(page) == []


@pytest.mark.parametrize(
    ("address", "column", "value"),
    [(f"{D}keys/2/", "key_id", 2), (f"{D}models/{CODER}/", "model", CODER)],
)
def test_one_key_and_one_model(
    page: Page, rows: list[Row], address: str, column: str, value: object
) -> None:
    own = [row for row in rows if row[column] == value]
    page.goto(f"{address}?{DAYS.query}")
    outcomes = sums.series(page, "requests")
    assert sum(outcomes.values()) == len(own)
    assert outcomes["error"] == sums.errors(own)
    assert sums.unpainted(page) == []


def test_one_request(page: Page, entered: list[Row], stocked_site: tuple[Site, Stock]) -> None:
    request = stocked_site[1].request
    (row,) = (row for row in entered if row["request_id"] == request)
    page.goto(f"{D}requests/{request}/")
    assert sums.card(page, "Tokens") == sums.tokens([row])
    assert sums.card(page, "Cost") == sums.cost([row])
    assert sums.card(page, "Time") == row["duration_ms"]


def test_one_session(page: Page, entered: list[Row], stocked_site: tuple[Site, Stock]) -> None:
    turns = [row for row in entered if row["session"] == SESSION]
    page.goto(f"{D}sessions/{stocked_site[1].session}/")
    expect(page.locator("h1")).to_contain_text(f"{len(turns)} turns")
    assert sums.card(page, "Tokens") == sums.tokens(turns)
    assert sums.unpainted(page) == []


def test_own_page_of_a_person(
    page: Page, entered: list[Row], stocked_site: tuple[Site, Stock]
) -> None:
    page.context.clear_cookies()
    page.context.add_cookies(stocked_site[1].login("person")["cookies"])
    page.goto("/my/?range=24h&tz=UTC")
    own = [row for row in entered if row["person"] == "the-person"]
    assert sums.card(page, "Requests") == len(own)
    assert sums.card(page, "Tokens") == sums.tokens(own)
    assert sums.unpainted(page) == []


# --- lists ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "who", "column"),
    [("keys", "Key", "key"), ("models", "Model", "model"), ("cache", "Key", "key")],
)
def test_list_counts_each_row_once(
    page: Page, rows: list[Row], name: str, who: str, column: str
) -> None:
    page.goto(f"{D}{name}/?{DAYS.query}&sort=-requests")
    anchor = page.locator("section.tabled").first.get_attribute("id") or ""
    counts = {line[who][0]: sums.number(line["Requests"][1]) for line in sums.table(page, anchor)}
    shown = {name.removesuffix(" (deleted)"): count for name, count in counts.items() if count}
    assert shown == sums.by(rows, column)
    assert sums.unpainted(page) == []


def test_sessions_are_those_that_ended_in_these_days(page: Page, rows: list[Row]) -> None:
    expected = sums.by(rows, "session")
    page.goto(f"{D}sessions/?{DAYS.query}")
    shown = {line["Session"][1]: sums.number(line["Turns"][1]) for line in sums.table(page)}
    assert shown
    assert {name: count for name, count in shown.items() if expected[name] != count} == {}


def test_calls_that_were_judged(page: Page, rows: list[Row]) -> None:
    page.goto(f"{D}auto-mode/?{DAYS.query}")
    calls = sum(row[f"calls_{outcome}"] for row in rows for outcome in JUDGED)
    assert sums.card(page, "Checks") == calls > 0
    assert sums.unpainted(page) == []


def test_backends(page: Page, rows: list[Row]) -> None:
    page.goto(f"{D}backends/?{DAYS.query}")
    count = sum(row["backend"] == "main" for row in rows)
    facts = page.locator("section#main").get_by_text("Requests", exact=True).locator("xpath=..")
    assert sums.number(facts.locator("dd").inner_text()) == count


# --- ranges, orders, pages, files -----------------------------------------------------------------


def test_ranges_and_the_comparison_are_in_the_address(page: Page, entered: list[Row]) -> None:
    page.goto(f"{D}?tz=UTC")
    page.get_by_role("link", name="30 d", exact=True).click()
    expect(page).to_have_url(re.compile("range=30d"))
    month = Days(TODAY - timedelta(days=29), TODAY)
    assert sums.card(page, "Requests") == len(month.of(entered))
    expect(page.locator(".number-card .change")).not_to_have_count(0)
    page.get_by_role("link", name="don’t compare").click()
    expect(page).to_have_url(re.compile("compare=off"))
    expect(page.locator(".number-card .change")).to_have_count(0)


def test_change_is_against_the_days_before(page: Page, entered: list[Row]) -> None:
    last = Days(TODAY - timedelta(days=14), TODAY - timedelta(days=8))
    before = Days(TODAY - timedelta(days=21), TODAY - timedelta(days=15))
    page.goto(f"{D}?{last.query}")
    now, then = len(last.of(entered)), len(before.of(entered))
    shown = page.locator(".number-card").first.locator(".change").inner_text()
    rounding = 0.51 if "times" in shown else 0.0051
    assert changed(shown) == pytest.approx(now / then if then else None, abs=rounding, rel=0)


def changed(shown: str) -> float | None:
    """How many times as much the words of a card mean; None: nothing was there before."""
    if "none before" in shown:
        return None
    if "times" in shown:
        return float(sums.number(shown))
    percent = float(sums.number(shown)) if "%" in shown else 0.0
    return 1 + (-percent if "−" in shown else percent) / 100


def test_order_and_pages_of_keys(page: Page) -> None:
    page.goto(f"{D}keys/?{DAYS.query}")
    keys = page.get_by_role("group", name="Keys", exact=True)
    keys.get_by_role("columnheader", name="Requests").get_by_role("link").click()
    expect(page).to_have_url(re.compile("sort=-requests"))
    first = sums.table(page)
    counts = [sums.number(line["Requests"][1]) for line in first]
    assert counts == sorted(counts, reverse=True)
    page.get_by_role("link", name="Next 50").click()
    expect(page.get_by_role("link", name="First page")).to_be_visible()
    names = [line["Key"][0] for line in (*first, *sums.table(page))]
    assert len(names) == len(set(names)) > 50


def test_files_have_what_is_shown_and_all_rows(page: Page, rows: list[Row]) -> None:
    page.goto(f"{D}requests/?{DAYS.query}")
    shown = len(sums.table(page))
    links = page.locator(".exports a[download]").all()
    files = [page.request.get(link.get_attribute("href") or "").text() for link in links]
    counts = [_size(file) for file in files]
    assert counts == [shown, shown, len(rows), len(rows)]


def _size(file: str) -> int:
    """How many rows a file has, CSV or JSON."""
    if file.startswith("["):
        return len(json.loads(file))
    return sum(1 for _ in csv.DictReader(io.StringIO(file)))
