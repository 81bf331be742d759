"""Tool calls in the shapes of bridges, and in choices and parts where nobody expects them."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.translation.response.deltas import Delta, Finish, Reasoning, Refusal, Text, ToolCall
from bridge.translation.response.dialects.chat import ChunkReader
from bridge.translation.response.dialects.chat_calls import read_calls
from tests.shapes import Json

LS = '{"command":"ls"}'
OBJECT: Json = {"command": "ls"}
FLAT: Json = {"id": "c", "name": "Bash", "arguments": LS}
CUSTOM: Json = {"id": "c", "type": "custom", "custom": {"name": "Bash", "input": LS}}
SPELLED: Json = {"id": "c", "function": '{"name":"Bash","arguments":{"command":"ls"}}'}
SHAPES: list[tuple[str, Any]] = [
    ("flat", [FLAT]),
    ("flat, an object", [FLAT | {"arguments": OBJECT}]),
    ("a custom tool", [CUSTOM]),
    ("a function as text", [SPELLED]),
    ("parameters", [{"id": "c", "function": {"name": "Bash", "parameters": OBJECT}}]),
    ("one call without a list", {"id": "c", "function": {"name": "Bash", "arguments": LS}}),
    ("calls by their numbers", {"0": FLAT}),
]


@pytest.mark.parametrize("calls", [s[1] for s in SHAPES], ids=[s[0] for s in SHAPES])
def test_call_is_read_in_the_shapes_of_bridges(calls: Any) -> None:
    """B3: nothing of a call is lost for the layer in which it stands."""
    assert read_calls({"tool_calls": calls}) == [ToolCall(None, "c", "Bash", LS)]


def test_fragment_of_a_flat_call_has_only_arguments() -> None:
    """B3: the name comes once."""
    fragment = {"index": 0, "arguments": '"ls"}'}
    assert read_calls({"tool_calls": [fragment]}) == [ToolCall(0, "", "", '"ls"}')]


def test_call_among_the_parts_of_the_content_is_one() -> None:
    """B3: unless the same message lists its calls."""
    part = {"type": "tool_use", "id": "c", "name": "Bash", "input": OBJECT}
    content = [{"type": "text", "text": "So."}, part]
    assert read_calls({"content": content}) == [ToolCall(None, "c", "Bash", LS)]
    listed = [{"id": "d", "function": {"name": "Read", "arguments": "{}"}}]
    assert read_calls({"content": content, "tool_calls": listed}) == [
        ToolCall(None, "d", "Read", "{}")
    ]


def read(*choices: Json) -> list[Delta]:
    return ChunkReader().read_chunk({"choices": list(choices)})


def choice(message: Json, reason: str, **more: Any) -> Json:
    return {"message": message, "finish_reason": reason, **more}


CALLS: Json = {"content": None, "tool_calls": [FLAT]}
CALL = ToolCall(None, "c", "Bash", LS)
LOOK: Json = {"content": "I look."}


def test_choices_without_numbers_are_one_answer() -> None:
    """copilot-api#81, nanobot#1555: the call stands in a choice of its own."""
    both = read(choice(LOOK, "tool_calls"), choice(CALLS, "tool_calls"))
    assert both == [Text("I look."), CALL, Finish("tool_calls"), Finish("tool_calls")]


def test_call_that_the_first_choice_promises_is_found_in_another() -> None:
    """The same, with numbers."""
    second = choice(CALLS, "tool_calls", index=1)
    assert CALL in read(choice(LOOK, "tool_calls", index=0), second)


@pytest.mark.parametrize("reason", ["stop", "tool_calls"])
def test_other_choices_are_other_answers(reason: str) -> None:
    """B2: one was asked for, and the first one is it."""
    first = choice(CALLS if reason == "tool_calls" else LOOK, reason, index=0)
    other = choice({"tool_calls": [FLAT | {"id": "d"}]}, "tool_calls", index=1)
    assert read(first, other) == read(first)


THOUGHT = {"google": {"thought": True}}
OTHERS: list[tuple[str, Json, list[Delta]]] = [
    ("thinking blocks", {"thinking_blocks": [{"thinking": "why"}]}, [Reasoning("why")]),
    ("details as text", {"reasoning_details": "why"}, [Reasoning("why")]),
    (
        "a mark at the thought",
        {"content": "<thought>why", "extra_content": THOUGHT},
        [Reasoning("why")],
    ),
    ("no mark", {"content": "<thought>", "extra_content": {"google": {}}}, [Text("<thought>")]),
    ("a refusal", {"content": [{"type": "refusal", "refusal": "No."}]}, [Refusal("No.")]),
    ("a value", {"content": [{"type": "text", "text": {"value": "Hi"}}]}, [Text("Hi")]),
]


@pytest.mark.parametrize(("delta", "deltas"), [o[1:] for o in OTHERS], ids=[o[0] for o in OTHERS])
def test_words_are_found_beside_and_among_calls(delta: Json, deltas: list[Delta]) -> None:
    """B6: thinking, refusals and text in the members of other protocols."""
    assert read({"delta": delta}) == deltas
