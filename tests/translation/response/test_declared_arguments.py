"""Arguments that are JSON text: read by the declared schema, and by nothing else."""

from __future__ import annotations

import json

import pytest

from bridge.translation.response.declared_arguments import DeclaredArguments
from bridge.translation.response.deltas import Finish, ToolCall
from bridge.translation.response.tool_arguments import ArgumentStream
from tests.shapes import Json
from tests.translation.playbook import Playbook

ITEM: Json = {"type": "object", "properties": {"opts": {"type": "object"}, "id": {}}}
SCHEMA: Json = {
    "type": "object",
    "$defs": {"Edit": {"type": "object", "properties": {"lines": {"type": "array"}}}},
    "properties": {
        "todos": {"type": "array", "items": ITEM},
        "opts": {"type": "object"},
        "perhaps": {"type": ["array", "null"]},
        "either": {"anyOf": [{"type": "array"}, {"type": "object"}]},
        "edit": {"$ref": "#/$defs/Edit"},
        "edits": {"type": "array", "items": {"$ref": "#/$defs/Edit"}},
        "implied": {"properties": {"a": {}}},
        "note": {"type": "string"},
        "text_or_list": {"type": ["string", "array"]},
        "some": {"anyOf": [{"type": "array"}, {"type": "string"}]},
        "open": {},
        "n": {"type": "integer"},
        "lost": {"$ref": "#/$defs/Nothing"},
        "round": {"$ref": "#/properties/round"},
    },
}
REPLACED: list[tuple[str, Json, Json]] = [
    ("B6 a list", {"todos": '[{"content": "a"}]'}, {"todos": [{"content": "a"}]}),
    ("an object", {"opts": ' {"a": [1, "x\\n"]}'}, {"opts": {"a": [1, "x\n"]}}),
    ("an empty list", {"todos": "[]", "n": 2}, {"todos": [], "n": 2}),
    (
        "Python's notation",
        {"todos": "[{'content': 'it', 'a': True}]"},
        {"todos": [{"content": "it", "a": True}]},
    ),
    ("a list or nothing", {"perhaps": "[1]"}, {"perhaps": [1]}),
    ("one of several containers", {"either": "[1]"}, {"either": [1]}),
    ("the other of several", {"either": '{"a":1}'}, {"either": {"a": 1}}),
    ("a referenced schema", {"edit": '{"lines": "[1]"}'}, {"edit": {"lines": [1]}}),
    ("a member of an item", {"edits": [{"lines": "[1]"}]}, {"edits": [{"lines": [1]}]}),
    (
        "an item",
        {"todos": ['{"opts": "{}"}', {"id": "[1]"}]},
        {"todos": [{"opts": {}}, {"id": "[1]"}]},
    ),
    ("text of a text", {"todos": json.dumps("[1]")}, {"todos": [1]}),
    ("an object by its properties", {"implied": '{"a": 1}'}, {"implied": {"a": 1}}),
]
KEPT: list[tuple[str, Json]] = [
    ("B6 text where text is declared", {"todos": [], "note": "[1,2]"}),
    ("text or a list", {"text_or_list": "[1]", "some": "[1]"}),
    ("no type at all", {"open": "[1]", "unknown": "{}"}),
    ("another container", {"todos": '{"a": 1}', "opts": "[1]"}),
    ("no JSON", {"todos": "a, b", "opts": "{a"}),
    ("a list that broke off", {"todos": '[{"content": "rm -rf build'}),
    ("something behind it", {"todos": "[1] and so on"}),
    ("two values", {"todos": '[1], "b": [2]'}),
    ("numbers are not ours", {"n": "5"}),
    ("a reference to nothing", {"lost": "[1]", "round": "[1]"}),
]
SIZES = pytest.mark.parametrize("size", [1, 3, 10_000])


def through(schema: Json, text: str, size: int) -> str:
    declared = DeclaredArguments(schema)
    pieces = (text[at : at + size] for at in range(0, len(text), size))
    return "".join(map(declared.feed, pieces)) + declared.finish()


@SIZES
@pytest.mark.parametrize(("name", "given", "wanted"), REPLACED, ids=[r[0] for r in REPLACED])
def test_text_that_spells_a_declared_container_is_that_container(
    name: str, given: Json, wanted: Json, size: int
) -> None:
    """kimi-cli#2406, PR#2513; openclacky PR#453; hermes-agent PR#14350; kilocode PR#10421."""
    assert json.loads(through(SCHEMA, json.dumps(given), size)) == wanted


@SIZES
@pytest.mark.parametrize(("name", "given"), KEPT, ids=[r[0] for r in KEPT])
def test_everything_else_stays_to_the_character(name: str, given: Json, size: int) -> None:
    text = json.dumps(given, indent=1)
    assert through(SCHEMA, text, size) == text


@SIZES
@pytest.mark.parametrize("text", ['{"todos": "[{\\"a\\": ', '{"todos": "[\\', '{"tod', '{"a": ]}"'])
def test_what_broke_off_goes_out_as_it_came(text: str, size: int) -> None:
    """H1: nothing is closed, nothing is lost."""
    assert through(SCHEMA, text, size) == text


@pytest.mark.parametrize("schema", [None, True, [], {}, {"type": "object", "properties": None}])
def test_schema_that_says_nothing_changes_nothing(schema: Json) -> None:
    assert through(schema, '{"todos": "[1]"}', 4) == '{"todos": "[1]"}'


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        (json.dumps('{"command": "ls"}'), {"command": "ls"}),
        (json.dumps("{'command': 'ls',}"), {"command": "ls"}),
        (json.dumps(json.dumps({"todos": "[1]"})), {"todos": [1]}),
        (json.dumps("ls -la"), {"value": "ls -la"}),
        (json.dumps('{"command": "rm -rf build'), {"value": '{"command": "rm -rf build'}),
        ("[1]", {"value": [1]}),
    ],
)
@SIZES
def test_document_that_is_the_text_of_an_object_is_that_object(
    raw: str, wanted: Json, size: int
) -> None:
    """B6, kimi-cli#2406: wrapped as a value it would be refused by every tool."""
    book = Playbook(schemas={"Todo": SCHEMA})
    book.feed(ToolCall(0, "c", "Todo"))
    for at in range(0, len(raw), size):
        book.feed(ToolCall(0, arguments=raw[at : at + size]))
    book.feed(Finish("tool_calls")).finish()
    assert book.content[0]["input"] == wanted
    assert book.machine.repaired == ["arguments of Todo"]


def test_other_arguments_are_not_held_back() -> None:
    """Ours: only the string that may be replaced waits for its end."""
    stream, declared = ArgumentStream(), DeclaredArguments(SCHEMA)
    shown = [declared.feed(stream.feed(p)) for p in ('{"note": "a', 'b", "todos": "[', '1]"', "}")]
    assert shown == ['{"note": "a', 'b","todos": ', "[1]", "}"]
