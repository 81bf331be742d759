"""The start page of the admin: is it well, and what needs attention. ui: the answer first."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from bridge.attempts import ANSWERED, SERVER_ERROR, AttemptRecord
from bridge.ledger import writer
from bridge.ledger.record import Record
from bridge.models import Backend, BreakerState, DiscoveredModel, ModelAlias, ToolNameMap
from tests.bridge.admin_pages import START, of, page, text
from tests.bridge.people import browser
from tests.bridge.rows import a_row, an_alias, spoil

pytestmark = pytest.mark.django_db

CARD = f"{reverse('dashboard:backends')}#main"


@pytest.fixture
def client() -> Client:
    return browser("operator")


@pytest.fixture
def main() -> Backend:
    """A backend that is well."""
    row = a_row()
    DiscoveredModel.objects.create(backend=row, name="m")
    return row


def concerns(client: Client) -> list[tuple[str, str, bool]]:
    """(text, page, whether it is grave) of each."""
    found = client.get(START).context["concerns"]
    return [(concern.text, concern.href, concern.is_grave) for concern in found]


def verdict(client: Client) -> str:
    words: str = client.get(START).context["verdict"][1]
    return words


def fails(row: Backend, failures: int, opened: int | None = None) -> None:
    """Its breaker's state; `opened` so many seconds ago."""
    moment = None if opened is None else timezone.now() - timedelta(seconds=opened)
    BreakerState.objects.update_or_create(
        backend=row,
        defaults={"failures": failures, "opened_at": moment, "last_error": "502 from it"},
    )


def test_nothing_needs_attention_where_all_is_well(client: Client, main: Backend) -> None:
    an_alias("claude-*", (main, "m"))
    shown = text(client.get(START))
    assert (concerns(client), verdict(client)) == ([], "Serving")
    assert "1 model listed, 1 alias, version" in shown
    assert "Nothing. Open breakers" in shown


def test_without_a_backend_it_is_the_demo(client: Client) -> None:
    shown = text(client.get(START))
    assert verdict(client) == "Serving the built-in demo"
    assert of("backend", "add") in shown


def test_failures_of_a_backend_are_told_before_it_opens(client: Client, main: Backend) -> None:
    fails(main, 3)
    told = "Backend main failed 3 times in a row: 502 from it"
    assert concerns(client) == [(told, CARD, False)]
    assert verdict(client) == "Serving"


@pytest.mark.parametrize(
    ("opened", "word", "grave"), [(1, "open", True), (3600, "half-open", False)]
)
def test_open_breaker_is_told(
    client: Client, main: Backend, opened: int, word: str, grave: bool
) -> None:
    other = a_row("other")
    DiscoveredModel.objects.create(backend=other, name="m")
    fails(main, 5, opened)
    told = f"Backend main has its breaker {word}: 502 from it"
    assert concerns(client) == [(told, CARD, grave)]
    assert verdict(client) == "Degraded"


def test_nothing_is_served_where_every_breaker_is_open(client: Client, main: Backend) -> None:
    fails(main, 5, 1)
    assert verdict(client) == "Not serving"


def test_forced_breakers_are_not_forgotten(client: Client, main: Backend) -> None:
    """Ours: what was forced open in a bad night is still open in the morning."""
    main.breaker_mode = "open"
    main.save()
    assert concerns(client)[0] == ("Backend main has its breaker forced open", CARD, True)


def test_what_is_switched_off_is_nobodys_concern(client: Client, main: Backend) -> None:
    off = a_row("off", enabled=False, credential="env:UNSET", breaker_mode="open")
    fails(off, 9, 1)
    assert concerns(client) == []


def test_missing_variable_is_told(client: Client, main: Backend, settings: Any) -> None:
    main.credential = "env:MY_KEY"
    main.save()
    told = "Backend main wants its key from MY_KEY, which is not set: callers' keys are sent"
    assert concerns(client) == [(told, page(main), False)]
    settings.BACKEND_SECRET = lambda name: "there" if name == "MY_KEY" else ""
    assert concerns(client) == []


def test_backend_that_told_no_models_is_told(client: Client) -> None:
    a_row()
    assert concerns(client) == [("Backend main has not listed its models yet", CARD, False)]


def test_key_that_cannot_be_read_is_told_once(client: Client, main: Backend) -> None:
    spoil(main, credential="sealed:nonsense")
    found = concerns(client)
    assert len(found) == 1
    assert found[0][0].startswith("Backend main: its stored API key cannot be read")
    assert found[0][1:] == (page(main), True)


