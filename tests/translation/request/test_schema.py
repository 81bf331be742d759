"""What a valid Messages request is: every fault as the vendor words it, and all that passes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bridge.translation.errors.api_error import ApiError
from bridge.translation.request.schema import (
    InputMessage,
    MessagesRequest,
    RequestLimits,
    inner_blocks,
    is_custom,
    read_request,
)
from tests.shapes import Json
from tests.translation.asking import assistant, call, image, result, system, text, tool, user

BODY: Json = {"model": "m", "max_tokens": 5, "messages": [user("hi")]}
LIMITS = RequestLimits()
NOT_JSON = "Request body is not valid JSON"
BLOCKS = "Input should be a string or an array of content blocks"


def read(limits: RequestLimits = LIMITS, **fields: Any) -> MessagesRequest:
    return read_request(json.dumps(BODY | fields).encode(), limits)


def without(name: str) -> bytes:
    return json.dumps({k: v for k, v in BODY.items() if k != name}).encode()


def refused(raw: bytes, limits: RequestLimits = LIMITS) -> tuple[int, str, str]:
    with pytest.raises(ApiError) as caught:
        read_request(raw, limits)
    return caught.value.status, caught.value.type, caught.value.message


RAW_FAULTS: list[tuple[str, bytes, str]] = [
    ("F9 cut", b'{"model":', NOT_JSON),
    ("C0 nothing", b"", NOT_JSON),
    ("C0 no object", b"[1]", NOT_JSON),
    ("C0 no UTF-8", b'{"model": "\xff"}', NOT_JSON),
    ("C0 NaN", b'{"max_tokens": NaN}', NOT_JSON),
    ("C0 model missing", without("model"), "model: Field required"),
    ("C0 messages missing", without("messages"), "messages: Field required"),
    ("C0 max_tokens missing", without("max_tokens"), "max_tokens: Field required"),
    (
        "nested too deeply",
        b'{"metadata": ' + b"[" * 9999 + b"]" * 9999 + b"}",
        "Request body is nested too deeply (limit 100 levels; setting MAX_JSON_DEPTH)",
    ),
    (
        "nested a little too deeply",
        b'{"metadata": ' + b"[" * 100 + b"]" * 100 + b"}",
        "Request body is nested too deeply (limit 100 levels; setting MAX_JSON_DEPTH)",
    ),
]


@pytest.mark.parametrize(
    ("raw", "message"), [f[1:] for f in RAW_FAULTS], ids=[f[0] for f in RAW_FAULTS]
)
def test_body_that_is_no_request_is_refused(raw: bytes, message: str) -> None:
    """The specification, C0."""
    assert refused(raw) == (400, "invalid_request_error", message)


BLOCK_FAULTS: list[tuple[str, Any, str]] = [
    ("a block that is none", "x", ": Input should be an object"),
    ("C0 without type", {"text": "x"}, ".type: Field required"),
    ("type no string", {"type": 5}, ".type: Input should be a valid string"),
    ("text without text", {"type": "text"}, ".text: Field required"),
    ("text no string", {"type": "text", "text": 5}, ".text: Input should be a valid string"),
    ("image without source", {"type": "image"}, ".source: Field required"),
    ("source a text", {"type": "document", "source": "x"}, ".source: Input should be an object"),
    ("thinking without it", {"type": "thinking"}, ".thinking: Field required"),
    ("call without id", {"type": "tool_use", "name": "A"}, ".id: Field required"),
    ("call without name", {"type": "tool_use", "id": "t"}, ".name: Field required"),
    ("result without id", {"type": "tool_result"}, ".tool_use_id: Field required"),
    ("result of a number", result("t", content=5), f".content: {BLOCKS}"),
    ("inside a result", result("t", {"type": "text"}), ".content.0.text: Field required"),
    ("reference", {"type": "tool_reference"}, ".tool_name: Field required"),
]


@pytest.mark.parametrize(
    ("block", "problem"), [f[1:] for f in BLOCK_FAULTS], ids=[f[0] for f in BLOCK_FAULTS]
)
def test_fault_of_a_block_is_named_with_its_place(block: Any, problem: str) -> None:
    """The specification, C0, and the vendor's way of naming places."""
    content = [text("a"), block]
    raw = json.dumps(BODY | {"messages": [user("a"), {"role": "user", "content": content}]})
    expected = f"messages.1.content.1{problem}"
    assert refused(raw.encode()) == (400, "invalid_request_error", expected)


