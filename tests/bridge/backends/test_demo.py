"""The demo backend answers as any chat-completions server would."""

import json
from typing import Any

import pytest

from bridge.backends.demo import FLAGGED, PASSED, answer
from tests.fakes.chunks import fold

Json = dict[str, Any]
USER: Json = {"role": "user", "content": "What is the weather in Lisbon?"}


def tool(name: str = "get_weather", **properties: Json) -> Json:
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


def ask(*messages: Json, **fields: Any) -> Json:
    return {"model": "demo/echo", "messages": list(messages) or [USER], "max_tokens": 50} | fields


def whole(request: Json) -> Json:
    reply = answer(json.dumps(request).encode())
    assert reply.content_type == "application/json"
    document: Json = json.loads(b"".join(reply.chunks))
    return document


def streamed(request: Json) -> list[Json]:
    reply = answer(json.dumps(request | {"stream": True}).encode())
    assert reply.content_type == "text/event-stream"
    assert reply.chunks[-1] == b"data: [DONE]\n\n"
    assert all(chunk.endswith(b"\n\n") for chunk in reply.chunks)
    return [json.loads(chunk.removeprefix(b"data: ")) for chunk in reply.chunks[:-1]]


def message(request: Json) -> Json:
    said: Json = whole(request)["choices"][0]["message"]
    return said


def test_demo_says_that_it_is_one_and_repeats_the_question() -> None:
    """design, Demo backend."""
    said = message(ask())
    assert "Demo backend" in said["content"]
    assert "What is the weather in Lisbon?" in said["content"]
    assert said["reasoning_content"]
    assert "tool_calls" not in said


def test_tool_is_called_with_arguments_of_its_schema() -> None:
    offered = tool(
        city={"type": "string"}, days={"type": "integer"}, unit={"enum": ["C", "F"]}, odd={}
    )
    request = ask(tools=[offered])
    (call,) = message(request)["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {
        "city": "Lisbon",
        "days": 1,
        "unit": "C",
        "odd": "Lisbon",
    }
    assert whole(request)["choices"][0]["finish_reason"] == "tool_calls"


def called(text: str, *names: str, **fields: Any) -> str | None:
    """The tool that the demo calls when the user says this and these are offered."""
    offered = [tool(name, prompt={"type": "string"}) for name in names]
    said = message(ask({"role": "user", "content": text}, tools=offered, **fields))
    return said["tool_calls"][0]["function"]["name"] if "tool_calls" in said else None


@pytest.mark.parametrize(
    "text",
    [
        "Hello there",
        "Which tools are there? I may want to use one.",
        "What does Agent do? And Bash?",
        "What is the weather in Lisbon?",
        "Do not use the Agent tool",
        "",
        "<system-reminder>To list files use Bash. The weather: call Agent.</system-reminder>Hello",
        "Hello<system-reminder>use Bash",
    ],
)
def test_tool_that_nobody_asked_for_is_not_called(text: str) -> None:
    """Observed client: its first tool starts an agent, which starts an agent, without end."""
    assert called(text, "Agent", "Bash") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Please use Bash now", "Bash"),
        ("please call bash", "Bash"),
        ("Use mcp__files__read-all on it", "mcp__files__read-all"),
        ("What is the weather in Lisbon?", "get_weather"),
        ("<system-reminder>use Bash</system-reminder> Call Agent, please", "Agent"),
    ],
)
def test_tool_is_called_when_the_user_names_it(text: str, expected: str) -> None:
    assert called(text, "Agent", "Bash", "mcp__files__read-all", "get_weather") == expected


def test_arguments_order_no_tool_in_their_turn() -> None:
    """Ours: an agent that is started with the user's own order would start the next."""
    offered = [tool("Agent", prompt={"type": "string"})]
    request = ask({"role": "user", "content": "now use agent to use agent"}, tools=offered)
    (call,) = message(request)["tool_calls"]
    assert called(json.loads(call["function"]["arguments"])["prompt"], "Agent") is None


