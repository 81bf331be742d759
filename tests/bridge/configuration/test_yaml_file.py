"""The configuration as a file: written, read, applied, compared. the issue: import and export."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command

from bridge.configuration import environment, yaml_file
from bridge.keys.authentication import digest
from bridge.keys.encryption import unseal
from bridge.models import (
    ApiKey,
    Backend,
    Change,
    ConfigVersion,
    DiscoveredModel,
    ModelAlias,
    Origin,
    Price,
    ToolNameMap,
)
from bridge.models.people.keys import KeyKind
from tests.bridge.config import problems, put, state
from tests.bridge.people import a_team, a_user
from tests.bridge.rows import URL, a_row, an_alias, unsealed

pytestmark = pytest.mark.django_db

STORED = "cpk_stored_0123456789"
FILE = """\
backends:
  - {name: chutes, url: 'https://a.example/v1', family: chutes, api_key: env:A_KEY, enabled: true}
  - {name: local, url: 'http://10.0.0.5:8000/v1', enabled: false}
aliases:
  - pattern: claude-*
    targets:
      - {backend: chutes, model: zai-org/GLM-4.6, weight: 3}
      - {backend: local, model: qwen3-30b}
tool_names:
  - {model: 'zai-org/*', backend_name: run_shell, client_name: Bash}
prices:
  - {model: zai-org/GLM-4.6, input_per_mtok: 0.5, output_per_mtok: 1.75, cache_read_per_mtok: 0.11}
