"""Tools that the vendor's models know by heart get the schema that clients expect."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.translation.request.vendor_tools import definition
from tests.shapes import Json
from tests.translation.asking import to_backend

EDITS = ["view", "create", "str_replace", "insert"]
EDITOR = [
    "command",
    "path",
    "file_text",
    "old_str",
    "new_str",
    "insert_line",
    "insert_text",
    "view_range",
]
MEMORY = ["command", "path", "view_range", "file_text", "old_str", "new_str", "insert_line"]
MEMORY += ["insert_text", "old_path", "new_path"]
COMPUTER = ["action", "coordinate", "start_coordinate", "text", "duration", "scroll_direction"]
COMPUTER += ["scroll_amount", "region"]
OLD = [*EDITS, "undo_edit"]

# type, name, properties, the member that is a list of words, and those words
KNOWN: list[tuple[str, str, list[str], str, list[str]]] = [
    ("bash_20241022", "bash", ["command", "restart"], "", []),
    ("bash_20250124", "bash", ["command", "restart"], "", []),
    ("text_editor_20241022", "str_replace_editor", EDITOR, "command", OLD),
    ("text_editor_20250124", "str_replace_editor", EDITOR, "command", OLD),
    ("text_editor_20250728", "str_replace_based_edit_tool", EDITOR, "command", EDITS),
    ("memory_20250818", "memory", MEMORY, "command", [*EDITS, "delete", "rename"]),
]


@pytest.mark.parametrize(
    ("kind", "name", "properties", "listed", "words"), KNOWN, ids=[k[0] for k in KNOWN]
)
def test_f46_known_tool_becomes_a_function(
    kind: str, name: str, properties: list[str], listed: str, words: list[str]
) -> None:
    """F46 and the specification, C5."""
    sent = to_backend(tools=[{"type": kind, "name": name}]).body["tools"][0]["function"]
    schema = sent["parameters"]
    assert (sent["name"], schema["type"]) == (name, "object")
    assert list(schema["properties"]) == properties
    assert schema["properties"].get(listed, {}).get("enum", []) == words
    assert set(schema["required"]) <= set(properties)
    assert sent["description"]


@pytest.mark.parametrize("kind", ["computer_20241022", "computer_20250124", "computer_20251124"])
def test_computer_says_how_large_its_screen_is(kind: str) -> None:
    """The specification, C5: the display size is written into the description."""
    size = {"display_width_px": 1024, "display_height_px": 768}
    given = {"type": kind, "name": "computer", **size}
    sent = to_backend(tools=[given]).body["tools"][0]["function"]
    assert sent["description"].endswith(" The screen has 1024 x 768 pixels.")
    assert list(sent["parameters"]["properties"]) == COMPUTER
    assert {"screenshot", "left_click", "zoom"} <= set(
        sent["parameters"]["properties"]["action"]["enum"]
    )
    assert (
        "pixels"
        not in to_backend(tools=[{"type": kind, "name": "c"}]).body["tools"][0]["function"][
            "description"
        ]
    )


UNKNOWN: list[Any] = [None, "custom", "web_search_20250305", "computer_toolset_20260801", "x"]


@pytest.mark.parametrize("kind", UNKNOWN)
def test_other_tools_have_no_definition(kind: str | None) -> None:
    """Ours: only what a client runs itself, and what no client describes."""
    assert definition({"type": kind, "name": "A"}) is None


def test_schema_of_the_client_wins() -> None:
    """Ours: newer clients send one."""
    schema: Json = {"type": "object", "properties": {"x": {}}}
    given = {"type": "bash_20250124", "name": "bash", "input_schema": schema, "description": "d"}
    sent = to_backend(tools=[given]).body["tools"][0]["function"]
    assert sent == {"name": "bash", "description": "d", "parameters": schema}
