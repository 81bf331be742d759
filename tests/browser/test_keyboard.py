"""The main ways by keyboard alone: no test here presses a mouse button."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.site import PASSWORD, Site
from tests.fakes import books

MOST = 120
"""Presses of Tab within which anything on a page must be reached."""
FOCUSED = """() => {
  const one = document.activeElement;
  const { outlineStyle, outlineWidth, boxShadow, borderColor } = getComputedStyle(one);
  const box = one.getBoundingClientRect();
  return {
    outlined: outlineStyle !== "none" && parseFloat(outlineWidth) > 0,
    shaded: boxShadow !== "none",
    border: borderColor,
    seen: box.width > 0 && box.height > 0,
  };
}"""


def tab_to(page: Page, target: Locator) -> None:
    """Press Tab until this has the focus."""
    for _ in range(MOST):
        page.keyboard.press("Tab")
        if target.evaluate("(one) => one === document.activeElement"):
            return
    raise AssertionError(f"{target} is not reached by {MOST} presses of Tab")


def follow(page: Page, name: str) -> None:
    """Press a link by its name, from wherever the focus is."""
    tab_to(page, page.get_by_role("link", name=name, exact=True).first)
    page.keyboard.press("Enter")


def write(page: Page, label: str, text: str) -> None:
    tab_to(page, page.get_by_label(label).first)
    page.keyboard.type(text)


def press(page: Page, name: str, key: str = "Enter") -> None:
    tab_to(page, page.get_by_role("button", name=name).first)
    page.keyboard.press(key)


@pytest.fixture
def start(page: Page) -> Page:
    """The page, where a visitor begins who has not touched it."""
    page.goto("/admin/")
    return page


def test_login(browser: Browser, site: Site) -> None:
    found = PASSWORD.search(site.gateway.log)
    assert found is not None
    context = browser.new_context(base_url=site.url)
    page = context.new_page()
    page.goto("/dashboard/")
    page.keyboard.type(found[1])
    write(page, "Password", found[2])
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/dashboard/"))
    context.close()


def test_first_tab_leads_past_the_menu(start: Page) -> None:
    """On pages of both kinds."""
    for address in ("/admin/bridge/modelalias/", "/dashboard/"):
        start.goto(address)
        start.keyboard.press("Tab")
        link = start.get_by_role("link", name="To the content")
        expect(link).to_be_focused()
        expect(link).to_be_in_viewport()
        start.keyboard.press("Enter")
        start.keyboard.press("Tab")
        inside = "(one) => Boolean(one.closest('main'))"
        assert start.locator(":focus").evaluate(inside), f"{address}: outside of the content"


def test_key_is_issued(start: Page) -> None:
    follow(start, "Issue a key")
    write(start, "Name", "issued by keyboard")
    start.keyboard.press("Enter")
    expect(start.locator(".gw-key")).to_contain_text("gwk_")


def test_alias_is_edited(start: Page, site: Site) -> None:
    """One target is taken away, one is added, and all of it is saved."""
    targets = [{"backend": "main", "model": name} for name in ("test/alpha", "test/beta")]
    site.gateway.configure(aliases=[{"pattern": "edited-by-keyboard", "targets": targets}])
    follow(start, "Aliases")
    start.wait_for_url("**/modelalias/")
    follow(start, "edited-by-keyboard")
    start.wait_for_url("**/change/")
    tab_to(start, start.get_by_role("button", name="Remove this target").nth(1))
    start.keyboard.press(" ")
    expect(start.locator("#id_targets-1-DELETE")).to_be_checked()
    follow(start, "Add another Target")
    tab_to(start, start.locator("#id_targets-2-backend"))
    start.keyboard.type("main")
    tab_to(start, start.locator("#id_targets-2-model"))
    start.keyboard.type("test/small")
    start.keyboard.press("Enter")
    expect(start).to_have_url(re.compile("/modelalias/$"))
    row = start.locator("tr", has_text="edited-by-keyboard")
    expect(row).to_contain_text("test/small")
    expect(row).not_to_contain_text("test/beta")


def test_menus_open_and_close(start: Page) -> None:
    """The theme has made them for mice; Escape gives the focus back."""
    account = start.get_by_role("button", name="Your account")
    menu = start.get_by_role("link", name="Change password")
    tab_to(start, account)
    expect(account).to_have_attribute("aria-expanded", "false")
    start.keyboard.press("Enter")
    expect(menu).to_be_visible()
    expect(account).to_have_attribute("aria-expanded", "true")
    start.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    expect(account).to_be_focused()


def test_filters_open_and_close(start: Page) -> None:
    start.goto("/admin/bridge/apikey/")
    filters = start.get_by_role("button", name="Filters")
    panel = start.locator("#changelist-filter")
    tab_to(start, filters)
    start.keyboard.press("Enter")
    expect(panel).to_be_visible()
    expect(panel.locator(":focus")).to_have_count(1)
    start.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(filters).to_be_focused()


def test_request_is_opened_from_the_overview(page: Page, site: Site) -> None:
    assert site.status("test/alpha") == 200
    books.until(lambda: books.rows(site.gateway), bool, site.gateway)
    page.goto("/dashboard/")
    follow(page, "Requests")
    page.wait_for_url("**/dashboard/requests/**")
    expect(page.locator("tbody tr").first).to_be_visible()
    tab_to(page, page.locator("tbody td a", has_text=re.compile("ago|now")).first)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/dashboard/requests/req_"))


def test_range_table_and_chart_of_a_report(page: Page, site: Site) -> None:
    assert site.status("test/alpha") == 200
    books.until(lambda: books.rows(site.gateway), bool, site.gateway)
    page.goto("/dashboard/keys/")
    summary = page.locator("summary", has_text="From, to")
    tab_to(page, summary)
    page.keyboard.press("Enter")
    expect(page.locator("[name=from]")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("[name=from]")).to_be_hidden()
    expect(summary).to_be_focused()
    numbers = page.locator("summary", has_text="The same as a table").first
    tab_to(page, numbers)
    page.keyboard.press(" ")
    expect(page.locator(".numbers table").first).to_be_visible()
    tab_to(page, page.locator("thead a", has_text="Requests").first)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("sort=-requests"))


@pytest.mark.parametrize(
    "address", ["/", "/admin/bridge/apikey/add/", "/dashboard/keys/", "/dashboard/backends/"]
)
def test_focus_is_seen_at_every_stop(page: Page, site: Site, address: str) -> None:
    """An outline, a ring, or a border of another colour than without it."""
    page.goto(address)
    unseen = []
    for _ in range(30):
        page.keyboard.press("Tab")
        stop = page.evaluate_handle("document.activeElement").as_element()
        if stop is None or page.evaluate("document.activeElement === document.body"):
            break
        focused = page.evaluate(FOCUSED)
        stop.evaluate("(one) => one.blur()")
        border = stop.evaluate("(one) => getComputedStyle(one).borderColor")
        stop.evaluate("(one) => one.focus({ focusVisible: true })")
        if not (focused["outlined"] or focused["shaded"] or focused["border"] != border):
            unseen.append(stop.evaluate("(one) => one.outerHTML.slice(0, 120)"))
    assert unseen == []
