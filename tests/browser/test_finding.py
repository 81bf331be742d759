"""From a number to its requests, in a browser: bars, legends, filters, saved views, the search."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser import sums
from tests.browser.site import Site
from tests.browser.stock import Stock

D = "/dashboard/"
MONTH = "range=30d&tz=UTC"
BAR = """([figure, layer, slot]) => {
  const canvas = document.querySelector(`figure[data-chart="${figure}-data"] canvas`);
  const { x, y, base } = Chart.getChart(canvas).getDatasetMeta(layer).data[slot];
  canvas.scrollIntoView({ block: "center" });
  const box = canvas.getBoundingClientRect();
  return [box.x + x, box.y + (y + base) / 2];
}"""


@pytest.fixture(scope="module")
def package_site(stocked_site: tuple[Site, Stock]) -> Site:
    """The gateway that this module's browser opens."""
    return stocked_site[0]


def count(page: Page) -> int:
    """How many requests the list says that it has."""
    return int(sums.number(page.locator("section#table h2 span").inner_text()))


def test_click_on_a_bar_shows_its_requests(page: Page) -> None:
    page.goto(f"{D}?{MONTH}")
    data = json.loads(page.locator("#requests-data").inner_text())
    layer = 0
    values = data["series"][layer]["values"]
    slot = values.index(max(values))
    x, y = page.evaluate(BAR, ["requests", layer, slot])
    page.mouse.move(x, y)
    page.mouse.click(x, y)
    expect(page).to_have_url(re.compile("requests/.*outcome=answered.*from="))
    assert count(page) == values[slot]


def test_entry_of_a_legend_shows_its_series(page: Page) -> None:
    page.goto(f"{D}?{MONTH}")
    errors = sums.series(page, "requests")["error"]
    page.locator("figure[data-chart=requests-data] .keys a", has_text="error").click()
    expect(page).to_have_url(re.compile("outcome=error"))
    assert count(page) == errors > 0


def test_why_requests_failed_takes_two_clicks(page: Page) -> None:
    """From the first page to the reasons, to the requests of one."""
    page.goto(f"{D}?{MONTH}")
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Errors").click()
    line = page.locator("tbody tr").first
    requests = int(sums.number(line.locator("td[data-label=Requests]").inner_text()))
    line.get_by_role("link").first.click()
    expect(page.locator(".hint", has_text="Errors that say")).to_be_visible()
    assert count(page) == requests > 0


def test_filters_are_set_by_keyboard_and_kept_as_a_view(page: Page) -> None:
    page.goto(f"{D}requests/?{MONTH}")
    page.locator(".filters summary").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Status").fill("5xx")
    page.keyboard.press("Enter")
    expect(page.locator(".chip")).to_have_text(["Status: 5xx ×, take away"])
    shown = page.url
    page.locator(".views summary").click()
    page.get_by_label("Name").fill("what failed")
    page.get_by_role("button", name="Save what is shown").click()
    expect(page.locator(".message")).to_contain_text("saved as what failed")
    page.goto(f"{D}requests/?tz=UTC")
    page.locator(".views summary").click()
    page.get_by_role("link", name="what failed").click()
    expect(page.locator(".chip")).to_have_count(1)
    assert set(re.split("[?&]", page.url)) == set(re.split("[?&]", shown))
    page.locator(".views summary").click()
    page.get_by_role("button", name="Delete the view what failed").click()
    expect(page.locator(".message")).to_contain_text("is gone")


def test_search_finds_a_request_from_any_page(page: Page, stocked_site: tuple[Site, Stock]) -> None:
    page.goto(f"{D}keys/")
    box = page.get_by_label("Request or session id")
    box.fill(stocked_site[1].request)
    box.press("Enter")
    expect(page).to_have_url(re.compile(f"requests/{stocked_site[1].request}/"))
