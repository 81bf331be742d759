"""Where a name leads, and how clients are set up for it: two pages of the admin. Ours."""

from __future__ import annotations

import pytest
from django.test import Client

from bridge.models import Backend, DiscoveredModel
from tests.bridge.admin_pages import page, text
from tests.bridge.people import browser
from tests.bridge.rows import a_row, an_alias

pytestmark = pytest.mark.django_db

ROUTE, CLIENT = "/admin/bridge/modelalias/route/", "/admin/bridge/modelalias/client/"


@pytest.fixture
def client() -> Client:
    return browser("operator")


@pytest.fixture
def main() -> Backend:
    row = a_row()
    DiscoveredModel.objects.create(backend=row, name="vendor/big", context=202752)
    DiscoveredModel.objects.create(backend=row, name="vendor/small")
    return row


def steps(client: Client, name: str, session: str = "") -> list[str]:
    answer = client.get(ROUTE, {"model": name, "session": session})
    return list(answer.context["decision"].steps)


def test_alias_is_explained_step_by_step(client: Client, main: Backend) -> None:
    """the issue: where does a name lead, and why."""
    spare = a_row("spare", position=1)
    alias = an_alias("claude-*", (main, "vendor/big"), temperature=0.2)
    alias.targets.create(backend=spare, model="other", position=1)
    assert steps(client, "claude-opus-9[1m]") == [
        "alias claude-* fits",
        "it sets temperature",
        "goes to main: vendor/big, then spare: other",
    ]
    answer = client.get(ROUTE, {"model": "claude-x"})
    shown = text(answer)
    assert '<p class="gw-answer">main: vendor/big</p>' in shown
    assert "202\u202f752" in shown and "The alias sets: temperature 0.2." in shown
    assert page(alias) in shown and page(main) in shown and page(spare) in shown


def test_state_of_each_target_is_told(client: Client, main: Backend) -> None:
    main.breaker_mode = "open"
    main.save()
    an_alias("fast", (main, "vendor/big"))
    (stop,) = client.get(ROUTE, {"model": "fast"}).context["decision"].stops
    assert (stop.status.word, stop.status.tone) == ("Forced open", "bad")


def test_case_is_repaired_and_told(client: Client, main: Backend) -> None:
    assert steps(client, "VENDOR/Big") == [
        "listed, but for upper and lower case",
        "goes to main: vendor/big",
    ]


def test_unknown_name_shows_what_the_client_reads(client: Client, main: Backend) -> None:
    shown = text(client.get(ROUTE, {"model": "vendor/bag"}))
    assert "Leads nowhere" in shown
    assert "model: vendor/bag\nAvailable models: vendor/big, vendor/small" in shown


def test_conversation_decides_among_equals(client: Client, main: Backend) -> None:
    """design: a conversation keeps its target."""
    alias = an_alias("fast", (main, "vendor/big"))
    alias.targets.create(backend=main, model="vendor/small")
    told = {steps(client, "fast", f"session-{number}")[-1] for number in range(20)}
    assert told == {
        "goes to main: vendor/big, then main: vendor/small",
        "goes to main: vendor/small, then main: vendor/big",
    }
    assert steps(client, "fast", "one") == steps(client, "fast", "one")


def test_demo_is_a_target_like_any_other(client: Client) -> None:
    shown = text(client.get(ROUTE, {"model": "claude-sonnet-5"}))
    assert "demo: demo/echo" in shown


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", '"><img src=x>'])
def test_what_was_asked_is_shown_as_text(client: Client, main: Backend, name: str) -> None:
    """OWASP: no markup from the address."""
    for address in (ROUTE, CLIENT):
        shown = text(client.get(address, {"model": name, "session": name, "small": name}))
        assert "<script>alert" not in shown and "<img src=x" not in shown


def test_name_may_have_every_character(client: Client, main: Backend) -> None:
    """Ours: links between the pages keep it whole."""
    name = "vendor/a b&c?d=e#f%2F"
    DiscoveredModel.objects.create(backend=main, name=name)
    shown = text(client.get(ROUTE, {"model": name}))
    assert "?model=vendor%2Fa%20b%26c%3Fd%3De%23f%252F" in shown


def test_names_are_suggested(client: Client, main: Backend) -> None:
    an_alias("fast", (main, "vendor/big"))
    for address in (ROUTE, CLIENT):
        shown = text(client.get(address))
        assert '<option value="fast">' in shown and '<option value="vendor/small">' in shown


def test_client_settings_are_for_the_name_that_was_asked(client: Client, main: Backend) -> None:
    an_alias("claude-*", (main, "vendor/big"))
    shown = text(client.get(CLIENT, {"model": "claude-x", "small": "vendor/small"}))
    assert "ANTHROPIC_BASE_URL=http://testserver" in shown
    assert "ANTHROPIC_MODEL=claude-x" in shown and "202752" in shown
    assert "ANTHROPIC_DEFAULT_HAIKU_MODEL=vendor/small" in shown


def test_unknown_name_has_no_client_settings(client: Client, main: Backend) -> None:
    shown = text(client.get(CLIENT, {"model": "nobody"}))
    assert "model: nobody" in shown and "ANTHROPIC_BASE_URL" not in shown


def test_pages_of_names_are_not_for_auditors(main: Backend) -> None:
    for address in (ROUTE, CLIENT):
        assert browser("auditor", f"a{len(address)}").get(address).status_code == 403
