"""Every page by axe-core, and by its looks: light and dark, wide and narrow. ui: Rules for pages.

No violation that is serious or critical, no sideways scrolling, a contrast of at least 4.5 : 1,
nothing in the console. An address without a row in every_page.py fails the first test.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.addresses import addresses
from tests.browser.axe import violations
from tests.browser.conftest import WIDE
from tests.browser.every_page import NOBODY, PERSON, Shown, filled, pages, without_page
from tests.browser.looks import BETWEEN, OPPOSITES, faults, too_wide
from tests.browser.site import Site
from tests.browser.stock import CODE, Stock

MAIN = ("", "admin/", "admin/bridge/modelalias/add/", "dashboard/", "dashboard/keys/2/", "my/")
"""Pages whose every element axe looks at, and for contrast too; on others not the navigation."""
GROUPS: dict[str, list[Shown]] = {}
"""The pages by the beginnings of their addresses. Forms of new rows, but for the largest, are a
group of their own: the form of a row that is there has the same fields and more."""
ADDING = "add"
for pattern, several in pages().items():
    start = "/".join(pattern.split("/")[:2]).partition("<")[0]
    is_second = pattern.endswith(f"/{ADDING}/") and pattern not in MAIN
    GROUPS.setdefault(ADDING if is_second else start, []).extend(several)


def test_every_address_has_a_row() -> None:
    """So that no page comes without somebody having looked whether everybody can use it."""
    ours = {address for address in addresses() if not address.startswith(("api/", "^api/"))}
    known = pages().keys() | without_page().keys()
    assert ours - known == set()
    assert pages().keys() - ours == set()


@pytest.fixture(scope="module")
def package_site(stocked_site: tuple[Site, Stock]) -> Site:
    """The gateway that this module's browser opens."""
    return stocked_site[0]


def visit(page: Page, shown: Shown, stock: Stock) -> None:
    """Open a page as its visitor."""
    page.context.clear_cookies()
    if shown.visitor != NOBODY:
        page.context.add_cookies(stock.login(shown.visitor)["cookies"])
    answer = page.goto(filled(shown.address, stock))
    assert answer is not None and answer.status == shown.status


def forgive(complaints: list[str]) -> None:
    """Leave out that a page was refused, as it should be: the browser writes that down itself."""
    expected = re.compile(r"error: Failed to load resource: .* status of 40\d ")
    complaints[:] = [text for text in complaints if not expected.match(text)]


@pytest.mark.parametrize(
    "group",
    [pytest.param(one, marks=pytest.mark.slow) if one == ADDING else one for one in GROUPS],
)
def test_pages_can_be_used_by_everybody(
    page: Page, stocked_site: tuple[Site, Stock], complaints: list[str], group: str
) -> None:
    """One after the other, since leaving a page costs as much as a look at it."""
    wrong = {}
    for shown in GROUPS[group]:
        visit(page, shown, stocked_site[1])
        if found := unusable(page, shown):
            wrong[str(shown)] = found
    if any(shown.status >= 400 for shown in GROUPS[group]):
        forgive(complaints)
    assert wrong == {}


def unusable(page: Page, shown: Shown) -> list[object]:
    """What axe-core finds on the wide page, and what is wrong with the looks.

    It begins as the page before ended, and ends at the other width and scheme: every other page is
    opened narrow and dark.
    """
    is_main = shown.visitor != PERSON and shown.address in MAIN
    found: list[object] = []
    step = 1 if page.viewport_size == WIDE else -1
    for number, way in enumerate(OPPOSITES[::step]):
        found += too_wide(page, BETWEEN[::step]).items() if number else ()
        found += faults(page, (way,)).items()
        if page.viewport_size == WIDE:
            found += violations(page, with_contrast=is_main, with_navigation=is_main)
    return found


# --- what stands behind a form ----------------------------------------------------------------

KEYS = "/admin/bridge/apikey/"


def choose(page: Page, action: str) -> None:
    """Tick the first two keys of the list, and what to do with them."""
    page.goto(KEYS)
    for box in page.locator("input.action-select").all()[:2]:
        box.check()
    page.locator("select[name=action]").select_option(action)
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_load_state()


def limits_of_many(page: Page) -> None:
    choose(page, "set_limits")
    page.get_by_role("button", name="Set", exact=True).click()
    expect(page.get_by_text("Nothing is to be set.")).to_be_visible()


def deletion_of_many(page: Page) -> None:
    choose(page, "delete_selected")
    expect(page.get_by_text("spare-00").first).to_be_hidden()


def form_with_errors(page: Page) -> None:
    page.goto("/admin/bridge/modelalias/add/")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".errornote, .errorlist").first).to_be_visible()


def new_key(page: Page) -> None:
    page.goto(f"{KEYS}add/")
    page.get_by_label("Name").fill("a key that is shown once")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".gw-key")).to_be_visible()


def wrong_password(page: Page) -> None:
    page.context.clear_cookies()
    page.goto("/admin/login/")
    page.get_by_label("Username").fill("nobody")
    page.get_by_label("Password").fill("of any kind")
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("[role=alert], .errornote, .errorlist").first).to_be_visible()


def wrong_key(page: Page) -> None:
    page.context.clear_cookies()
    page.goto("/my/")
    page.get_by_label("API key").fill("gwk_never_issued")
    page.get_by_role("button", name="Show my usage").click()
    expect(page.locator("[role=alert]")).to_be_visible()


def sign_in_denied(page: Page) -> None:
    page.goto(f"/device/?user_code={CODE}")
    page.get_by_role("button", name="Deny").click()
    expect(page.get_by_text("The client was not signed in")).to_be_visible()


@pytest.mark.parametrize(
    "act",
    [
        limits_of_many,
        deletion_of_many,
        form_with_errors,
        new_key,
        wrong_password,
        wrong_key,
        sign_in_denied,
    ],
)
def test_page_behind_a_form_can_be_used_by_everybody(
    page: Page, complaints: list[str], act: Callable[[Page], None]
) -> None:
    act(page)
    assert violations(page) == []
    assert faults(page, OPPOSITES) == {}
    forgive(complaints)
