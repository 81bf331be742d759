"""Conditions of an alias' targets: in the file, in the history, taken back, and in the snapshot."""

from __future__ import annotations

import pytest
import yaml

from bridge.configuration import snapshot, undo, yaml_file
from bridge.models import AliasTarget, Change, ModelAlias
from bridge.routing.conditions import ALWAYS, Conditions
from tests.bridge.config import problems, put
from tests.bridge.rows import a_row, an_alias

pytestmark = pytest.mark.django_db

FILE = """\
aliases:
- pattern: claude-*
  targets:
  - {backend: main, model: small, classes: [auxiliary, compaction], prompt_below: 30000}
  - {backend: main, model: finder, position: 1, agent_types: [Explore], asks_to_think: false}
  - {backend: main, model: seer, position: 2, has_image: true, prompt_above: 1000}
  - {backend: main, model: usual, position: 3}
"""


def conditions() -> list[Conditions]:
    (alias,) = snapshot.build(0).routes.aliases
    return [choice.conditions for choice in alias.choices]


@pytest.fixture(autouse=True)
def backend() -> None:
    a_row("main")


def test_conditions_of_a_file_reach_the_snapshot() -> None:
    put(FILE)
    assert conditions() == [
        Conditions(request_classes=("auxiliary", "compaction"), prompt_below=30_000),
        Conditions(agent_types=("Explore",), asks_to_think=False),
        Conditions(has_image=True, prompt_above=1000),
        ALWAYS,
    ]


def test_conditions_are_written_as_they_were_read() -> None:
    put(FILE)
    written = yaml.safe_load(yaml_file.export())
    assert written["aliases"] == yaml.safe_load(FILE)["aliases"]
    assert put(yaml_file.export()) == []


def test_one_word_needs_no_list() -> None:
    put("aliases: [{pattern: a, targets: [{backend: main, model: m, classes: 'main, subagent'}]}]")
    assert conditions() == [Conditions(request_classes=("main", "subagent"))]


def test_a_change_of_conditions_stands_in_the_history_and_can_be_taken_back() -> None:
    put(FILE)
    put(FILE.replace("[auxiliary, compaction]", "[auxiliary]").replace("true", "false"))
    change = Change.objects.first()
    assert change is not None
    (_, before, after) = next(line for line in change.shown() if line[0] == "targets")
    assert "small (classes auxiliary or compaction, prompt_below 30000)" in before
    assert "small (classes auxiliary, prompt_below 30000)" in after
    assert "has_image yes" in before and "has_image no" in after
    undo.revert(change)
    assert conditions()[0].request_classes == ("auxiliary", "compaction")
    assert conditions()[2].has_image is True


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ("classes: [5]", "classes: Expected a list of words."),
        ("classes: {a: b}", "classes: Expected a list of words."),
        ("classes: ['two words']", "classes: two words: no such word can stand in a request."),
        ("agent_types: ['<b>']", "agent_types: <b>: no such word can stand in a request."),
        ("has_image: often", "has_image: “often” value must be either True, False, or None."),
        ("prompt_above: 0", "prompt_above: Ensure this value is greater than or equal to 1."),
        ("prompt_above: 9, prompt_below: 9", "prompt_below: No prompt is above the one and below"),
        ("when: main", "when: no such member"),
    ],
)
def test_conditions_that_make_no_sense_are_refused_by_name(members: str, problem: str) -> None:
    found = problems(
        f"aliases: [{{pattern: a, targets: [{{backend: main, model: m, {members}}}]}}]"
    )
    assert len(found) == 1
    assert found[0].startswith(f"aliases[0].targets[0].{problem}")


def test_a_copy_of_an_alias_keeps_its_conditions() -> None:
    row = an_alias("fast")
    AliasTarget.objects.create(
        alias=row, backend=a_row("b"), model="m", request_classes="auxiliary,main", has_image=False
    )
    copy = ModelAlias(pattern="copy")
    copy.save()
    copy.fill_parts(row.document())
    (target,) = copy.targets.all()
    assert target.conditions == row.targets.get().conditions
