"""Forms of the admin: what they take, what they refuse and where, and how they look. Ours."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from bridge.admin.fields.sealed import KEEP
from bridge.keys.encryption import unseal
from bridge.models import ApiKey, Change, DiscoveredModel, ModelAlias, Price, ToolNameMap
from tests.bridge.admin_pages import TARGETS, form, of, page, said, targets, text, wrong
from tests.bridge.people import browser
from tests.bridge.rows import URL, a_row, an_alias

pytestmark = pytest.mark.django_db

STORED = "cpk_stored_0123456789"
BACKEND = {
    "name": "main",
    "url": URL,
    "family": "auto",
    "auth_header": "authorization",
    "position": 0,
    "weight": 1,
    "timeout_seconds": 600,
    "breaker_mode": "automatic",
    "enabled": "on",
}
ALIAS = {"pattern": "claude-*", "enabled": "on"}
PRICE = {"model": "m", "input_per_mtok": "0.5", "output_per_mtok": "1"}
TOOL = {"backend_name": "run", "client_name": "Bash", "model_pattern": "*"}
KEY = {"name": "team", "enabled": "on", "period": "month", "sample_percent": 0}


@pytest.fixture
def client() -> Client:
    return browser("operator")


# --- what is refused, and where it says so -----------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "good", "slip", "names"),
    [
        ("backend", BACKEND, {"name": ""}, ["name"]),
        ("backend", BACKEND, {"name": "two words"}, ["name"]),
        ("backend", BACKEND, {"url": "ftp://x"}, ["url"]),
        ("backend", BACKEND, {"credential": "env:not a name"}, ["credential"]),
        ("backend", BACKEND, {"credential": "schlüssel"}, ["credential"]),
        ("backend", BACKEND, {"family": "latin"}, ["family"]),
        ("backend", BACKEND, {"auth_header": "a: b"}, ["auth_header"]),
        ("backend", BACKEND, {"timeout_seconds": 0}, ["timeout_seconds"]),
        ("backend", BACKEND, {"idle_seconds": 0}, ["idle_seconds"]),
        ("backend", BACKEND, {"weight": -1}, ["weight"]),
        ("backend", BACKEND, {"breaker_mode": "ajar"}, ["breaker_mode"]),
        ("toolnamemap", TOOL, {"client_name": ""}, ["client_name"]),
        ("price", PRICE, {"input_per_mtok": "-1"}, ["input_per_mtok"]),
        ("price", PRICE, {"output_per_mtok": "much"}, ["output_per_mtok"]),
        ("apikey", KEY, {"name": ""}, ["name"]),
        ("apikey", KEY, {"rpm": 0}, ["rpm"]),
        ("apikey", KEY, {"expires_at_0": "yesterday", "expires_at_1": ""}, ["expires_at"]),
    ],
)  # fmt: skip
def test_refused_form_names_the_field(
    client: Client, kind: str, good: dict[str, Any], slip: dict[str, Any], names: list[str]
) -> None:
    """Ours: and nothing is stored, not even a line of history."""
    answer = client.post(of(kind, "add"), good | slip)
    assert wrong(answer) == names
    assert not Change.objects.exists()


@pytest.mark.parametrize(
    ("slip", "names"),
    [
        ({"pattern": ""}, ["pattern"]),
        ({"temperature": "2.5"}, ["temperature"]),
        ({"thinking": "deeply"}, ["thinking"]),
        ({"max_tokens": "0"}, ["max_tokens"]),
        ({f"{TARGETS}-0-model": ""}, [f"{TARGETS}-0-model"]),
        ({f"{TARGETS}-0-backend": "99"}, [f"{TARGETS}-0-backend"]),
        ({f"{TARGETS}-0-weight": "-1"}, [f"{TARGETS}-0-weight"]),
    ],
)
def test_refused_alias_names_the_field_of_the_target(
    client: Client, slip: dict[str, str], names: list[str]
) -> None:
    given = ALIAS | targets({"backend": a_row().pk, "model": "m"}) | slip
    assert wrong(client.post(of("modelalias", "add"), given)) == names
    assert not ModelAlias.objects.exists()


def test_alias_without_a_target_is_refused(client: Client) -> None:
    answer = client.post(of("modelalias", "add"), ALIAS | targets())
    assert TARGETS in wrong(answer)
    assert not ModelAlias.objects.exists()


@pytest.mark.parametrize(
    ("kind", "good", "name"),
    [("backend", BACKEND, "name"), ("price", PRICE, "model"), ("apikey", KEY, "name")],
)
def test_name_that_is_taken_is_refused(
    client: Client, kind: str, good: dict[str, Any], name: str
) -> None:
    assert client.post(of(kind, "add"), good).status_code in (200, 302)
    assert wrong(client.post(of(kind, "add"), good)) == [name]


# --- aliases -----------------------------------------------------------------------------------


def test_alias_and_its_targets_are_one_form_and_one_change(client: Client) -> None:
    """the issue: several targets; design: every change is one entry."""
    first, second = a_row("first"), a_row("second")
    Change.objects.all().delete()
    rows = (
        {"backend": first.pk, "model": "big", "weight": 3},
        {"backend": second.pk, "model": "small", "position": 1},
    )
    given = ALIAS | {"temperature": "0.2", "thinking": "off"} | targets(*rows)
    assert client.post(of("modelalias", "add"), given).status_code == 302
    (change,) = Change.objects.all()
    assert (change.actor, change.verb, change.label) == ("operator", "added", "claude-*")
    assert change.after == {
        "pattern": "claude-*",
        "targets": [
            {"backend": "first", "model": "big", "weight": 3},
            {"backend": "second", "model": "small", "position": 1},
        ],
        "thinking": "off",
        "temperature": 0.2,
    }


def test_target_is_added_changed_and_removed_in_the_form(client: Client) -> None:
    main = a_row()
    alias = an_alias("fast", (main, "a"), (main, "b"))
    given = form(client, page(alias))
    given |= {f"{TARGETS}-0-model": "c", f"{TARGETS}-1-DELETE": "on", f"{TARGETS}-TOTAL_FORMS": 3}
    given |= {f"{TARGETS}-2-{k}": v for k, v in
              {"backend": main.pk, "model": "d", "position": 0, "weight": 1}.items()}  # fmt: skip
    assert client.post(page(alias), given).status_code == 302
    assert [target.model for target in alias.targets.all()] == ["c", "d"]


def test_form_sent_back_as_it_is_changes_nothing(client: Client) -> None:
    """Ours: opening a page and pressing Save leaves no line in the history."""
    main = a_row(credential=STORED, idle_seconds=30)
    rows: list[Any] = [main, an_alias("fast", (main, "a"), thinking="high", temperature=0.5)]
    rows.append(DiscoveredModel.objects.create(backend=main, name="a", vision_override=False))
    rows.append(ToolNameMap.objects.create(backend_name="run", client_name="Bash"))
    rows.append(Price.objects.create(model="a", input_per_mtok="0.5", output_per_mtok="1.75"))
    rows.append(ApiKey.issue("team")[0])
    Change.objects.all().delete()
    for row in rows:
        assert client.post(page(row), form(client, page(row))).status_code == 302, row
    assert [str(change) for change in Change.objects.all()] == []


def test_model_names_are_suggested_with_their_backends(client: Client) -> None:
    main, off = a_row(), a_row("off", enabled=False)
    DiscoveredModel.objects.create(backend=main, name="vendor/listed")
    DiscoveredModel.objects.create(backend=main, name="vendor/gone", listed=False)
    DiscoveredModel.objects.create(backend=off, name="vendor/resting")
    for address in (of("modelalias", "add"), page(an_alias("fast", (main, "m")))):
        shown = text(client.get(address))
        assert '<option value="vendor/listed">main</option>' in shown
        assert "vendor/gone" not in shown and "vendor/resting" not in shown
        assert 'list="gw-models"' in shown


def test_duplicate_is_switched_off_until_it_has_a_name(client: Client) -> None:
    main = a_row()
    alias = an_alias("claude-*", (main, "a"), (main, "b"), temperature=0.2, system_prefix="Hi")
    Change.objects.all().delete()
    answer = client.post(page(alias, "do", "duplicate"), follow=True)
    copy = ModelAlias.objects.exclude(pk=alias.pk).get()
    assert answer.redirect_chain == [(page(copy), 302)]
    assert said(answer) == ["This is the copy. Give it its name and switch it on."]
    assert copy.document() == {
        **alias.document(),
        "pattern": "claude-* copy",
        "enabled": False,
    }
    assert [str(change) for change in Change.objects.all()] == ["claude-* copy added"]
    client.post(page(alias, "do", "duplicate"))
    assert ModelAlias.objects.filter(pattern="claude-* copy copy").exists()


# --- stored keys -------------------------------------------------------------------------------


def test_dots_keep_the_stored_key(client: Client) -> None:
    """Ours: the form shows that there is a key, and a form sent back does not lose it."""
    row = a_row(credential=STORED)
    given = form(client, page(row))
    assert given["credential"] == KEEP
    assert client.post(page(row), given | {"weight": 5}).status_code == 302
    row.refresh_from_db()
    assert (row.weight, unseal(row.credential, row.server)) == (5, STORED)


@pytest.mark.parametrize(("written", "kept"), [("", ""), ("env:MY_KEY", "env:MY_KEY"), ("  ", "")])
def test_other_words_take_the_place_of_the_key(client: Client, written: str, kept: str) -> None:
    row = a_row(credential=STORED)
    given = form(client, page(row)) | {"credential": written}
    assert client.post(page(row), given).status_code == 302
    row.refresh_from_db()
    assert row.credential == kept


def test_new_key_is_sealed_at_once(client: Client) -> None:
    row = a_row(credential=STORED)
    given = form(client, page(row)) | {"credential": " cpk_another "}
    assert client.post(page(row), given).status_code == 302
    row.refresh_from_db()
    assert "cpk_another" not in row.credential
    assert unseal(row.credential, row.server) == "cpk_another"


def test_sealed_text_cannot_be_pasted(client: Client) -> None:
    """Ours: attack. Not into another row, nor into its own."""
    row = a_row(credential=STORED)
    spare = a_row("spare")
    for one in (row, spare):
        given = form(client, page(one)) | {"credential": row.credential}
        assert wrong(client.post(page(one), given)) == ["credential"]


def test_dots_without_a_stored_key_are_refused(client: Client) -> None:
    """Ours: they would be sent to the backend as a key."""
    assert wrong(client.post(of("backend", "add"), BACKEND | {"credential": KEEP})) == [
        "credential"
    ]


# --- choices -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words", ["As found", "As its backend", "Known from its name", "As TEXT_TOOL_CALLS says"]
)
def test_empty_choice_of_a_model_says_what_it_means(client: Client, words: str) -> None:
    model = DiscoveredModel.objects.create(backend=a_row(), name="m")
    shown = text(client.get(page(model)))
    assert words in shown
    assert "Unknown" not in shown and "Select value" not in shown


@pytest.mark.parametrize(("sent", "kept"), [("true", True), ("false", False), ("unknown", None)])
def test_override_of_a_model_is_yes_no_or_as_found(client: Client, sent: str, kept: object) -> None:
    model = DiscoveredModel.objects.create(backend=a_row(), name="m", tools_override=True)
    given = form(client, page(model)) | {"tools_override": sent}
    assert client.post(page(model), given).status_code == 302
    model.refresh_from_db()
    assert model.tools_override is kept


def test_page_of_a_model_tells_whose_answer_counts(client: Client) -> None:
    model = DiscoveredModel.objects.create(
        backend=a_row(), name="m", context=8192, max_output=100, vision=False, tools=True,
        probed={"context": 4096, "tools": False}, context_override=202752,
    )  # fmt: skip
    facts = {fact.label: fact for fact in client.get(page(model)).context["panel"]["facts"]}
    told = {label: (fact.counts, fact.by) for label, fact in facts.items()}
    assert told["Context window"] == ("202\u202f752", "you")
    assert told["Longest answer"] == ("100", "its list")
    assert told["Images"] == ("no", "its list")
    assert told["Tools"] == ("no", "the probe")
    assert told["Thinking"][1] == ""


def test_model_can_be_deleted_when_no_list_has_it_any_more(client: Client) -> None:
    """Ours: the next look at the list would bring it back."""
    main = a_row()
    listed = DiscoveredModel.objects.create(backend=main, name="listed")
    gone = DiscoveredModel.objects.create(backend=main, name="gone", listed=False)
    assert client.post(page(listed, "delete"), {"post": "yes"}).status_code == 403
    assert "not listed any more" in text(client.get(of("discoveredmodel", "changelist")))
    assert client.post(page(gone, "delete"), {"post": "yes"}).status_code == 302
    assert list(DiscoveredModel.objects.all()) == [listed]


@pytest.mark.parametrize("path", ["/admin/bridge/apikey/add/", "/admin/bridge/admintoken/add/"])
def test_both_inputs_of_a_moment_have_a_name(path: str) -> None:
    """Ours: the label of the field stands at neither of them."""
    shown = browser("admin").get(path).content.decode()
    for what in ("date", "time"):
        assert f'aria-label="Expires at, {what}"' in shown
