"""Taking changes back in the admin: rows that were added, changed and deleted, and their parts.

the issue: every change can be taken back with one button.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from bridge.keys.encryption import unseal
from bridge.models import (
    AliasTarget,
    ApiKey,
    Backend,
    Change,
    ConfigRow,
    DiscoveredModel,
    ModelAlias,
    Origin,
    Price,
    ToolNameMap,
)
from bridge.models.changes import recorded
from tests.bridge.admin_pages import CHANGES, form, of, page, revert, said, text, wrong
from tests.bridge.history import forget, only
from tests.bridge.people import browser
from tests.bridge.rows import URL, a_row, an_alias

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    return browser("operator")


def newest() -> Change:
    change = Change.objects.first()
    assert change is not None
    return change


def make_all() -> list[ConfigRow]:
    """One row of each kind that is made by hand."""
    main = a_row()
    with recorded("test"):
        alias = an_alias("fast", (main, "m"))
    tool = ToolNameMap.objects.create(backend_name="run", client_name="Bash")
    price = Price.objects.create(model="m", input_per_mtok="0.5", output_per_mtok="1.75")
    return [alias, tool, price, ApiKey.issue("team")[0]]


# --- added, changed, deleted -------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["modelalias", "toolnamemap", "price", "apikey"])
def test_row_that_was_added_is_gone_again(client: Client, kind: str) -> None:
    row = next(row for row in make_all() if row._meta.model_name == kind)
    change = Change.objects.get(kind=row.KIND)
    answer = revert(client, change)
    assert said(answer) == [f"{change.label} is gone again."]
    assert not type(row)._default_manager.filter(pk=row.pk).exists()
    assert (newest().verb, newest().actor) == ("deleted", "operator")


@pytest.mark.parametrize("kind", ["modelalias", "toolnamemap", "price"])
def test_row_that_was_deleted_is_back_as_it_was(client: Client, kind: str) -> None:
    """Ours: with its number, so that links to it and its history hold."""
    row = next(row for row in make_all() if row._meta.model_name == kind)
    row.refresh_from_db()
    document, number = row.document(), row.pk
    client.post(page(row, "delete"), {"post": "yes"})
    assert (newest().verb, newest().actor) == ("deleted", "operator")
    told = said(revert(client, newest()))
    assert told[-1] == f"{newest().label} is again as it was before."
    back = type(row)._default_manager.get(pk=number)
    assert back.document() == document


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("modelalias", "temperature", 0.5),
        ("toolnamemap", "client_name", "Shell"),
        ("price", "output_per_mtok", "9"),
        ("apikey", "rpm", 60),
    ],
)
def test_row_that_was_changed_is_as_before(
    client: Client, kind: str, field: str, value: Any
) -> None:
    row = next(row for row in make_all() if row._meta.model_name == kind)
    row.refresh_from_db()
    document = row.document()
    client.post(page(row), form(client, page(row)) | {field: value})
    assert [name for name, *_ in newest().differences()] == [field]
    revert(client, newest())
    assert type(row)._default_manager.get(pk=row.pk).document() == document


def test_override_of_a_model_is_taken_back_and_the_model_stays(client: Client) -> None:
    model = DiscoveredModel.objects.create(backend=a_row(), name="m", context=8192)
    client.post(page(model), form(client, page(model)) | {"context_override": 4096})
    assert (newest().kind, newest().verb) == ("models", "added")
    revert(client, newest())
    model.refresh_from_db()
    assert (model.context, model.context_override) == (8192, None)


def test_reverting_is_a_change_that_can_be_reverted(client: Client) -> None:
    row = a_row()
    row.weight = 7
    row.save()
    revert(client, newest())
    revert(client, newest())
    row.refresh_from_db()
    assert row.weight == 7
    assert [change.verb for change in Change.objects.all()] == ["changed"] * 3 + ["added"]


# --- targets -----------------------------------------------------------------------------------


@pytest.fixture
def alias() -> ModelAlias:
    """Three targets: weights, positions, two backends."""
    main, spare = a_row(), a_row("spare")
    with recorded("test"):
        made = an_alias("fast", thinking="low")
        for backend, model, weight, position in (
            (main, "big", 3, 0),
            (main, "other", 1, 0),
            (spare, "small", 1, 1),
        ):
            AliasTarget.objects.create(
                alias=made, backend=backend, model=model, weight=weight, position=position
            )
    return made


def test_deleted_alias_comes_back_with_its_targets(client: Client, alias: ModelAlias) -> None:
    document = alias.document()
    client.post(page(alias, "delete"), {"post": "yes"})
    revert(client, newest())
    assert ModelAlias.objects.get(pattern="fast").document() == document
    assert len(document["targets"]) == 3


def test_changed_targets_come_back(client: Client, alias: ModelAlias) -> None:
    document = alias.document()
    with recorded("test"):
        alias.targets.filter(model="other").delete()
        alias.targets.filter(model="big").update(weight=1)
    revert(client, newest())
    assert ModelAlias.objects.get(pattern="fast").document() == document


def test_deleted_backend_and_what_went_with_it_come_back(client: Client, alias: ModelAlias) -> None:
    """Ours: a cascade leaves one entry for each alias and model that lost something."""
    spare = Backend.objects.get(name="spare")
    spare.credential = "cpk_stored_key"
    spare.save()
    DiscoveredModel.objects.create(backend=spare, name="small", context_override=4096)
    DiscoveredModel.objects.create(backend=spare, name="untouched", context=4096)
    before = alias.document()
    forget()
    client.post(page(spare, "delete"), {"post": "yes"})
    told = {(change.kind, change.label, change.verb) for change in Change.objects.all()}
    assert told == {
        ("backends", "spare", "deleted"),
        ("aliases", "fast", "changed"),
        ("models", "spare small", "deleted"),
    }
    entries = {change.kind: change for change in Change.objects.all()}
    for kind in ("backends", "aliases", "models"):
        revert(client, entries[kind])
    back = Backend.objects.get(name="spare")
    assert (back.pk, unseal(back.credential, back.server)) == (spare.pk, "cpk_stored_key")
    assert ModelAlias.objects.get(pattern="fast").document() == before
    model = DiscoveredModel.objects.get()
    assert (model.name, model.context_override, model.listed) == ("small", 4096, False)


def test_what_needs_another_row_first_says_so(client: Client, alias: ModelAlias) -> None:
    client.post(page(Backend.objects.get(name="spare"), "delete"), {"post": "yes"})
    change = Change.objects.get(kind="aliases", actor="operator")
    answer = revert(client, change)
    assert said(answer)[-1] == "Not reverted: targets[2]: no backend is called spare"
    assert [target.model for target in alias.targets.all()] == ["big", "other"]
    assert Change.objects.filter(actor="operator").count() == 2


# --- when something has happened since ----------------------------------------------------------


def test_earlier_change_takes_the_later_ones_with_it_and_says_so(client: Client) -> None:
    row = a_row()
    for weight in (2, 3, 4):
        row.weight = weight
        row.save()
    second = Change.objects.order_by("pk")[2]
    assert second.differences() == [("weight", 2, 3)]
    shown = text(client.get(reverse("admin:bridge_change_revert", args=[second.pk])))
    assert "With it goes 1 later change of the same row" in shown
    row.refresh_from_db()
    assert row.weight == 4, "a page that is read changes nothing"
    assert said(revert(client, second)) == ["main is again as it was before."]
    row.refresh_from_db()
    assert row.weight == 2


def test_change_of_a_row_that_is_gone_brings_it_back(client: Client) -> None:
    """Ours: as it was before that change."""
    row = a_row()
    row.weight = 2
    row.save()
    changed = newest()
    row.delete()
    revert(client, changed)
    assert Backend.objects.get(name="main").weight == 1


def test_addition_of_a_row_that_is_gone_changes_nothing(client: Client) -> None:
    price = Price.objects.create(model="m", input_per_mtok=1, output_per_mtok=1)
    added = newest()
    price.delete()
    count = Change.objects.count()
    revert(client, added)
    assert Change.objects.count() == count


def test_deletion_is_reverted_into_the_row_that_took_its_name(client: Client) -> None:
    row = a_row(weight=5)
    row.delete()
    deleted = newest()
    a_row(weight=9)
    revert(client, deleted)
    assert Backend.objects.get(name="main").weight == 5


def test_name_that_another_row_has_meanwhile_is_named(client: Client) -> None:
    first = ToolNameMap.objects.create(backend_name="run", client_name="Bash")
    first.backend_name = "walk"
    first.save()
    renamed = newest()
    ToolNameMap.objects.create(backend_name="run", client_name="Other")
    (answer,) = said(revert(client, renamed))
    assert answer.startswith("Not reverted: ") and "already exists" in answer
    first.refresh_from_db()
    assert first.backend_name == "walk"


def test_row_that_the_environment_has_now_is_left_alone(client: Client) -> None:
    """Ours: the next start would undo the undoing."""
    alias = an_alias("fast", (a_row(), "m"))
    alias.thinking = "low"
    alias.save()
    change = newest()
    ModelAlias.objects.update(origin=Origin.ENVIRONMENT)
    (answer,) = said(revert(client, change))
    assert answer.startswith("Not reverted: fast comes from the environment")
    alias.refresh_from_db()
    assert alias.thinking == "low"
    for address in (page(alias, "history"), f"{CHANGES}{change.pk}/change/"):
        assert "Revert" not in text(client.get(address))


# --- the pages ---------------------------------------------------------------------------------


def test_history_of_a_row_tells_who_what_and_from_what_to_what(client: Client) -> None:
    row = a_row()
    client.post(page(row), form(client, page(row)) | {"weight": 4})
    shown = text(client.get(page(row, "history")))
    assert "changed by operator" in shown and "added by shell" in shown
    for cell in ('<th scope="row">weight</th>', 'data-label="After">4<', URL):
        assert cell in shown


@pytest.mark.parametrize("field", ["before", "after"])
def test_stored_key_is_told_as_such(client: Client, field: str) -> None:
    """Ours: neither the key nor what it was sealed to, in a page of one change and of all."""
    row = a_row(credential="cpk_very_secret")
    sealed = row.credential
    row.credential = ""
    row.save()
    change = Change.objects.get(**{f"{field}__api_key": sealed})
    for address in (page(row, "history"), f"{CHANGES}{change.pk}/change/", CHANGES):
        shown = text(client.get(address))
        assert "cpk_very_secret" not in shown and sealed not in shown
    assert "a stored key" in text(client.get(f"{CHANGES}{change.pk}/change/"))


def test_history_of_a_deleted_row_can_still_be_read(client: Client) -> None:
    row = a_row()
    number, address = row.pk, page(row, "history")
    row.delete()
    shown = text(client.get(address))
    assert "backend main: history" in shown.lower()
    assert shown.count('class="gw-panel gw-change"') == 2
    answer = revert(client, newest(), address)
    assert answer.redirect_chain == [(address, 302)]
    assert Backend.objects.get().pk == number


@pytest.mark.parametrize("number", ["99", "abc", "1_2"])
def test_history_of_what_never_was_is_not_found(client: Client, number: str) -> None:
    assert client.get(f"/admin/bridge/backend/{number}/history/").status_code == 404


def test_page_of_a_change_leads_to_all_changes_of_the_row(client: Client) -> None:
    row = a_row()
    shown = text(client.get(f"{CHANGES}{only().pk}/change/"))
    assert page(row, "history") in shown and "backend main added" in shown.lower()


def test_changes_are_listed_with_fields_and_can_be_sought(client: Client) -> None:
    row = a_row()
    row.weight, row.position, row.enabled, row.idle_seconds = 2, 3, False, 9
    row.save()
    Price.objects.create(model="m", input_per_mtok=1, output_per_mtok=1)
    shown = text(client.get(CHANGES))
    assert "idle_seconds, position, weight and 1 more" in shown
    for query in ("?q=main", "?kind=backends", "?actor=shell&q=main"):
        assert client.get(CHANGES + query).context["cl"].result_count == 2, query
    assert "tool names" not in shown


@pytest.mark.parametrize(
    "then", ["https://evil.example.com/", "//evil.example.com", "javascript:alert(1)", ""]
)
def test_button_leads_to_pages_of_this_gateway_only(client: Client, then: str) -> None:
    """OWASP: no open redirect."""
    a_row()
    answer = revert(client, only(), then)
    assert answer.redirect_chain == [(CHANGES, 302)]


def test_who_may_not_change_a_kind_may_not_revert_it(client: Client) -> None:
    a_row()
    auditor = browser("auditor")
    assert revert(auditor, only()).status_code == 403
    assert Backend.objects.exists()
    assert revert(client, only()).status_code == 200


@pytest.mark.parametrize("act", ["add", "change", "delete"])
def test_history_cannot_be_written_by_hand(act: str) -> None:
    a_row()
    boss = browser("admin")
    address = of("change", act) if act == "add" else of("change", act, only().pk)
    before = list(Change.objects.values())
    assert boss.post(address, {"label": "x", "post": "yes"}).status_code in (200, 403, 404)
    assert list(Change.objects.values()) == before


Act = Callable[[Client, Backend], object]
ACTS: dict[str, Act] = {
    "form": lambda client, row: client.post(
        page(row), form(client, page(row)) | {"weight": 0, "position": 4}
    ),
    "delete": lambda client, row: client.post(page(row, "delete"), {"post": "yes"}),
    "ticked": lambda client, row: client.post(
        of("backend", "changelist"),
        {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"},
    ),
    "action": lambda client, row: client.post(
        of("backend", "changelist"), {"action": "force_open", "_selected_action": [row.pk]}
    ),
    "button": lambda client, row: client.post(page(row, "do", "force_open")),
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_every_way_to_change_a_row_names_the_user(client: Client, act: Act) -> None:
    """Ours: one entry for each row, whichever way it was changed."""
    row = a_row()
    forget()
    act(client, row)
    assert (only().actor, only().label) == ("operator", "main")


def test_refused_form_leaves_no_entry(client: Client) -> None:
    row = a_row()
    forget()
    assert wrong(client.post(page(row), form(client, page(row)) | {"url": "x"})) == ["url"]
    assert not Change.objects.exists()
