"""Sessions, requests, backends, the live page and key holders' own, in a browser (pages).

Every test fails when its page writes to the console, breaks the content policy, or asks for
something that is not there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Locator, Page, WebSocketRoute, expect

from tests.browser.looks import faults
from tests.browser.site import Site, log_in, within
from tests.conftest import Start
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import finish, role, text, usage
from tests.fakes.client import KEY
from tests.fakes.replies import Gate

SESSION = {"x-claude-code-session-id": "7d0f3c52-5a0e-4d0b-9a54-0c1f5c8f7a11"}
LIVE, BACKENDS, MY = "/dashboard/live/", "/dashboard/backends/", "/my/"
REQUESTS, SESSIONS = "/dashboard/requests/", "/dashboard/sessions/"
SOCKET = re.compile("/dashboard/live/socket/")
LEDGER = 25.0
"""Seconds within which an ended request must be a row."""


def traffic(site: Site, backend: FakeBackend) -> str:
    """A session, a refusal and an error; the id of the error, once it is in the ledger."""
    for _ in range(3):
        site.gateway.client.messages(headers=SESSION, top_k=5)
    site.status("no/such")
    backend.on("test/small").error(500, "CUDA out of memory, " * 12)
    failed = site.gateway.client.messages(model="test/small")
    assert failed.status == 500
    return str(failed.headers["request-id"])


@pytest.fixture
def failed(site: Site, backend: FakeBackend, page: Page) -> str:
    request_id = traffic(site, backend)

    def there() -> bool:
        return page.request.get(f"{REQUESTS}{request_id}/").status == 200

    within(LEDGER, there)
    return request_id


# --- how they look --------------------------------------------------------------------------------


def test_one_request_and_one_session_read_well_everywhere(page: Page, failed: str) -> None:
    page.goto(f"{REQUESTS}{failed}/")
    expect(page.locator("h1")).to_contain_text("Error, 500")
    assert faults(page) == {}
    page.goto(SESSIONS)
    page.locator("tbody a", has_text="7d0f3c52").first.click()
    expect(page.locator("h1")).to_contain_text("turns")
    assert faults(page) == {}
    page.locator("td a", has_text=re.compile("^1$")).click()
    expect(page.locator("h1")).to_contain_text("Answered")
    expect(page.locator(".changes")).to_contain_text("top_k")
    assert faults(page) == {}


def test_the_bar_of_a_request_is_filled_from_end_to_end(page: Page, failed: str) -> None:
    page.goto(f"{REQUESTS}{failed}/")
    bar = page.locator("svg.phases").bounding_box()
    parts = [one.bounding_box() for one in page.locator("svg.phases rect").all()]
    assert bar is not None
    assert sum(part["width"] for part in parts if part) == pytest.approx(bar["width"], rel=0.01)


# --- clicks ---------------------------------------------------------------------------------------


def test_clicking_values_narrows_the_list_and_a_chip_widens_it(page: Page, failed: str) -> None:
    page.goto(REQUESTS)
    page.locator("td a.filter", has_text="error").first.click()
    expect(page).to_have_url(re.compile("outcome=error"))
    expect(page.locator("tbody tr .state").first).to_have_text("error")
    page.locator("td a.filter", has_text="small").first.click()
    expect(page.locator(".chip")).to_have_count(2)
    page.locator(".chip", has_text="Outcome").click()
    expect(page.locator(".chip")).to_have_count(1)
    page.locator("td a", has_text=re.compile("ago|now")).first.click()
    expect(page).to_have_url(re.compile(f"{REQUESTS}req_"))


def test_a_backend_is_tested_and_probed_where_it_stands(
    page: Page, site: Site, backend: FakeBackend
) -> None:
    page.goto(BACKENDS)
    card = page.locator("section#main")
    card.get_by_role("button", name="Test").click()
    expect(page.locator(".message").first).to_contain_text("models listed")
    expect(page).to_have_url(re.compile(f"{BACKENDS}.*#main$"))
    card.locator("select").select_option(label="test/beta")
    card.get_by_role("button", name="Probe").click()
    expect(card.locator("[role=status]")).to_contain_text("Done:", timeout=60_000)
    assert card.locator("[data-progress] li").count() > 10


# --- live -----------------------------------------------------------------------------------------


@pytest.fixture
def live(page: Page) -> Page:
    page.goto(LIVE)
    expect(page.locator("[data-live-state]")).to_have_text("live")
    return page


def test_a_request_runs_and_ends_before_your_eyes(
    live: Page, site: Site, backend: FakeBackend
) -> None:
    gate = Gate()
    backend.on(ALPHA).stream(role(), text("Hello " * 30), gate, finish("stop"), usage(11, 44))
    with site.gateway.client.stream(model=ALPHA) as stream:
        row = live.locator("[data-live-list=running] tr")
        expect(row).to_contain_text("answering")
        expect(live.locator("h1")).to_have_text("1 running")
        gate.open()
        stream.read()
    ended = live.locator("[data-live-list=finished] tr").first
    expect(ended).to_contain_text("answered")
    expect(ended).to_contain_text("44")
    expect(live.locator("h1")).to_have_text("0 running")
    assert KEY not in live.content()
    within(LEDGER, lambda: _is_there(live))
    ended.locator("a").first.click()
    expect(live.locator("h1")).to_contain_text("Answered")


def _is_there(page: Page) -> bool:
    href = page.locator("[data-live-list=finished] a").first.get_attribute("href")
    return page.request.get(href or "").status == 200


def test_a_paused_page_stands_still_and_says_what_it_misses(live: Page, site: Site) -> None:
    live.get_by_role("button", name="Pause").click()
    expect(live.locator("[data-live-state]")).to_contain_text("paused")
    before = live.locator("[data-live-list=finished]").inner_text()
    site.gateway.client.messages()
    expect(live.locator("[data-live-state]")).to_have_text("paused, 1 ended meanwhile")
    assert live.locator("[data-live-list=finished]").inner_text() == before
    live.get_by_role("button", name="Go on").click()
    expect(live.locator("[data-live-state]")).to_have_text("live")
    assert live.locator("[data-live-list=finished]").inner_text() != before


@contextmanager
def own_window(browser: Browser, site: Site) -> Iterator[Page]:
    """A page that shares neither clock nor login with the others. Its complaints fail the test."""
    with browser.new_context(base_url=site.url, storage_state=site.login) as context:
        page = context.new_page()
        complaints = site.listen(page)
        yield page
    assert complaints == []


@dataclass(frozen=True, slots=True)
class Line:
    """A live page, its clock, and the sockets that it opens in the hands of the test."""

    page: Page
    sockets: list[WebSocketRoute]

    @property
    def state(self) -> Locator:
        return self.page.locator("[data-live-state]")

    def stop_clock(self) -> None:
        """Stop it, not long from now: what the page would do later it does when it is told."""
        self.page.clock.pause_at(self.page.evaluate("Date.now() / 1000") + 60)

    def forward(self, seconds: int) -> None:
        """Return when the page has done all that was due in that time."""
        self.page.clock.run_for(seconds * 1000)


@pytest.fixture
def line(browser: Browser, site: Site) -> Iterator[Line]:
    with own_window(browser, site) as page:
        line = Line(page, [])

        def handle(socket: WebSocketRoute) -> None:
            line.sockets.append(socket)
            socket.connect_to_server()

        page.route_web_socket(SOCKET, handle)
        page.clock.install()
        page.goto(LIVE)
        expect(line.state).to_have_text("live")
        line.stop_clock()
        yield line


def test_a_lost_connection_is_seen_and_comes_back(line: Line) -> None:
    line.sockets[0].close(code=1012, reason="restart")
    expect(line.state).to_contain_text("disconnected, trying again in")
    expect(line.page.locator("[data-live].stale")).to_have_count(1)
    assert len(line.sockets) == 1
    line.forward(2)
    expect(line.state).to_have_text("live")
    assert len(line.sockets) == 2


def test_who_may_not_watch_any_more_is_told_and_left_alone(line: Line) -> None:
    line.sockets[0].close(code=4403)
    expect(line.state).to_have_text("you may not watch any more: log in again")
    line.forward(60)
    expect(line.state).to_have_text("you may not watch any more: log in again")
    assert len(line.sockets) == 1


def test_the_overview_is_live_too(browser: Browser, start_gateway: Start) -> None:
    """Of a gateway that nobody has asked yet: there is nothing that five minutes could end."""
    gateway = start_gateway("serve")
    with own_window(browser, Site(gateway, log_in(browser, gateway))) as page:
        page.goto("/dashboard/")
        expect(page.locator("[data-live] [data-live-state]")).to_have_text("live")
        total = page.locator("[data-live] [data-live-total=requests]")
        expect(total).to_have_text("0")
        gateway.client.messages()
        expect(total).to_have_text("1")


def test_the_numbers_of_the_chart_are_a_click_away(live: Page, site: Site) -> None:
    site.gateway.client.messages()
    live.get_by_text("The same as a table").click()
    expect(live.locator("[data-live-table] tr").first).to_be_visible()


# --- key holders ----------------------------------------------------------------------------------


def test_a_key_opens_its_page_for_whoever_pastes_it(page: Page, site: Site) -> None:
    """Without a login, and the reports stay closed."""
    key = site.gateway.manage("issue_key", "a holder", "--budget-usd", "5", "--rpm", "30").strip()
    page.context.clear_cookies()
    page.goto(MY)
    assert faults(page) == {}
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Show my usage").click()
    expect(page.locator("h1")).to_have_text("a holder")
    expect(page.locator(".number-card", has_text="Left this month")).to_contain_text("$5.00")
    assert key not in page.content() and key not in page.url
    assert faults(page) == {}
    page.locator(".offers a", has_text="test/beta").click()
    expect(page.locator(".client-settings pre").first).to_contain_text("ANTHROPIC_MODEL=test/beta")
    page.goto("/dashboard/")
    expect(page).to_have_url(re.compile("/admin/login/"))
    page.goto(MY)
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("API key")).to_be_visible()