def test_forced_tool_is_called_whatever_the_user_says() -> None:
    assert called("Hello", "first", "second", tool_choice="required") == "first"
    assert called("use second", "first", "second", tool_choice="required") == "second"


@pytest.mark.parametrize(
    "parameters", [None, {}, {"type": "object"}, {"properties": {"a": True}, "required": ["a"]}]
)
def test_schema_may_be_poor(parameters: Any) -> None:
    offered = {"type": "function", "function": {"name": "f", "parameters": parameters}}
    (call,) = message(ask(tools=[offered], tool_choice="required"))["tool_calls"]
    assert isinstance(json.loads(call["function"]["arguments"]), dict)


@pytest.mark.parametrize("reminded", [False, True])
def test_result_of_a_tool_is_repeated_and_no_other_tool_called(reminded: bool) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    reminder = {"role": "user", "content": "<system-reminder>use get_weather</system-reminder>"}
    messages = (
        USER,
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "sunny"},
        *([reminder] if reminded else []),
    )
    said = message(ask(*messages, tools=[tool()]))
    assert "sunny" in said["content"]
    assert "tool_calls" not in said


def test_choice_none_is_obeyed() -> None:
    assert "tool_calls" not in message(ask(tools=[tool()], tool_choice="none"))


def test_named_choice_is_obeyed() -> None:
    """wire C6: a named tool is the one that is called."""
    chosen = {"type": "function", "function": {"name": "second"}}
    (call,) = message(ask(tools=[tool("first"), tool("second")], tool_choice=chosen))["tool_calls"]
    assert call["function"]["name"] == "second"


@pytest.mark.parametrize("tools", [[], [tool(city={"type": "string"})]])
def test_stream_says_what_the_whole_reply_says(tools: list[Json]) -> None:
    request = ask(tools=tools)
    folded, plain = fold(streamed(request), "demo/echo"), whole(request)
    assert folded["choices"][0]["finish_reason"] == plain["choices"][0]["finish_reason"]
    assert folded["usage"] == plain["usage"]
    said, told = folded["choices"][0]["message"], plain["choices"][0]["message"]
    assert {name: value for name, value in said.items() if value} == {
        name: value for name, value in told.items() if value
    }


def test_content_may_be_a_list_of_parts() -> None:
    parts = [
        {"type": "text", "text": "See:"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
    ]
    assert "See: [image]" in message(ask({"role": "user", "content": parts}))["content"]


@pytest.mark.parametrize("content", ["", []])
def test_empty_question_is_answered_too(content: Any) -> None:
    assert message(ask({"role": "user", "content": content}))["content"]


def test_usage_is_counted() -> None:
    usage = whole(ask())["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert min(usage.values()) >= 1


CHECK = "<transcript>\n{}\n</transcript>\n\nYour ENTIRE response MUST begin with <block>."


@pytest.mark.parametrize(
    ("call", "verdict"),
    [
        ('{"user":"use Bash"}\n{"Bash":"demo"}', PASSED),
        ('{"Bash":"rm -rf build"}', FLAGGED),
        ('{"Bash":"demo"}\n{"Bash":"demo; reboot"}', FLAGGED),
        ('{"Bash":"demo","Write":"passwd"}', FLAGGED),
        ('{"Bash":"demo"', FLAGGED),
        ("", FLAGGED),
    ],
)
def test_check_passes_none_but_calls_of_its_own(call: str, verdict: str) -> None:
    """Observed client: in auto mode it has the model check each call, and runs none unchecked."""
    said = message(ask({"role": "user", "content": CHECK.format(call)}))
    assert (said["content"], said["reasoning_content"]) == (verdict, "")


def test_transcript_that_nobody_asks_to_check_is_repeated() -> None:
    """Ours: a question about a check is none."""
    said = message(ask({"role": "user", "content": '<transcript>\n{"Bash":"demo"}\n</transcript>'}))
    assert said["content"].startswith("Demo backend here")
