"""Real Claude Code that is signed in: managed settings arrive, and budgets are shown. Optional."""

import json
from pathlib import Path

import pytest

from tests.conftest import Start
from tests.e2e.claude_code import (
    MODEL,
    ClaudeCode,
    fragments,
    last_words,
    needs_claude_code,
    settle,
    turn,
)
from tests.e2e.signed_in import sign_in
from tests.e2e.terminal import open_terminal
from tests.e2e.test_budgets import PRICES
from tests.fakes import books
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import finish, role, text, usage
from tests.fakes.collector import collecting
from tests.fakes.gateway import Gateway

pytestmark = needs_claude_code

ADVICE = "Ask Ann in room 7"
APPROVE = "Managed settings require approval"
MAKE = """
import json, sys
from django.db import transaction
from django.utils import timezone
from bridge.models import ApiKey, Team, UsageHour
wanted = json.load(sys.stdin)
hour = timezone.now().replace(minute=0, second=0, microsecond=0)
with transaction.atomic():
    team = Team.objects.create(name=wanted["name"], client_settings=wanted["settings"])
    key, secret = ApiKey.issue(wanted["name"], {"team": team} | wanted["key"])
    UsageHour.objects.create(key_id=key.pk, hour=hour, cost_nano_usd=wanted["cents"] * 10**7)
print(secret)
"""


@pytest.fixture(scope="module")
def served(launch_gateway: Start) -> Gateway:
    gateway = launch_gateway("serve", BUDGET_ADVICE=ADVICE)
    gateway.configure(prices=PRICES)
    return gateway


def key_of(gateway: Gateway, name: str, settings: object, spent: int = 0, **key: object) -> str:
    """A key of a team with these settings, which has `spent` so many cents this hour."""
    wanted = json.dumps({"name": name, "settings": settings, "cents": spent, "key": key})
    made = gateway.manage("shell", "-v0", "-c", MAKE, said=wanted).strip()
    client = gateway.with_key(made)
    books.until(lambda: client.get("/v1/models").status, lambda status: status == 200, gateway)
    return made


@pytest.fixture
def client(served: Gateway, backend: FakeBackend, tmp_path: Path) -> ClaudeCode:
    return settle(served, tmp_path)


def test_managed_settings_arrive(client: ClaudeCode, backend: FakeBackend) -> None:
    """The model, its window, a team's variable, and hint headers on each request."""
    gateway = client.gateway
    key = key_of(gateway, "managed", {"model": MODEL, "env": {"FROM_TEAM": "yes"}})
    show = 'echo "$CLAUDE_CODE_MAX_CONTEXT_TOKENS/$FROM_TEAM"'
    bash = {"command": show, "description": "Show"}
    backend.on(MODEL).stream(*turn(fragments(0, "call_1", "Bash", bash)))
    backend.on(MODEL).stream(*last_words("Gladly."))
    session = client.run("Hello.", model="", **sign_in(client, key))
    session.check_smooth_end("Gladly.")
    assert [call.model for call in backend.calls] == [MODEL, MODEL]
    assert "131072/yes" in json.dumps(backend.calls[-1].body["messages"])
    rows = books.until(lambda: books.rows(gateway), lambda seen: len(seen) >= 2, gateway)
    assert {row["request_class"] for row in rows if row["key"] == "managed"} == {"main"}


def test_budget_is_shown_in_the_terminal(client: ClaudeCode, backend: FakeBackend) -> None:
    """The client's own notice at 76 %, and dollars in /usage, at the ledger's prices."""
    key = key_of(client.gateway, "notice", {"model": ALPHA}, 76, budget_usd="1", period="month")
    backend.on(ALPHA).stream(role(), text("Here."), finish("stop"), usage(0, 100))
    with open_terminal(client, model="", **sign_in(client, key)) as terminal:
        terminal.confirm(APPROVE)
        terminal.ask("Hello.")
        terminal.wait_for("● Here.")
        terminal.wait_for("You've used 76% of your usage credits")
        terminal.ask("/usage")
        terminal.wait_for("$0.76 / $1.00 spent this month")
        terminal.wait_for("at your organization's configured rates")


def test_wall_shows_our_sentence(client: ClaudeCode, backend: FakeBackend) -> None:
    """When the next period begins, and what to do."""
    key = key_of(client.gateway, "wall", {"model": ALPHA}, 100, budget_usd="1", period="month")
    with open_terminal(client, model="", **sign_in(client, key)) as terminal:
        terminal.confirm(APPROVE)
        terminal.ask("Hello.")
        terminal.wait_for("Budget of 1.00 USD a month is used up, the next one begins at 2")
        terminal.wait_for(ADVICE)
    assert backend.calls == []


def test_its_telemetry_comes_to_the_collector(
    start_gateway: Start, backend: FakeBackend, tmp_path: Path
) -> None:
    """Switched on by managed settings, sent here, forwarded without the key."""
    with collecting() as collector:
        gateway = start_gateway("serve", OTLP_FORWARD_URL=collector.url)
        client = settle(gateway, tmp_path)
        key = key_of(gateway, "telemetry", {"model": ALPHA})
        backend.on(ALPHA).stream(*last_words("Gladly."))
        client.run("Hello.", model="", **sign_in(client, key)).check_good_end("Gladly.")
        books.until(lambda: collector.received, bool, gateway)
        gateway.stop()
    assert {each.path for each in collector.received} == {"/v1/metrics"}
    assert any(b"claude_code.token.usage" in each.body for each in collector.received)
    assert key not in str(collector.received)