"""
"""In the form that the issue names."""


def command(name: str, *arguments: str) -> str:
    out = io.StringIO()
    call_command(name, *arguments, stdout=out)
    return out.getvalue()


# --- the form ----------------------------------------------------------------------------------


def test_file_of_the_issue_becomes_rows() -> None:
    told = put(FILE)
    assert told == [
        "added backends chutes",
        "added backends local",
        "added aliases claude-*",
        "added tool_names zai-org/* run_shell",
        "added prices zai-org/GLM-4.6",
    ]
    chutes = Backend.objects.get(name="chutes")
    assert (chutes.family, chutes.credential, chutes.enabled) == ("chutes", "env:A_KEY", True)
    assert Backend.objects.get(name="local").enabled is False
    targets = ModelAlias.objects.get().targets.values_list("backend__name", "model", "weight")
    assert list(targets) == [("chutes", "zai-org/GLM-4.6", 3), ("local", "qwen3-30b", 1)]
    assert Change.objects.filter(actor="test").count() == 5


def test_what_is_written_can_be_read_and_changes_nothing() -> None:
    """the issue: idempotent."""
    put(FILE)
    an_alias("b", (Backend.objects.get(name="local"), "m"), thinking="off", temperature=0.5,
             max_tokens=9, system_prefix="Two\nlines: yes", enabled=False)  # fmt: skip
    DiscoveredModel.objects.create(
        backend=Backend.objects.get(name="local"), name="m", vision_override=False, family="vllm"
    )
    Price.objects.create(model="p", input_per_mtok="0.000001", output_per_mtok="12345.5")
    before, written = state(), yaml_file.export()
    assert put(written) == []
    assert state() == before
    for kind in (ModelAlias, Backend, ToolNameMap, Price):
        kind._default_manager.all().delete()
    assert len(put(written)) == 8
    assert yaml_file.export() == written


def test_written_file_has_the_form_of_the_issue() -> None:
    put(FILE)
    told = yaml.safe_load(yaml_file.export())
    wanted = yaml.safe_load(FILE)
    del wanted["backends"][0]["enabled"]  # members with their default are left out
    assert told == wanted


def test_second_import_of_the_same_file_changes_nothing() -> None:
    put(FILE)
    before, version = state(), ConfigVersion.current()
    assert put(FILE) == []
    assert (state(), ConfigVersion.current()) == (before, version)


def test_order_of_targets_in_the_file_does_not_matter_to_a_second_import() -> None:
    """Ours: rows are kept in the order in which they are asked, files as people write them."""
    rows = "[{backend: main, model: a}, {backend: main, model: b, weight: 9}]"
    text = f"aliases: [{{pattern: x, targets: {rows}}}]"
    a_row()
    put(text)
    before, version = state(), ConfigVersion.current()
    assert put(text) == []
    assert (state(), ConfigVersion.current()) == (before, version)


def test_what_an_entry_leaves_out_gets_its_default() -> None:
    put("backends: [{name: main, url: 'https://a.example.com/v1', weight: 5, position: 2}]")
    assert put("backends: [{name: main, url: 'https://a.example.com/v1'}]") == [
        "changed backends main"
    ]
    row = Backend.objects.get()
    assert (row.weight, row.position) == (1, 0)


def test_settings_of_a_model_are_part_of_the_file() -> None:
    """Ours: also for a model that no list has yet."""
    a_row()
    assert put("models: [{backend: main, model: m, context: 4096, vision: false}]") == [
        "added models main m"
    ]
    row = DiscoveredModel.objects.get()
    assert (row.context_override, row.vision_override, row.listed) == (4096, False, False)
    assert put("models: [{backend: main, model: m, tools: true}]") == ["changed models main m"]
    row.refresh_from_db()
    assert (row.context_override, row.tools_override) == (None, True)


def test_issued_keys_are_in_the_file_without_the_key() -> None:
    """Keys and teams, without secrets; sign-ins are none of it."""
    row, text = ApiKey.issue("laptop", {"team": a_team("blue"), "person": a_user(name="ann")})
    row.rotate(timedelta(hours=1))
    ApiKey.issue("sign-in", {"kind": KeyKind.SESSION})
    written = yaml_file.export()
    assert "- {name: laptop, person: ann, team: blue}" in written
    for secret in (row.digest, row.former_digest, row.last_four, text, "sign-in"):
        assert secret not in written
    assert put(written) == []


def test_file_changes_what_a_key_may_use_and_never_which_key_is_good() -> None:
    row, text = ApiKey.issue("laptop", {"rpm": 5})
    ended, _ = ApiKey.issue("ended")
    ended.revoke()
    file = "keys: [{name: laptop, rpm: 9}, {name: ended, tpm: 7}]"
    assert put(file) == ["changed keys laptop", "changed keys ended"]
    row.refresh_from_db()
    ended.refresh_from_db()
    assert (row.rpm, row.digest, row.enabled) == (9, digest(text), True)
    assert (ended.tpm, ended.enabled, ended.state) == (7, False, "revoked")
    assert put(file) == []


def test_key_that_only_the_file_has_waits_for_its_rotation() -> None:
    assert put("keys: [{name: new, rpm: 3}]") == ["added keys new"]
    row = ApiKey.objects.get()
    assert (row.rpm, row.state) == (3, "revoked")
    assert put("keys: [{name: new, rpm: 3}]") == []
    assert digest(row.rotate(timedelta())) == row.digest and row.state == "good"


def test_pruning_leaves_sign_ins_alone() -> None:
    ApiKey.issue("laptop"), ApiKey.issue("sign-in", {"kind": KeyKind.SESSION})
    assert put("keys: []", prune=True) == ["deleted keys laptop"]
    assert problems("keys: [{name: sign-in}]") == ["keys[0].name: A sign-in has this name."]


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}", "backends:\n", "aliases: []"])
def test_empty_file_changes_nothing(text: str) -> None:
    a_row()
    assert put(text) == []


def test_json_is_as_good() -> None:
    """YAML 1.2: every JSON document is one."""
    assert put('{"backends": [{"name": "main", "url": "https://a.example.com/v1"}]}') == [
        "added backends main"
    ]


# --- keys --------------------------------------------------------------------------------------


def test_stored_key_is_never_written_and_stays_on_import() -> None:
    """the issue: stored keys are not exported."""
    row = a_row(credential=STORED)
    written = yaml_file.export()
    assert STORED not in written and "sealed" not in written and "api_key" not in written
    assert put(written + "\n") == []
    put(f"backends: [{{name: main, url: '{URL}', weight: 7}}]")
    row.refresh_from_db()
    assert (row.weight, unseal(row.credential, row.server)) == (7, STORED)


def test_key_in_a_file_is_sealed_and_the_same_key_is_no_change() -> None:
    text = f"backends: [{{name: main, url: '{URL}', api_key: {STORED}}}]"
    assert put(text) == ["added backends main"]
    row = Backend.objects.get()
    assert STORED not in row.credential and unseal(row.credential, row.server) == STORED
    assert put(text) == []
    assert put(text.replace(STORED, "cpk_another")) == ["changed backends main"]
    assert unsealed(Backend.objects.get()) == "cpk_another"


@pytest.mark.parametrize(("given", "kept"), [("''", ""), ("env:NAME", "env:NAME")])
def test_other_key_takes_the_place_of_a_stored_one(given: str, kept: str) -> None:
    a_row(credential=STORED)
    put(f"backends: [{{name: main, url: '{URL}', api_key: {given}}}]")
    assert Backend.objects.get().credential == kept


def test_key_that_cannot_be_read_any_more_is_kept_or_replaced() -> None:
    a_row(credential="sealed:nonsense")
    text = f"backends: [{{name: main, url: '{URL}'}}]"
    assert put(text) == []
    put(text.replace("}]", ", api_key: cpk_new}]"))
    assert unsealed(Backend.objects.get()) == "cpk_new"


def test_key_is_not_in_the_difference_that_is_shown(tmp_path: Path) -> None:
    file = tmp_path / "conf.yaml"
    file.write_text(f"backends: [{{name: main, url: '{URL}', api_key: {STORED}, weight: 2}}]")
    a_row(credential="cpk_before_0123")
    told = command("import_config", str(file), "--dry-run")
    assert "api_key: a stored key -> a stored key" in told
    assert STORED not in told and "sealed" not in told


# --- rows of the environment -------------------------------------------------------------------


@pytest.fixture
def of_the_environment(nothing_in_the_environment: Any) -> None:
    nothing_in_the_environment.BACKEND_URL = URL
    nothing_in_the_environment.MODEL_MAP = {"fast": "m"}
    environment.apply()


@pytest.mark.usefixtures("of_the_environment")
def test_rows_of_the_environment_are_not_written_and_not_pruned() -> None:
    assert yaml.safe_load(yaml_file.export()) is None
    assert put("backends: []\naliases: []", prune=True) == []
    assert Backend.objects.count() == ModelAlias.objects.count() == 1


@pytest.mark.usefixtures("of_the_environment")
def test_row_of_the_environment_that_a_file_names_is_taken_over() -> None:
    """design: rows of operators win. Also where nothing else changes."""
    put("aliases: [{pattern: fast, targets: [{backend: main, model: m}]}]")
    assert ModelAlias.objects.get().origin == Origin.OPERATOR
    assert Backend.objects.get().origin == Origin.ENVIRONMENT


# --- dry run and prune -------------------------------------------------------------------------


def test_dry_run_tells_the_difference_and_changes_nothing(tmp_path: Path) -> None:
    """the issue: --dry-run."""
    put(FILE)
    before, version = state(), ConfigVersion.current()
    file = tmp_path / "conf.yaml"
    file.write_text(
        FILE.replace("weight: 3", "weight: 1").replace("1.75", "2").replace("run_shell", "sh")
    )
    told = command("import_config", str(file), "--dry-run", "--prune")
    assert told.splitlines() == [
        "~ aliases claude-*",
        "    targets: chutes: zai-org/GLM-4.6 (weight 3); local: qwen3-30b"
        " -> chutes: zai-org/GLM-4.6; local: qwen3-30b",
        "~ prices zai-org/GLM-4.6",
        "    output_per_mtok: 1.75 -> 2.0",
        "- tool_names zai-org/* run_shell",
        "+ tool_names zai-org/* sh",
        "5 entries read, 4 rows would change",
    ]
    assert (state(), ConfigVersion.current()) == (before, version)
    assert command("import_config", str(file), "--prune").endswith("4 rows changed\n")
    assert state() != before


def test_without_prune_everything_else_stays() -> None:
    put(FILE)
    put(f"backends: [{{name: new, url: '{URL}'}}]\naliases: []")
    assert (Backend.objects.count(), ModelAlias.objects.count()) == (3, 1)


def test_prune_deletes_what_the_file_does_not_have_in_its_sections() -> None:
    put(FILE)
    assert put("tool_names: []\nprices: []", prune=True) == [
        "deleted prices zai-org/GLM-4.6",
        "deleted tool_names zai-org/* run_shell",
    ]
    assert (Backend.objects.count(), ModelAlias.objects.count()) == (2, 1)


def test_prune_takes_back_what_was_said_of_models_and_keeps_them() -> None:
    main = a_row()
    DiscoveredModel.objects.create(backend=main, name="m", context=1, context_override=2)
    assert put("models: []", prune=True) == ["deleted models main m"]
    row = DiscoveredModel.objects.get()
    assert (row.context, row.context_override) == (1, None)


def test_prune_of_a_backend_that_an_alias_needs_is_refused() -> None:
    """Ours: the alias would be left with nowhere to lead."""
    put(FILE)
    only_chutes = FILE.replace(FILE.splitlines()[2] + "\n", "")
    assert problems(only_chutes, prune=True) == [
        "backends: local is not in the file, but claude-* needs it"
    ]
    both = only_chutes.replace("      - {backend: local, model: qwen3-30b}\n", "")
    assert put(both, prune=True) == ["changed aliases claude-*", "deleted backends local"]


# --- the commands ------------------------------------------------------------------------------


def test_commands_go_round(tmp_path: Path) -> None:
    put(FILE)
    file = tmp_path / "conf.yaml"
    file.write_text(command("export_config"))
    assert file.read_text().startswith("# Written by")
    assert command("import_config", str(file)) == "5 entries read, 0 rows changed\n"


def test_standard_input_is_read_where_the_file_is_a_dash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(FILE))
    assert command("import_config", "-").endswith("5 entries read, 5 rows changed\n")
    assert set(Change.objects.values_list("actor", flat=True)) == {"command import_config"}


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "conf.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(CommandError, match="conf.yaml: "):
        command("import_config", str(file))


def test_wrong_file_ends_the_command_with_its_problems(tmp_path: Path) -> None:
    file = tmp_path / "conf.yaml"
    file.write_text("backends: [x, y]")
    with pytest.raises(CommandError) as refused:
        command("import_config", str(file))
    assert str(refused.value) == (
        "backends[0]: expected a mapping\nbackends[1]: expected a mapping"
    )


@pytest.mark.parametrize(("word", "kept"), [("off", "off"), ("on", "on"), ("'off'", "off")])
def test_bare_word_on_or_off_is_a_word(word: str, kept: str) -> None:
    """YAML takes it for a truth value; people write it as the documentation does."""
    put(f"backends: [{{name: b, url: '{URL}'}}]")
    targets = "targets: [{backend: b, model: m}]"
    put(f"aliases: [{{pattern: x, thinking: {word}, {targets}}}]")
    assert ModelAlias.objects.get().thinking == kept
    put(f"aliases: [{{pattern: x, safeguards: off, thinking_when_absent: off, {targets}}}]")
    alias = ModelAlias.objects.get()
    assert (alias.safeguards, alias.thinking_when_absent, alias.enabled) == ("off", "off", True)
