"""Tools: which of them a backend sees, how each is written, and what it must choose."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.translation.errors.api_error import ApiError
from bridge.translation.request.translate import TranslationOptions
from tests.shapes import Json
from tests.translation.asking import (
    assistant,
    call,
    result,
    sent_messages,
    system,
    to_backend,
    tool,
    user,
)

EMPTY = {"type": "object", "properties": {}}


def names(**fields: Any) -> list[str]:
    """Names of the tools that the backend sees."""
    return [t["function"]["name"] for t in to_backend(**fields).body.get("tools", [])]


def function(given: Json, profile: str = "generic") -> Json:
    """The one function that this tool becomes."""
    sent: Json = to_backend(profile, tools=[given]).body["tools"][0]
    assert sent["type"] == "function"
    inner: Json = sent["function"]
    return inner


# --- which are visible ------------------------------------------------------------------------

A, B = tool("A"), tool("B", defer_loading=True)
SEARCH = {"type": "tool_search_tool_bm25_20251119", "name": "tool_search_tool_bm25"}
WEB = {"type": "web_search_20250305", "name": "web_search"}
DUMMY = tool("DeferredToolPlaceholder", defer_loading=True)
REFERENCE = {"type": "tool_reference", "tool_name": "B"}


def change(kind: str, **change: Any) -> Json:
    return system({"type": f"tool_{kind}", "tool": change})


ADDS_B = change("addition", type="tool_reference", name="B")
DROPS_B = change("removal", type="tool_reference", name="B")
DROPS_A = change("removal", type="tool_reference", tool_name="A")
DEFINES_C = change("addition", type="tool_definition", definition=tool("C", description="new"))
Q = user("q")
LOADED = [assistant(call("t1", "Search")), user(result("t1", REFERENCE))]
USED = [assistant(call("t1", "B")), user(result("t1", "r"))]
NAMES_B = {"type": "tool", "name": "B"}
VISIBLE: list[tuple[str, Json, list[str]]] = [
    ("F42 a deferred tool that nobody named", {}, ["A"]),
    ("F43 a reference in a result", {"messages": [Q, *LOADED]}, ["A", "B"]),
    ("F44 a vendor's search tool", {"tools": [A, B, SEARCH]}, ["A", "B"]),
    ("C5b an addition", {"messages": [Q, ADDS_B]}, ["A", "B"]),
    ("C5d a call in the history", {"messages": [Q, *USED]}, ["A", "B"]),
    ("C5e the choice", {"tool_choice": NAMES_B}, ["A", "B"]),
    ("a removal", {"messages": [Q, DROPS_A]}, []),
    ("a removal behind an addition", {"messages": [Q, ADDS_B, DROPS_B]}, ["A"]),
    ("an addition behind a removal", {"messages": [Q, DROPS_B, ADDS_B]}, ["A", "B"]),
    ("a removal of a loaded tool", {"messages": [Q, *LOADED, DROPS_B]}, ["A"]),
    ("a definition in a message", {"messages": [Q, DEFINES_C]}, ["A", "C"]),
    ("an addition of nobody", {"messages": [Q, change("addition", name="Z")]}, ["A"]),
    ("an addition of nothing", {"messages": [Q, system({"type": "tool_addition"})]}, ["A"]),
    ("a change told by the user", {"messages": [user("q", ADDS_B["content"][0])]}, ["A"]),
    ("Claude Code's dummy", {"tools": [A, DUMMY, SEARCH]}, ["A"]),
    ("only the dummy", {"tools": [DUMMY]}, []),
    ("a reference outside a result", {"messages": [user("q", REFERENCE)]}, ["A", "B"]),
]


@pytest.mark.parametrize(("fields", "sent"), [v[1:] for v in VISIBLE], ids=[v[0] for v in VISIBLE])
def test_tool_is_sent_once_something_has_named_it(fields: Json, sent: list[str]) -> None:
    """The specification, C5; Claude Code observed deferring most of its tools."""
    assert names(**({"tools": [A, B]} | fields)) == sent


def test_f43_loaded_tool_is_told_in_the_result() -> None:
    """F43: the tool message says what was loaded."""
    assert sent_messages(Q, *LOADED)[2]["content"] == "Loaded tool: B"


@pytest.mark.parametrize(
    "definition", [{"name": "C", "input_schema": "x"}, {"input_schema": {}}, 5]
)
def test_definition_in_a_message_is_read_leniently(definition: Any) -> None:
    """Ours: what the schema does not check must not break the translation."""
    added = change("addition", type="tool_definition", definition=definition)
    assert set(names(tools=[A], messages=[Q, added])) <= {"A", "C"}


# --- tools that run elsewhere -----------------------------------------------------------------

KINDS = [
    "web_search_20250305",
    "web_fetch_20250910",
    "code_execution_20250522",
    "tool_search_tool_regex_20251119",
    "advisor_20260301",
    "mcp_toolset",
]


@pytest.mark.parametrize("kind", KINDS)
def test_f45_server_tool_alone_is_refused_and_beside_others_dropped(kind: str) -> None:
    """F45: Claude Code's WebSearch would take an invented answer for results."""
    server = {"type": kind, "name": "s"}
    with pytest.raises(ApiError) as caught:
        to_backend(tools=[server])
    message = f"tools.0: {kind} is a server tool and is not available on this gateway"
    assert (caught.value.status, caught.value.message) == (400, message)
    request = to_backend(tools=[server, A])
    assert (len(request.body["tools"]), request.dropped) == (1, (kind,))


