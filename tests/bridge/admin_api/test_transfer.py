"""Export and import through the API: the document of `export_config`, as JSON."""

from __future__ import annotations

import io
from typing import Any

import pytest
import yaml
from django.core.management import call_command

from bridge.models import ApiKey, Backend, Change, Price, Team
from tests.bridge.people import a_team, a_user
from tests.bridge.rows import URL, a_row, an_alias, unsealed
from tests.bridge.scripts import Script, a_script, message

pytestmark = pytest.mark.django_db


@pytest.fixture
def script() -> Script:
    return a_script()


def fill() -> None:
    ann = a_user(name="ann")
    a_team("blue", ann, budget_day="3.5", client_settings={"model": "x"})
    main = a_row(credential="sk-secret-of-ours")
    an_alias("claude-*", (main, "org/m"), extra={"min_p": 0.1})
    Price.objects.create(model="org/*", input_per_mtok="0.5", output_per_mtok="1")
    ApiKey.issue("k", {"person": ann, "expires_at": "2099-01-01T00:00:00+00:00"})


def test_export_is_the_file_of_the_command(script: Script) -> None:
    fill()
    out = io.StringIO()
    call_command("export_config", stdout=out)
    assert script.get("/export").json() == yaml.safe_load(out.getvalue())
    assert "sk-secret" not in script.get("/export").content.decode()


def test_what_was_exported_changes_nothing_when_it_is_imported(script: Script) -> None:
    fill()
    known = script.get("/export").json()
    answer = script.post("/import?prune=1", known)
    assert answer.json() == {"dry_run": False, "entries": 5, "changes": []}
    assert script.get("/export").json() == known
    assert unsealed(Backend.objects.get()) == "sk-secret-of-ours"


def test_dry_run_tells_and_changes_nothing(script: Script) -> None:
    a_team("old")
    wanted = {"teams": [{"name": "blue", "rpm": 5}], "backends": [{"name": "b", "url": URL}]}
    before = Change.objects.count()
    answer = script.post("/import?dry_run=1&prune=1", wanted).json()
    told = [(each["kind"], each["label"], each["change"]) for each in answer["changes"]]
    assert sorted(told) == [
        ("backends", "b", "added"),
        ("teams", "blue", "added"),
        ("teams", "old", "deleted"),
    ]
    assert answer["dry_run"] is True and Change.objects.count() == before
    assert [team.name for team in Team.objects.all()] == ["old"]


def test_import_is_one_step_of_the_history(script: Script) -> None:
    a_team("old")
    wanted = {
        "teams": [{"name": "blue", "rpm": 5}, {"name": "old", "rpm": 6}],
        "backends": [{"name": "b", "url": URL, "api_key": "sk-secret-of-ours"}],
    }
    answer = script.post("/import", wanted)
    assert "sk-secret" not in answer.content.decode()
    written = Change.objects.filter(actor="token ci")
    assert written.count() == len(answer.json()["changes"]) == 3
    assert len({change.act for change in written}) == 1
    (changed,) = [each for each in answer.json()["changes"] if each["change"] == "changed"]
    assert changed["members"] == [{"member": "rpm", "before": "-", "after": "6"}]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"nope": []}, "nope: no such member"),
        ({"teams": {}}, "teams: "),
        ({"teams": [{}]}, "teams[0].name: expected a text"),
        ({"teams": [{"name": "a"}, {"name": 5}]}, "teams[1].name: "),
        ({"teams": [{"name": "a"}, {"name": "a"}]}, "teams[1]: the same as teams[0]"),
        ({"teams": [{"name": "a", "rpm": []}]}, "teams[0].rpm: "),
        ({"teams": [{"name": "a", "members": ["zoe"]}]}, "teams[0].members[0]: no user"),
        ({"backends": [{"name": "b"}]}, "backends[0].url: "),
        ({"backends": [{"name": "b", "url": URL, "origin": "operator"}]}, "backends[0].origin: no"),
        ({"aliases": [{"pattern": "x"}]}, "aliases[0].targets: "),
        ({"keys": [{"name": "k", "last_four": "abcd"}]}, "keys[0].last_four: no such member"),
        ({"keys": [{"name": "k", "expires_at": "soon"}]}, "keys[0].expires_at: "),
        ({"prices": [{"model": "m", "input_per_mtok": {}}]}, "prices[0].input_per_mtok: "),
    ],
)
def test_document_that_makes_no_sense_changes_nothing(
    script: Script, body: Any, expected: str
) -> None:
    wanted = {"teams": [{"name": "first"}]} | body
    assert message(script.post("/import", wanted)).startswith(expected)
    assert not Team.objects.exists() and not Backend.objects.exists()


def test_import_brings_no_key_back(script: Script) -> None:
    key, _ = ApiKey.issue("k")
    key.revoke()
    script.post("/import", {"keys": [{"name": "k", "enabled": True}, {"name": "new"}]})
    states = {row.name: row.state for row in ApiKey.objects.all()}
    assert states == {"k": "revoked", "new": "revoked"}
