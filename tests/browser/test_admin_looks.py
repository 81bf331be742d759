"""Every page of the admin in light and dark, wide and narrow. ui: Rules for every page.

No sideways scrolling, contrast of at least 4.5 : 1 for every text, nothing in the console.
"""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.looks import faults
from tests.browser.site import LONG, POLL, Site

BRIDGE = "/admin/bridge/"
PAGES = (
    "/admin/",
    *(f"{BRIDGE}{kind}/" for kind in ("backend", "modelalias", "discoveredmodel")),
    *(f"{BRIDGE}{kind}/" for kind in ("toolnamemap", "price", "apikey", "change")),
    *(f"{BRIDGE}{kind}/add/" for kind in ("backend", "modelalias", "toolnamemap", "price")),
    *(f"{BRIDGE}{page}/" for page in ("apikey/add", "warningrule", "warningrule/add")),
    f"{BRIDGE}modelalias/route/?model={LONG}",
    f"{BRIDGE}modelalias/route/?model=by-purpose&image=on&prompt_tokens=20000",
    f"{BRIDGE}modelalias/route/?model=by-purpose&prompt_tokens=-5&request_class=no",
    f"{BRIDGE}modelalias/route/?model=nobody",
    f"{BRIDGE}modelalias/client/?model={LONG}",
)
ROWS = {
    "backend": ("main", ("change", "history")),
    "modelalias": ("an-alias-with-a-name", ("change", "history", "delete")),
    "discoveredmodel": (LONG, ("change", "history")),
    "apikey": ("a key with", ("change", "history", "delete")),
    "warningrule": ("a rule of", ("change", "history", "delete")),
    "change": ("stranded", ("change",)),
}
"""Kind -> (beginning of a row's name, the pages of that row)."""


@pytest.mark.parametrize("address", PAGES)
def test_page_reads_well_everywhere(page: Page, address: str) -> None:
    page.goto(address)
    assert faults(page) == {}


@pytest.mark.parametrize("kind", ROWS)
def test_pages_of_a_row_read_well_everywhere(page: Page, kind: str) -> None:
    name, pages = ROWS[kind]
    page.goto(f"{BRIDGE}{kind}/?q={name}")
    href = page.locator("tr.data-row th a").first.get_attribute("href") or ""
    address, found, _ = href.partition("change/")
    assert found, href
    for shown in pages:
        page.goto(f"{address}{shown}/")
        assert (shown, faults(page)) == (shown, {})


def test_page_without_rows_reads_well(page: Page) -> None:
    for kind in ("backend", "change"):
        page.goto(f"{BRIDGE}{kind}/?q=nothing-fits")
        expect(page.get_by_text("Nothing fits.")).to_be_visible()
        assert faults(page) == {}


def test_warning_reads_well(page: Page) -> None:
    """A rule of the site finds the disk fuller than one percent, and nobody takes its warning."""
    while page.goto(f"{BRIDGE}warningevent/") and not page.locator("tr.data-row th a").count():
        page.wait_for_timeout(POLL * 1000)
    assert faults(page) == {}
    page.locator("tr.data-row th a").first.click()
    assert faults(page) == {}


def test_login_reads_well(page: Page) -> None:
    page.context.clear_cookies()
    page.goto("/admin/")
    assert faults(page) == {}


def test_filters_and_menu_open_on_a_phone(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{BRIDGE}modelalias/")
    expect(page.get_by_role("link", name="Backends")).to_be_hidden()
    page.locator("#content a", has_text="Filters").click()
    expect(page.get_by_text("By enabled")).to_be_visible()
    page.keyboard.press("Escape")
    page.locator("h1").locator("xpath=..").locator("span.cursor-pointer > span:visible").click()
    expect(page.get_by_role("link", name="Backends")).to_be_visible()


def test_dark_theme_is_chosen_and_kept(page: Page) -> None:
    page.emulate_media(color_scheme="dark")
    page.goto("/admin/")
    expect(page.locator("html")).to_have_class(re.compile("dark"))
    shade = page.locator(".gw-panel").first.evaluate("one => getComputedStyle(one).color")
    page.emulate_media(color_scheme="light")
    page.reload()
    expect(page.locator("html")).not_to_have_class(re.compile("dark"))
    assert shade != page.locator(".gw-panel").first.evaluate("one => getComputedStyle(one).color")


def test_moments_are_told_in_the_time_zone_of_the_visitor(browser: Browser, site: Site) -> None:
    """ui: relative, with the exact one on hover, in the visitor's time zone."""
    context = browser.new_context(
        base_url=site.url, storage_state=site.login, timezone_id="Asia/Tokyo", locale="en-GB"
    )
    page = context.new_page()
    page.goto(f"{BRIDGE}change/")
    moment = page.locator("#result_list time").first
    expect(moment).to_have_attribute("title", re.compile(r"20\d\d at \d\d:\d\d:\d\d (JST|GMT\+9)"))
    expect(moment).to_have_text(re.compile(r"ago|now"))
    context.close()