def test_alias_that_leads_to_nothing_is_told(client: Client, main: Backend) -> None:
    off = a_row("off", enabled=False)
    resting = an_alias("resting", (off, "m"))
    an_alias("half", (off, "m"), (main, "m"))
    an_alias("switched-off", (off, "m"), enabled=False)
    empty = an_alias("empty")
    assert concerns(client) == [
        ("Alias empty: it has no target", page(empty), True),
        ("Alias resting leads to backends that are switched off", page(resting), True),
    ]
    assert verdict(client) == "Serving, with trouble"


def test_target_that_its_backend_does_not_list_is_told(client: Client, main: Backend) -> None:
    """A slip in a name: requests fail there, and nothing else says so."""
    unread = a_row("unread")
    DiscoveredModel.objects.create(backend=unread, name="old", listed=False)
    alias = an_alias("typo", (main, "M-46"), (main, "m"))
    an_alias("unknown-list", (unread, "any"))
    told = "Alias typo leads to M-46, which is not in the list of main"
    assert (told, page(alias), False) in concerns(client)
    assert not any("unknown-list" in text for text, _, _ in concerns(client))
    alias.targets.filter(model="M-46").update(model="m")
    assert not any("typo" in text for text, _, _ in concerns(client))


def test_backend_whose_attempts_fail_is_told_although_another_one_answers(
    client: Client, main: Backend
) -> None:
    failed = [AttemptRecord("main", "m", SERVER_ERROR, 500, fell_back=True)]
    answered = AttemptRecord("other", "m", ANSWERED, 200)
    told = {"status": 200, "backend": "other", "attempts": 2}
    records = [
        Record(f"req_{n}", attempt_list=[*failed, answered], **told)  # type: ignore[arg-type]
        for n in range(65)
    ]
    writer.enter(records[:19])
    assert concerns(client) == []
    writer.enter(records)
    ((text_told, href, grave),) = concerns(client)
    assert text_told.startswith("65 of 65 attempts at backend main failed since ")
    assert (href, grave) == (CARD, True)
    shown = text(client.get(START))
    assert "24 h: 65 attempts, 65 failed (100.0 %)" in shown
    panel = text(client.get(page(main)))
    assert "65, of them failed 65 (100.0 %)" in panel


def test_broken_row_of_every_kind_has_its_page(client: Client, main: Backend) -> None:
    """Ours: a slip in the database is shown, with the way to it."""
    model = DiscoveredModel.objects.get()
    alias = an_alias("fast", (main, "m"))
    tool = ToolNameMap.objects.create(backend_name="run", client_name="Bash")
    spoil(model, probed=7)
    spoil(alias, temperature=99)
    spoil(tool, client_name="")
    found = {href: told for told, href, grave in concerns(client) if grave}
    assert found.keys() == {page(model), page(alias), page(tool)}
    assert found[page(alias)].startswith("Alias fast: temperature: ")
    assert found[page(model)].startswith("Model m: ")
    assert found[page(tool)].startswith("Tool name run -> : ")


def test_latest_changes_are_told_with_who(client: Client, main: Backend) -> None:
    shown = text(client.get(START))
    assert "main added</a>" in shown and "by shell" in shown


def test_auditor_gets_the_changes_and_the_reports(main: Backend) -> None:
    answer = browser("auditor").get(START)
    shown = text(answer)
    assert "main added</a>" in shown and "Reports</a>" in shown
    assert "verdict" not in answer.context
    assert of("modelalias", "add") not in shown and of("backend", "change", main.pk) not in shown


def test_ways_are_those_that_the_user_may_go(client: Client, main: Backend) -> None:
    ModelAlias.objects.all().delete()
    shown = text(client.get(START))
    for address in (
        of("modelalias", "add"),
        of("apikey", "add"),
        "/admin/bridge/modelalias/route/",
    ):
        assert f'href="{address}"' in shown


@pytest.mark.parametrize(
    ("allowed", "name", "warned"),
    [
        (["*"], "claude.example.org", True),
        (["*"], "203.0.113.9", False),
        (["*"], "8.8.8.8", True),
        (["*"], "10.0.0.4", False),
        (["*"], "localhost", False),
        (["*"], "gateway.internal", False),
        (["claude.example.org"], "claude.example.org", False),
    ],
)
def test_any_name_behind_a_public_address_needs_attention(
    client: Client, main: Backend, settings: Any, allowed: list[str], name: str, warned: bool
) -> None:
    """203.0.113.0/24 is set aside for documentation, so nobody reaches it."""
    settings.ALLOWED_HOSTS = allowed
    found = client.get(START, headers={"host": name}).context["concerns"]
    assert any("ALLOWED_HOSTS" in concern.text for concern in found) == warned