def test_server_tools_may_always_be_dropped_or_always_refused() -> None:
    """The specification, C5: the setting SERVER_TOOLS."""
    alone = to_backend(
        tools=[WEB], options=TranslationOptions(server_tools="drop"), tool_choice={"type": "any"}
    )
    assert alone.dropped == ("web_search_20250305",)
    assert not {"tools", "tool_choice"} & set(alone.body)
    with pytest.raises(ApiError, match="tools.1: web_search_20250305 is a server tool"):
        to_backend(tools=[A, WEB], options=TranslationOptions(server_tools="error"))


def test_f44_search_tool_beside_deferred_tools_is_dropped() -> None:
    """F44: the deferred ones count as others."""
    request = to_backend(tools=[B, SEARCH])
    assert (len(request.body["tools"]), request.dropped) == (1, (SEARCH["type"],))


@pytest.mark.parametrize("kind", ["computer_toolset_20260801", "browser_toolset_20260801"])
def test_toolsets_are_refused(kind: str) -> None:
    """The specification, C5."""
    with pytest.raises(ApiError, match="tools.1: toolsets are not supported by this gateway"):
        to_backend(tools=[A, {"type": kind}])


# --- how each is written ----------------------------------------------------------------------

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
WITH_DEFS = {"type": "object", "properties": {}, "$defs": {}}
IGNORED = {
    "cache_control": {},
    "allowed_callers": [],
    "eager_input_streaming": True,
    "strict": True,
    "type": "custom",
}
ONE, THREE = 'Examples: [{"a":1}]', 'Examples: [{"a":1},{"a":2},{"a":3}]'
SHOWN = [{"a": n} for n in (1, 2, 3, 4)]
# what the tool has, its description, its parameters
WRITTEN: list[tuple[str, Json, str | None, Json]] = [
    ("everything", {"description": "d", "input_schema": SCHEMA}, "d", SCHEMA),
    ("no description", {"input_schema": SCHEMA}, None, SCHEMA),
    ("an empty description", {"description": ""}, None, EMPTY),
    (
        "no type",
        {"input_schema": {"properties": {"a": {}}}},
        None,
        EMPTY | {"properties": {"a": {}}},
    ),
    ("no properties", {"input_schema": {"type": "object", "$defs": {}}}, None, WITH_DEFS),
    ("no schema", {"input_schema": None}, None, EMPTY),
    ("examples", {"description": "d", "input_examples": SHOWN}, f"d\n\n{THREE}", EMPTY),
    ("examples alone", {"input_examples": [{"a": 1}]}, ONE, EMPTY),
    ("no examples", {"description": "d", "input_examples": []}, "d", EMPTY),
    ("what only the vendor reads", IGNORED, None, EMPTY),
]


@pytest.mark.parametrize(
    ("given", "description", "parameters"), [w[1:] for w in WRITTEN], ids=[w[0] for w in WRITTEN]
)
def test_custom_tool_becomes_a_function(
    given: Json, description: str | None, parameters: Json
) -> None:
    """The specification, C5."""
    described = {} if description is None else {"description": description}
    expected = {"name": "A", **described, "parameters": parameters}
    assert function(tool("A") | given) == expected


@pytest.mark.parametrize(
    ("strict", "sent"), [(True, {"strict": True}), (False, {"strict": False}), (None, {})]
)
def test_strictness_goes_where_it_is_known(strict: bool | None, sent: Json) -> None:
    """The specification, C5: as given, on profiles that accept it."""
    given = tool("A") | ({} if strict is None else {"strict": strict})
    assert function(given, "openai") == {"name": "A", "parameters": EMPTY} | sent
    assert "strict" not in function(given, "vllm")


FANCY: Json = {
    "$schema": "x",
    "$id": "y",
    "type": "object",
    "properties": {
        "pattern": {"type": "string", "pattern": "^a", "minLength": 1, "maxLength": 5000},
        "when": {
            "anyOf": [{"type": "string", "format": "date"}, {"type": "null"}],
            "default": None,
        },
        "n": {"type": "integer", "default": 0, "enum": [0, 1]},
        "properties": {"type": "object", "properties": {"format": {"type": "string"}}},
    },
    "required": ["pattern"],
    "$defs": {"d": {"maxLength": 1000}},
}
PLAIN: Json = {
    "type": "object",
    "properties": {
        "pattern": {"type": "string", "minLength": 1},
        "when": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "n": {"type": "integer", "default": 0, "enum": [0, 1]},
        "properties": {"type": "object", "properties": {"format": {"type": "string"}}},
    },
    "required": ["pattern"],
    "$defs": {"d": {"maxLength": 1000}},
}


def test_schema_is_cleaned_for_a_grammar_compiler() -> None:
    """The specification, C5: never what changes which arguments there are."""
    assert function(tool("A", input_schema=FANCY), "llamacpp")["parameters"] == PLAIN
    assert function(tool("A", input_schema=FANCY), "generic")["parameters"] == FANCY