ROLES = "role: Input should be 'user', 'assistant' or 'system'"
NO_INTEGER = "max_tokens: Input should be a valid integer"
NO_SIZE = "max_tokens: Input should be greater than or equal to 0"
NO_SCHEMA = "tools.0.input_schema: Input should be an object"
B = {"type": "tool", "name": "B"}
FAULTS: list[tuple[str, Json, str]] = [
    ("C0 model empty", {"model": ""}, "model: Field required"),
    ("C0 model null", {"model": None}, "model: Field required"),
    ("model no string", {"model": 5}, "model: Input should be a valid string"),
    ("C0 messages empty", {"messages": []}, "messages: at least one message is required"),
    ("messages no list", {"messages": {}}, "messages: Input should be a valid array"),
    ("no message", {"messages": ["x"]}, "messages.0: Input should be an object"),
    ("C0 role", {"messages": [user("a"), {"role": "tool"}]}, f"messages.1.{ROLES}"),
    ("C0 role missing", {"messages": [{"content": "x"}]}, f"messages.0.{ROLES}"),
    ("C0 content", {"messages": [user("a", content=5)]}, f"messages.0.content: {BLOCKS}"),
    ("C0 no content", {"messages": [{"role": "user"}]}, f"messages.0.content: {BLOCKS}"),
    ("C0 an empty system", {"messages": [{"role": "system"}]}, f"messages.0.content: {BLOCKS}"),
    (
        "settings of a message",
        {"messages": [system("x", output_config=5)]},
        "messages.0.output_config: Input should be an object",
    ),
    ("C0 max_tokens negative", {"max_tokens": -1}, NO_SIZE),
    ("C0 max_tokens a fraction", {"max_tokens": 1.5}, NO_INTEGER),
    ("C0 max_tokens a text", {"max_tokens": "5"}, NO_INTEGER),
    ("C0 max_tokens true", {"max_tokens": True}, NO_INTEGER),
    ("C0 max_tokens null", {"max_tokens": None}, "max_tokens: Field required"),
    ("stream", {"stream": "yes"}, "stream: Input should be a valid boolean"),
    ("temperature", {"temperature": "hot"}, "temperature: Input should be a valid number"),
    ("temperature true", {"temperature": True}, "temperature: Input should be a valid number"),
    ("top_k", {"top_k": 1.5}, "top_k: Input should be a valid integer"),
    ("system", {"system": 5}, f"system: {BLOCKS}"),
    ("system block", {"system": [{}]}, "system.0.type: Field required"),
    ("stop", {"stop_sequences": [5]}, "stop_sequences.0: Input should be a valid string"),
    ("tools no list", {"tools": {}}, "tools: Input should be a valid array"),
    ("no tool", {"tools": ["A"]}, "tools.0: Input should be an object"),
    ("its type", {"tools": [{"type": 5}]}, "tools.0.type: Input should be a valid string"),
    ("C0 tool without name", {"tools": [tool("A"), {}]}, "tools.1.name: Field required"),
    (
        "a tool without a name to call",
        {"tools": [tool("")]},
        "tools.0.name: String should have at least 1 character",
    ),
    (
        "a format without its schema",
        {"output_config": {"format": {"type": "json_schema"}}},
        "output_config.format.schema: Field required",
    ),
    (
        "a schema that is none",
        {"output_format": {"type": "json_schema", "schema": 5}},
        "output_format.schema: Input should be an object",
    ),
    ("its schema", {"tools": [tool("A", input_schema="x")]}, NO_SCHEMA),
    ("a vendor's", {"tools": [tool("bash", type="bash_20250124", input_schema=5)]}, NO_SCHEMA),
    (
        "its description",
        {"tools": [tool("A", description=5)]},
        "tools.0.description: Input should be a valid string",
    ),
    (
        "a server tool's name",
        {"tools": [{"type": "web_search_20250305", "name": 5}]},
        "tools.0.name: Input should be a valid string",
    ),
    ("F48 one name", {"tools": [tool("A"), tool("A")]}, "tools: Tool names must be unique."),
    ("tool_choice a text", {"tool_choice": "auto"}, "tool_choice: Input should be an object"),
    (
        "tool_choice unknown",
        {"tool_choice": {"type": "maybe"}},
        "tool_choice.type: Input should be 'auto', 'any', 'tool' or 'none'",
    ),
    ("C0 no name", {"tool_choice": {"type": "tool"}}, "tool_choice.name: Field required"),
    (
        "C0 no such tool",
        {"tools": [tool("A")], "tool_choice": B},
        "tool_choice.name: Tool 'B' not found in provided tools",
    ),
    ("thinking", {"thinking": "on"}, "thinking: Input should be an object"),
    ("metadata", {"metadata": []}, "metadata: Input should be an object"),
]


@pytest.mark.parametrize(("fields", "message"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS])
def test_fault_is_named_with_its_place(fields: Json, message: str) -> None:
    """The specification, C0, and the vendor's way of naming places."""
    raw = json.dumps(BODY | fields).encode()
    assert refused(raw) == (400, "invalid_request_error", message)


def test_too_many_messages_name_the_setting() -> None:
    """The specification, C0 and G9. R11."""
    message = "messages: too many messages (3 > 2; setting MAX_MESSAGES)"
    raw = json.dumps(BODY | {"messages": [user("x")] * 3}).encode()
    assert refused(raw, RequestLimits(max_messages=2)) == (400, "invalid_request_error", message)


TOO_LARGE = (
    "prompt is too long: 26 tokens > 25 maximum (capability_rejected: prompt_too_long). "
    "The content of all messages exceeds 100 bytes (setting MAX_CONTENT_BYTES)"
)
LARGE: list[tuple[str, list[Json]]] = [
    ("text", [user("x" * 101)]),
    ("text of two messages", [user("x" * 51), assistant("y" * 50)]),
    ("text of many bytes", [user("\u20ac" * 34)]),
    ("a call's input", [assistant(call("t", "A", {"x": "y" * 93}))]),
    ("a result", [user(result("t", "x" * 101))]),
    ("text inside a result", [user(result("t", text("x" * 60), text("y" * 41)))]),
]


