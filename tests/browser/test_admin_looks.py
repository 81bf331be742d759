"""What the admin does with widths, schemes and time zones. ui: Rules for every page."""

from __future__ import annotations

import re

from playwright.sync_api import Browser, Page, expect

from tests.browser.site import Site

BRIDGE = "/admin/bridge/"


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


def test_nothing_moves_for_a_visitor_who_wants_no_motion(page: Page) -> None:
    """The theme fades borders and backgrounds of every field; some people's systems ask not to."""
    fading = """() => [...document.querySelectorAll("*")]
      .filter((one) => parseFloat(getComputedStyle(one).transitionDuration) > 0).length"""
    page.goto(f"{BRIDGE}apikey/add/")
    assert page.evaluate(fading) == 0
    page.emulate_media(reduced_motion="no-preference")
    moving = page.evaluate(fading)
    page.emulate_media(reduced_motion="reduce")
    assert moving > 0


def test_forms_take_times_in_the_zone_that_they_name(browser: Browser, site: Site) -> None:
    """Known from the first page on, without a warning that the clocks differ."""
    context = browser.new_context(
        base_url=site.url, storage_state=site.login, timezone_id="Australia/Adelaide"
    )
    page = context.new_page()
    page.goto(f"{BRIDGE}apikey/add/")
    expect(page.get_by_text("In Australia/Adelaide.", exact=True).first).to_be_visible()
    expect(page.get_by_text("Times are those of Australia/Adelaide.")).to_be_visible()
    expect(page.locator(".timezonewarning")).to_have_count(0)
    context.close()


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
