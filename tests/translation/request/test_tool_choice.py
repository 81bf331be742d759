"""Tool choice, and the names of tools on both sides."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.translation.errors.api_error import ApiError
from bridge.translation.request.tools import ToolNames
from bridge.translation.request.translate import TranslationOptions
from tests.shapes import Json
from tests.translation.asking import assistant, call, result, system, to_backend, tool, user

A, X = tool("A"), tool("X")
NAMED = {"type": "function", "function": {"name": "X"}}


def choice(given: Json | None, profile: str = "generic", **fields: Any) -> Json:
    """What the backend gets of a choice between A and X."""
    body = to_backend(profile, tools=[A, X], tool_choice=given, **fields).body
    names = [t["function"]["name"] for t in body["tools"]]
    kept = ("tool_choice", "parallel_tool_calls")
    return {"tools": names} | {name: body[name] for name in kept if name in body}


BOTH = {"tools": ["A", "X"]}
CHOICES: list[tuple[str, Json | None, Json]] = [
    ("absent", None, BOTH),
    ("F49 auto", {"type": "auto"}, BOTH | {"tool_choice": "auto"}),
    ("F49 any", {"type": "any"}, BOTH | {"tool_choice": "required"}),
    ("F49 tool", {"type": "tool", "name": "X"}, BOTH | {"tool_choice": NAMED}),
    ("F49 none", {"type": "none"}, BOTH | {"tool_choice": "none"}),
    (
        "F49 one at a time",
        {"type": "auto", "disable_parallel_tool_use": True},
        BOTH | {"tool_choice": "auto", "parallel_tool_calls": False},
    ),
    (
        "several at a time",
        {"type": "any", "disable_parallel_tool_use": False},
        BOTH | {"tool_choice": "required"},
    ),
]


@pytest.mark.parametrize(("given", "sent"), [c[1:] for c in CHOICES], ids=[c[0] for c in CHOICES])
def test_choice_is_written_as_chat_completions_do(given: Json | None, sent: Json) -> None:
    """The specification, C6."""
    assert choice(given) == sent


def test_f50_named_choice_narrows_the_tools_of_llamacpp() -> None:
    """F50: it takes an object for `auto`, silently."""
    sent = {"tools": ["X"], "tool_choice": "required"}
    assert choice({"type": "tool", "name": "X"}, "llamacpp") == sent


def test_f51_no_tools_means_no_choice() -> None:
    """F51: vLLM answers 400 to an empty list, and to a choice without tools."""
    given = {"type": "auto", "disable_parallel_tool_use": True}
    body = to_backend(tools=[], tool_choice=given).body
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & set(body)


def test_one_call_is_wanted_only_with_tools() -> None:
    """The specification, C6: the flag also holds for what comes back."""
    given = {"type": "any", "disable_parallel_tool_use": True}
    assert to_backend(tools=[A], tool_choice=given).one_call
    assert not to_backend(tools=[], tool_choice=given).one_call
    assert not to_backend(tools=[A], tool_choice={"type": "any"}).one_call


GONE = system({"type": "tool_removal", "tool": {"type": "tool_reference", "name": "X"}})
WEB = {"type": "web_search_20250305", "name": "web_search"}
HIDDEN: list[tuple[str, str, Json]] = [
    ("removed", "X", {"tools": [A, X], "messages": [user("q"), GONE]}),
    ("run elsewhere", "web_search", {"tools": [A, WEB]}),
]


@pytest.mark.parametrize("profile", ["generic", "llamacpp"])
@pytest.mark.parametrize(("name", "fields"), [h[1:] for h in HIDDEN], ids=[h[0] for h in HIDDEN])
def test_choice_of_a_tool_that_is_not_sent_is_refused(
    name: str, fields: Json, profile: str
) -> None:
    """The specification, C0: a backend could only refuse it, or take it for another."""
    with pytest.raises(ApiError, match=r"^tool_choice\.name: ") as caught:
        to_backend(profile, tool_choice={"type": "tool", "name": name}, **fields)
    assert caught.value.status == 400


# --- names ------------------------------------------------------------------------------------

LONG = "mcp__server__" + "x" * 60


def test_f47_long_name_is_shortened_and_restored() -> None:
    """F47: within the profile's limit on the way out, the original on the way back."""
    request = to_backend("openai", tools=[tool(LONG)], tool_choice={"type": "tool", "name": LONG})
    sent = request.body["tools"][0]["function"]["name"]
    assert len(sent) == 64
    assert sent.startswith(LONG[:55] + "_")
    assert request.body["tool_choice"]["function"]["name"] == sent
    assert request.names.to_client(sent) == LONG
    assert to_backend("vllm", tools=[tool(LONG)]).body["tools"][0]["function"]["name"] == LONG


def test_name_in_the_history_is_the_one_that_is_declared() -> None:
    """The specification, C3: through the same map."""
    messages = [user("q"), assistant(call("t1", "a.b c")), user(result("t1", "r"))]
    request = to_backend(tools=[tool("a.b c")], messages=messages)
    declared = request.body["tools"][0]["function"]["name"]
    assert request.body["messages"][1]["tool_calls"][0]["function"]["name"] == declared
    assert declared.startswith("a_b_c_")


def test_operators_map_goes_first() -> None:
    """The specification, C5: backend name -> client name, reversed on the way back."""
    request = to_backend(
        tools=[tool("Bash")], options=TranslationOptions(tool_names={"execute": "Bash"})
    )
    assert request.body["tools"][0]["function"]["name"] == "execute"
    assert request.names.to_client("execute") == "Bash"


def declared(*names: str) -> ToolNames:
    tool_names = ToolNames(128, {"run": "Bash"})
    for name in names:
        tool_names.declare(name)
    return tool_names


BACK: list[tuple[str, ToolNames, str, str]] = [
    ("as declared", declared("Bash"), "run", "Bash"),
    ("F81 in other case", declared("Read"), "READ", "Read"),
    ("F81 the mapped name in other case", declared("Bash"), "RUN", "Bash"),
    ("the client's own name", declared("Bash"), "Bash", "Bash"),
    ("mapped and not declared", declared(), "run", "Bash"),
    ("two that differ by case, exactly", declared("read", "Read"), "read", "read"),
    ("two that differ by case, exactly the other", declared("read", "Read"), "Read", "Read"),
    ("two that differ by case, neither", declared("read", "Read"), "READ", "READ"),
    ("unknown", declared("Read"), "Write", "Write"),
]


@pytest.mark.parametrize(
    ("names", "backend", "client"), [b[1:] for b in BACK], ids=[b[0] for b in BACK]
)
def test_name_that_comes_back_is_the_clients(names: ToolNames, backend: str, client: str) -> None:
    """The specification, D4: corrected when exactly one tool differs by case only."""
    assert names.to_client(backend) == client