@pytest.mark.parametrize("messages", [m[1] for m in LARGE], ids=[m[0] for m in LARGE])
def test_too_much_content_is_a_413(messages: list[Json]) -> None:
    """The specification, C0 and G9: text, tool inputs and tool results count."""
    raw = json.dumps(BODY | {"messages": messages}).encode()
    assert refused(raw, RequestLimits(max_content_bytes=100)) == (
        413,
        "request_too_large",
        TOO_LARGE,
    )


def test_media_and_thinking_do_not_count_as_content() -> None:
    """The specification, G9: base64 data is bounded by the body's own limit."""
    messages = [
        user("x" * 100, image(), result("t", image())),
        assistant({"type": "z", "a": "b" * 99}),
    ]
    assert len(read(RequestLimits(max_content_bytes=100), messages=messages).messages) == 2


PASSES: list[tuple[str, Json]] = [
    ("F14 an unknown field", {"never_heard_of": {"a": [1]}}),
    ("F14 an unknown block", {"messages": [user({"type": "hologram", "x": 1})]}),
    ("C0 a budget above max_tokens", {"thinking": {"type": "enabled", "budget_tokens": 9999}}),
    ("null fields", dict.fromkeys(("stream", "system", "tools", "tool_choice", "stop_sequences"))),
    ("F59 max_tokens 0", {"max_tokens": 0}),
    ("a server tool without a name", {"tools": [{"type": "mcp_toolset"}, {"type": "x"}]}),
    ("a result without content", {"messages": [user(result("t"))]}),
    ("a result with null", {"messages": [user(result("t", content=None))]}),
    ("sampling", {"temperature": 1, "top_p": 0.5, "top_k": -1}),
    ("an empty list of blocks", {"messages": [user()]}),
    ("99 levels of nesting", {"metadata": {"x": json.loads("[" * 98 + "]" * 98)}}),
]


@pytest.mark.parametrize("fields", [p[1] for p in PASSES], ids=[p[0] for p in PASSES])
def test_everything_else_passes(fields: Json) -> None:
    """The specification: unknown fields and block types never fail a request."""
    assert read(**fields).model == "m"


def test_request_is_read_into_its_parts() -> None:
    """Ours: the whole request, compared."""
    fields: Json = {
        "stream": True,
        "system": [text("a"), image(), text("b")],
        "tools": [tool("A")],
        "tool_choice": {"type": "any"},
        "stop_sequences": ["x", "", " \n", "y", "x"],
        "messages": [
            user("hi"),
            system(text("s"), clear_at="never", output_config={"effort": "low"}),
            {"role": "system", "output_config": {"effort": 5}},
        ],
    }
    assert read(**fields) == MessagesRequest(
        model="m",
        messages=(
            InputMessage("user", (text("hi"),)),
            InputMessage("system", (text("s"),), "low", "never"),
            InputMessage("system", ()),
        ),
        max_tokens=5,
        stream=True,
        system=("a", "b"),
        tools=(tool("A"),),
        tool_choice={"type": "any"},
        stop_sequences=("x", "y"),
        body=BODY | fields,
    )


def test_f21_string_content_is_one_text_block() -> None:
    """F21: both forms are the same request."""
    as_blocks = read(messages=[{"role": "user", "content": [text("hi")]}])
    assert read().messages == as_blocks.messages


def test_f131_counting_needs_no_max_tokens() -> None:
    """F131: count_tokens takes the same body without it, and still needs messages."""
    assert read_request(without("max_tokens"), RequestLimits(), counting=True).max_tokens == 0
    with pytest.raises(ApiError, match="messages: Field required"):
        read_request(without("messages"), RequestLimits(), counting=True)


def test_characters_that_nothing_can_carry_are_gone() -> None:
    """The specification, C4.12: NUL and unpaired surrogates."""
    raw = b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"a\\u0000b\\ud83dc"}]}'
    assert read_request(raw, RequestLimits()).messages[0].content == (text("abc"),)


@pytest.mark.parametrize(
    ("content", "blocks"),
    [
        (None, ()),
        ("x", (text("x"),)),
        ([text("x"), "y", 5, None], (text("x"), text("y"))),
        ({"a": 1}, ()),
        (text("x") | {}, (text("x"),)),
        (5, ()),
    ],
)
def test_inner_content_is_read_leniently(content: Any, blocks: tuple[Json, ...]) -> None:
    """Ours: what the schema does not check must not break the translation."""
    assert inner_blocks(content) == blocks


@pytest.mark.parametrize(
    ("kind", "custom"), [(None, True), ("custom", True), ("", True), ("bash_20250124", False)]
)
def test_tool_without_a_type_is_the_clients_own(kind: str | None, custom: bool) -> None:
    """API documentation, A7."""
    assert is_custom({"type": kind, "name": "A"}) is custom
