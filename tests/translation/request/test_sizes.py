"""Numbers and lengths in a request: what is too much is refused with the field's name."""

from __future__ import annotations

import json

import pytest

from bridge.translation.errors.api_error import ApiError
from bridge.translation.request.schema import (
    MessagesRequest,
    RequestLimits,
    read_request,
)
from bridge.translation.sizes import (
    LARGE,
    LONGEST_NAME,
    LONGEST_STOP,
    MAX_BLOCKS,
    MAX_STOPS,
    MAX_TOOLS,
)
from tests.shapes import Json
from tests.translation.asking import text, to_backend, tool, user

BODY: Json = {"model": "m", "max_tokens": 1, "messages": [user("x")]}
WORDS = "String should have at most"


def read(fields: Json) -> MessagesRequest:
    return read_request(json.dumps(BODY | fields).encode(), RequestLimits())


def tools(count: int) -> list[Json]:
    return [tool(f"t{i}") for i in range(count)]


SIZES: list[tuple[str, Json, Json, str]] = [
    (
        "the model's name",
        {"model": "m" * LONGEST_NAME},
        {"model": "m" * (LONGEST_NAME + 1)},
        f"model: {WORDS} {LONGEST_NAME} characters",
    ),
    (
        "stop sequences",
        {"stop_sequences": ["a"] * MAX_STOPS},
        {"stop_sequences": ["a"] * (MAX_STOPS + 1)},
        f"stop_sequences: too many stop sequences ({MAX_STOPS + 1} > {MAX_STOPS})",
    ),
    (
        "a stop sequence",
        {"stop_sequences": ["a", "b" * LONGEST_STOP]},
        {"stop_sequences": ["a", "b" * (LONGEST_STOP + 1)]},
        f"stop_sequences.1: {WORDS} {LONGEST_STOP} characters",
    ),
    (
        "tools",
        {"tools": tools(MAX_TOOLS)},
        {"tools": tools(MAX_TOOLS + 1)},
        f"tools: too many tools ({MAX_TOOLS + 1} > {MAX_TOOLS})",
    ),
    (
        "content blocks",
        {"messages": [user(*[text("x")] * (MAX_BLOCKS // 2))], "system": [text("x")] * 4},
        {"messages": [user(*[text("x")] * MAX_BLOCKS)], "system": [text("x")]},
        f"messages: too many content blocks ({MAX_BLOCKS + 1} > {MAX_BLOCKS})",
    ),
    (
        "content blocks in results",
        {"messages": [user({"type": "tool_result", "tool_use_id": "a", "content": [text("x")]})]},
        {
            "messages": [
                user(
                    {"type": "tool_result", "tool_use_id": "a", "content": [text("x")] * MAX_BLOCKS}
                )
            ]
        },
        f"messages: too many content blocks ({MAX_BLOCKS + 1} > {MAX_BLOCKS})",
    ),
    (
        "values",
        {"metadata": {"x": [0] * 900_000}},
        {"metadata": {"x": [0] * 1_000_001}},
        "Request body holds too many values (more than 1000000)",
    ),
]


@pytest.mark.parametrize(
    ("fits", "exceeds", "message"), [s[1:] for s in SIZES], ids=[s[0] for s in SIZES]
)
def test_too_much_is_refused_with_the_name_of_the_field(
    fits: Json, exceeds: Json, message: str
) -> None:
    """Ours: each costs work of its own, whatever the bytes of the body."""
    read(fits)
    with pytest.raises(ApiError) as caught:
        read(exceeds)
    assert (caught.value.status, caught.value.message) == (400, message)


def test_tools_that_messages_add_count_as_well() -> None:
    """Ours: no detour around the number of tools."""
    added = {"type": "tool_addition", "tool": {"definition": tool("one-more")}}
    messages = [user("x"), {"role": "system", "content": [added]}]
    with pytest.raises(ApiError, match="too many tools"):
        to_backend(messages=messages, tools=tools(MAX_TOOLS))


def test_deep_nesting_beside_a_nul_is_refused_like_any_other() -> None:
    """Ours: what must be mended is walked, and that has a depth of its own."""
    raw = b'{"model":"\\u0000","a":' + b"[" * 480 + b"]" * 480 + b"}"
    with pytest.raises(ApiError, match="nested too deeply"):
        read_request(raw, RequestLimits())


def test_strings_hold_no_values() -> None:
    """Ours: a long text of commas and brackets is one value."""
    request = read({"metadata": {"user_id": 'a,{["\\' * 300_000}})
    assert request.size > LARGE
