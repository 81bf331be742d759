"""Tools that the vendor's models know by heart: on the wire they have a type and no schema.

An open model does not know them, so each gets the schema that the client's implementation
expects. Tools that run on the vendor's own servers cannot run here at all.
"""

from __future__ import annotations

import re

from bridge.translation.json import JSON

TOOLSET = re.compile("(computer|browser)_toolset_")
TOOL_SEARCH = re.compile("tool_search_tool")


def _string(description: str) -> JSON:
    return {"type": "string", "description": description}


def _schema(required: list[str], **properties: JSON) -> JSON:
    return {"type": "object", "properties": properties, "required": required}


_POINT: JSON = {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2}
_RANGE: JSON = {"type": "array", "items": {"type": "integer"}}
_BASH = _schema(
    [],
    command=_string("The command to run."),
    restart={"type": "boolean", "description": "Restart the shell instead of running a command."},
)


def _editor(commands: list[str]) -> JSON:
    return _schema(
        ["command", "path"],
        command={"type": "string", "enum": commands},
        path=_string("Absolute path of the file or directory."),
        file_text=_string("Content of the file to create."),
        old_str=_string("Text to replace; it must occur exactly once."),
        new_str=_string("Replacement text, or text to insert."),
        insert_line={"type": "integer", "description": "Line after which to insert."},
        insert_text=_string("Text to insert."),
        view_range=_RANGE,
    )


_EDITS = ["view", "create", "str_replace", "insert"]
_MEMORY = _schema(
    ["command"],
    command={"type": "string", "enum": [*_EDITS, "delete", "rename"]},
    path=_string("Path below /memories."),
    view_range=_RANGE,
    file_text=_string("Content of the file to create."),
    old_str=_string("Text to replace."),
    new_str=_string("Replacement text."),
    insert_line={"type": "integer"},
    insert_text=_string("Text to insert."),
    old_path=_string("Path to rename from."),
    new_path=_string("Path to rename to."),
)
_ACTIONS = [
    "key",
    "type",
    "mouse_move",
    "left_click",
    "left_click_drag",
    "right_click",
    "middle_click",
    "double_click",
    "triple_click",
    "left_mouse_down",
    "left_mouse_up",
    "scroll",
    "hold_key",
    "wait",
    "screenshot",
    "cursor_position",
    "zoom",
]
_COMPUTER = _schema(
    ["action"],
    action={"type": "string", "enum": _ACTIONS},
    coordinate=_POINT,
    start_coordinate=_POINT,
    text=_string("Text to type, or keys to press."),
    duration={"type": "number", "description": "Seconds."},
    scroll_direction={"type": "string", "enum": ["up", "down", "left", "right"]},
    scroll_amount={"type": "integer"},
    region=_RANGE,
)

_OLD_EDITOR = re.compile("text_editor_(20241022|20250124)$")
_KNOWN: tuple[tuple[re.Pattern[str], str, JSON], ...] = (
    (re.compile("bash_"), "Run a command in a persistent shell.", _BASH),
    (_OLD_EDITOR, "View, create and edit files.", _editor([*_EDITS, "undo_edit"])),
    (re.compile("text_editor_"), "View, create and edit files.", _editor(_EDITS)),
    (re.compile("memory_"), "Read and write notes that persist between sessions.", _MEMORY),
    (re.compile("computer_"), "Use a screen, a keyboard and a mouse.", _COMPUTER),
)


def definition(tool: dict[str, JSON]) -> tuple[str, JSON] | None:
    """(description, schema) of a tool that clients run themselves; None for any other type."""
    kind = str(tool.get("type"))
    for pattern, description, schema in _KNOWN:
        if pattern.match(kind) and not TOOLSET.match(kind):
            width, height = tool.get("display_width_px"), tool.get("display_height_px")
            size = f" The screen has {width} x {height} pixels." if width and height else ""
            return description + size, schema
    return None
