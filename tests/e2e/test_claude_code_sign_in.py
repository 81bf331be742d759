"""Real Claude Code signs in: `/login`, the code in a browser, a turn, the end of it. Optional."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import browser as chromium
from tests.conftest import Start
from tests.e2e.claude_code import MODEL, ClaudeCode, last_words, needs_claude_code, settle
from tests.e2e.signing_in import PASSWORD, log_in, make_people, signed_in, wait_dead
from tests.e2e.terminal import Terminal, open_terminal
from tests.fakes.backend import FakeBackend
from tests.fakes.gateway import Gateway

pytestmark = needs_claude_code

NOTICE = "For work of the company alone."
CODE = re.compile(r"\b[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}\b")
NOBODY_YET = {"ANTHROPIC_BASE_URL": "", "ANTHROPIC_AUTH_TOKEN": "", "BROWSER": "/bin/true"}
"""Variables of a client that knows neither a gateway nor a key, and opens no browser."""
DEACTIVATED = """
from django.contrib.auth.models import User
ann = User.objects.get(username="ann")
ann.is_active = False
ann.save()
"""

browser = pytest.fixture(scope="module")(chromium.__wrapped__)  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def started(launch_gateway: Start) -> Gateway:
    gateway = launch_gateway("serve", LOGIN_NOTICE=NOTICE, MANAGED_SETTINGS="0")
    make_people(gateway, "ann", ann="ann@example.com")
    return gateway


@pytest.fixture
def terminal(started: Gateway, backend: FakeBackend, tmp_path: Path) -> Iterator[Terminal]:
    """A client whose settings name the gateway to log in at."""
    client = settle(started, tmp_path)
    _choose_gateway(client)
    with open_terminal(client, **NOBODY_YET) as terminal:
        yield terminal


def _choose_gateway(client: ClaudeCode) -> None:
    settings = client.home / "settings"
    settings.mkdir()
    login = {"forceLoginMethod": "gateway", "forceLoginGatewayUrl": client.gateway.url}
    (settings / "settings.json").write_text(json.dumps(login))


def approve(browser: Browser, gateway: Gateway, code: str) -> None:
    """What a person does in the browser that the client opens."""
    page = browser.new_page(base_url=gateway.url)
    page.goto(f"/device/?user_code={code}")
    page.fill("[name=username]", "ann")
    page.fill("[name=password]", PASSWORD)
    page.click("[type=submit]")
    page.get_by_text("claude-code/").wait_for()
    assert page.locator("p.code").inner_text() == code
    page.get_by_role("button", name="Approve").click()
    page.get_by_role("heading", name="Approved").wait_for()
    page.close()


def test_person_signs_in_works_and_is_signed_out(
    started: Gateway, backend: FakeBackend, browser: Browser, terminal: Terminal
) -> None:
    """the issue: log in, a turn, deactivated, and the next turn asks to log in."""
    terminal.ask("/login")
    terminal.wait_for(f"Gateway: {started.url}")
    terminal.confirm("Enter to connect")
    terminal.wait_for("Yes, trust this gateway")
    terminal.choose("Yes, trust this gateway")
    terminal.wait_for(NOTICE)
    shown = CODE.search(terminal.screen.text)
    assert shown is not None
    approve(browser, started, shown[0])
    terminal.wait_for("ann@example.com")
    terminal.choose("Yes, continue")
    terminal.wait_for("Connected to Cloud gateway")
    terminal.confirm("Press Enter to continue")
    backend.on(MODEL).answer(*last_words("Signed in, it works."))
    terminal.ask("Hello there")
    terminal.wait_for("Signed in, it works.")
    _, other = signed_in(started, log_in(started, "ann"))
    started.manage("shell", "-v0", "-c", DEACTIVATED)
    wait_dead(started, other["access_token"])
    terminal.ask("Hello again")
    terminal.wait_for("Please run /login")
