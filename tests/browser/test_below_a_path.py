"""The gateway below a path of a host that serves other things too, behind nginx and behind Caddy.

nginx hands the whole path on, Caddy leaves the base out: the gateway takes both. Every test fails
when its page writes to the console, or asks for something that is not there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import SECONDS
from tests.browser.every_page import pages
from tests.browser.site import FURNITURE, PASSWORD, Site
from tests.conftest import Start
from tests.deploy.below_a_path import BASE, SETTINGS, behind_caddy, behind_nginx
from tests.fakes.backend import FakeBackend
from tests.fakes.client import KEY, ask
from tests.fakes.gateway import Gateway

ADDRESS = re.compile(r"""\s(?:href|src|action|data-live|data-models)=["']([^"'#?]*)""")
NUMBERED = re.compile(r"[{(]|987654")
"""Addresses that need rows which are not there."""


@pytest.fixture(scope="module")
def gateway(launch_gateway: Start) -> Gateway:
    started = launch_gateway("serve", **SETTINGS)
    started.manage("import_config", "-", said=json.dumps(FURNITURE))
    return started


@contextmanager
def opened(browser: Browser, gateway: Gateway, url: str) -> Iterator[Page]:
    """A page of somebody who has just logged in, and who hears every complaint."""
    context = browser.new_context(base_url=url, ignore_https_errors=True)
    context.set_default_timeout(SECONDS * 1000)
    page = context.new_page()
    complaints = Site(gateway, None).listen(page)
    found = PASSWORD.search(gateway.log)
    assert found is not None, "no admin was made"
    page.goto(f"{BASE}/admin/bridge/modelalias/")
    page.fill("[name=username]", found[1])
    page.fill("[name=password]", found[2])
    page.click("[type=submit]")
    page.wait_for_url(f"{url}{BASE}/admin/bridge/modelalias/")
    try:
        yield page
        assert {cookie["path"] for cookie in context.cookies()} <= {BASE, f"{BASE}/"}
    finally:
        context.close()
    assert complaints == []


def use(page: Page, url: str) -> None:
    """What people do: a row, the live page, the models of a key, a client's code, the way out."""
    page.goto(f"{BASE}/admin/bridge/modelalias/add/")
    page.get_by_label("Pattern").fill("made-below-a-path")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".errornote, .errorlist").first).to_be_visible()
    page.get_by_role("link", name="Reports").first.click()
    page.wait_for_url(f"{url}{BASE}/dashboard/**")
    page.goto(f"{BASE}/dashboard/live/")
    expect(page.get_by_text("connected").first).to_be_visible()
    expect(page.get_by_text("disconnected")).to_have_count(0)
    page.goto(f"{BASE}/")
    expect(page.get_by_text(f"{url}{BASE}").first).to_be_visible()
    page.fill("#model-key", KEY)
    page.get_by_role("button", name="Show models").click()
    expect(page.locator("#model-list li").first).to_be_visible()
    page.goto(f"{BASE}/my/")
    page.goto(f"{BASE}/device/")
    page.get_by_role("button", name="Not you?").click()
    page.wait_for_url(f"{url}{BASE}/admin/login/**")


def test_nginx_hands_the_whole_path_on(
    browser: Browser, gateway: Gateway, backend: FakeBackend, tmp_path: Path
) -> None:
    with behind_nginx(tmp_path, gateway) as url, opened(browser, gateway, url) as page:
        wrong = {shown: found for shown in addresses() if (found := astray(page, shown))}
        assert wrong == {}
        use(page, url)
        answer = page.request.post(
            f"{BASE}/v1/messages", data=ask(), headers={"x-api-key": KEY}, timeout=SECONDS * 1000
        )
        assert answer.status == 200


def test_caddy_leaves_the_base_out(
    browser: Browser, gateway: Gateway, backend: FakeBackend, tmp_path: Path
) -> None:
    with behind_caddy(tmp_path, gateway) as url, opened(browser, gateway, url) as page:
        use(page, url)


def addresses() -> list[str]:
    """Of pages that are there in a gateway with few rows."""
    every = [shown.address for several in pages().values() for shown in several]
    return sorted({address for address in every if not NUMBERED.search(address)})


def astray(page: Page, address: str) -> list[str]:
    """Of a page's addresses those that leave the base, though they are not of another host."""
    answer = page.request.get(f"{BASE}/{address}")
    assert answer.status in (200, 400, 403, 404), f"{address}: {answer.status}"
    found = ADDRESS.findall(answer.text())
    assert answer.status >= 400 or found
    return [each for each in found if each.startswith("/") and not each.startswith(f"{BASE}/")]
