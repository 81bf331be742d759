"""The pages in a real browser: one Chromium, one gateway, one login for all tests here.

Nothing is downloaded: the browser is the installed one. Where there is none the tests are skipped,
but not where CI=true says that there must be one.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect, sync_playwright

from tests.browser.site import FURNITURE, Site, leave, log_in
from tests.browser.stock import Stock, stocked
from tests.conftest import starting
from tests.fakes.backend import FakeBackend

PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""The first one has no window to draw, and takes a third less time for each page."""
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--in-process-gpu",
    "--disable-background-networking",
    "--js-flags=--no-opt --no-maglev",
]
"""No page lives long enough to repay that its scripts are compiled a second time."""
WIDE: ViewportSize = {"width": 1280, "height": 900}
SECONDS = 60.0


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found is None:
        reason = "no Chromium: the pages are not tried in a browser"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    expect.set_options(timeout=SECONDS * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def package_site(
    browser: Browser, session_backend: FakeBackend, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A gateway as `make run` starts it, with a row of each kind, and its admin, logged in."""
    with starting(session_backend, tmp_path_factory) as start:
        gateway = start("serve", MODEL_MAP='{"from-the-environment": "test/beta"}')
        gateway.manage("import_config", "-", said=json.dumps(FURNITURE))
        gateway.manage("issue_key", "a key with a rather long name")
        yield Site(gateway, log_in(browser, gateway))


@pytest.fixture(scope="package")
def stocked_site(
    browser: Browser, session_backend: FakeBackend, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Site, Stock]]:
    """A gateway with a row of each kind and two months of requests, and what it has in stock."""
    with starting(session_backend, tmp_path_factory) as start:
        gateway = start("serve", MODEL_MAP='{"from-the-environment": "test/beta"}')
        gateway.manage("import_config", "-", said=json.dumps(FURNITURE))
        stock = stocked(gateway)
        yield Site(gateway, stock.login()), stock


@pytest.fixture
def site(package_site: Site, backend: FakeBackend) -> Site:
    """That gateway, with a backend that has forgotten scripts and records."""
    return package_site


@pytest.fixture(scope="module")
def window(browser: Browser, package_site: Site) -> Iterator[BrowserContext]:
    """The admin's browser. What it has loaded once it keeps for the tests of a module.

    It asks for pages without motion: a colour measured while it fades is neither of the two.
    """
    context = browser.new_context(
        base_url=package_site.url,
        viewport=WIDE,
        storage_state=package_site.login,
        reduced_motion="reduce",
    )
    context.set_default_timeout(SECONDS * 1000)
    yield context
    context.close()


@pytest.fixture(scope="module")
def watched(window: BrowserContext, package_site: Site) -> tuple[Page, list[str]]:
    """The page of a module, and what it complains of."""
    page = window.new_page()
    return page, package_site.listen(page)


@pytest.fixture
def complaints(watched: tuple[Page, list[str]]) -> list[str]:
    """What that page complains of, for a test that expects something of it."""
    return watched[1]


@pytest.fixture
def page(watched: tuple[Page, list[str]], window: BrowserContext, site: Site) -> Iterator[Page]:
    """That page, wide and light. What it complains of fails the test; who logs out is logged in."""
    page, complaints = watched
    complaints.clear()
    page.set_viewport_size(WIDE)
    page.emulate_media(color_scheme="light")
    yield page
    leave(page)
    window.clear_cookies()
    window.add_cookies(site.login["cookies"])
    assert complaints == []
