"""Tools through the official SDK: definitions, round trips, parallel calls, the tool runner."""

import json

from anthropic import Anthropic, beta_tool
from anthropic.types import MessageParam, ToolParam

from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import arguments, call, finish, role, text, usage

ASK: list[MessageParam] = [{"role": "user", "content": "Weather in Oslo and Rome?"}]
WEATHER: ToolParam = {
    "name": "get_weather",
    "description": "The weather of a city.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}


def test_tool_round_trip(sdk: Anthropic, backend: FakeBackend) -> None:
    """API documentation: call, result, answer; observed backends: the tool role with its call.

    P3, R14.
    """
    backend.on(ALPHA).answer(
        role(),
        text("Let me look."),
        call(0, "call_1", "get_weather"),
        arguments(0, '{"city":'),
        arguments(0, '"Oslo"}'),
        finish("tool_calls"),
        usage(50, 20),
    ).answer(role(), text("Snow."), finish("stop"), usage(80, 2))
    first = sdk.messages.create(model=ALPHA, max_tokens=100, messages=ASK, tools=[WEATHER])
    said, made = first.content
    assert said.type == "text" and said.text == "Let me look."
    assert made.type == "tool_use"
    assert (made.name, made.input, first.stop_reason) == (
        "get_weather",
        {"city": "Oslo"},
        "tool_use",
    )

    second = sdk.messages.create(
        model=ALPHA,
        max_tokens=100,
        tools=[WEATHER],
        messages=[
            *ASK,
            {"role": "assistant", "content": first.content},
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": made.id, "content": "-3, snow"}],
            },
        ],
    )
    assert second.content[0].to_dict() == {"type": "text", "text": "Snow."}
    _, assistant, result = backend.calls[1].body["messages"]
    (sent,) = assistant["tool_calls"]
    assert (assistant["role"], assistant["content"]) == ("assistant", "Let me look.")
    assert sent["function"]["name"] == "get_weather"
    assert json.loads(sent["function"]["arguments"]) == {"city": "Oslo"}
    assert result == {"role": "tool", "tool_call_id": sent["id"], "content": "-3, snow"}


def test_tool_definition_reaches_the_backend(sdk: Anthropic, backend: FakeBackend) -> None:
    """Observed backends: functions with parameters, and a choice in their words."""
    sdk.messages.create(
        model=ALPHA,
        max_tokens=100,
        messages=ASK,
        tools=[WEATHER | {"cache_control": {"type": "ephemeral"}}],
        tool_choice={"type": "any", "disable_parallel_tool_use": True},
    )
    body = backend.only_call.body
    assert body["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "get_weather",
                "description": "The weather of a city.",
                "parameters": WEATHER["input_schema"],
            },
        }
    ]
    assert (body["tool_choice"], body["parallel_tool_calls"]) == ("required", False)


def test_parallel_calls_become_blocks_one_after_the_other(
    sdk: Anthropic, backend: FakeBackend
) -> None:
    """Observed backends: fragments of several calls come interleaved; clients want whole blocks.

    P4, F71.
    """
    backend.on(ALPHA).answer(
        role(),
        call(0, "call_1", "get_weather", '{"city":'),
        call(1, "call_2", "get_weather", '{"city":"Rome"}'),
        arguments(0, '"Oslo"}'),
        finish("tool_calls"),
        usage(50, 20),
    )
    plain = sdk.messages.create(model=ALPHA, max_tokens=100, messages=ASK, tools=[WEATHER])
    with sdk.messages.stream(model=ALPHA, max_tokens=100, messages=ASK, tools=[WEATHER]) as stream:
        streamed = stream.get_final_message()
    for message in (plain, streamed):
        assert [block.to_dict().get("input") for block in message.content] == [
            {"city": "Oslo"},
            {"city": "Rome"},
        ]
        assert len({block.to_dict()["id"] for block in message.content}) == 2
        assert message.stop_reason == "tool_use"


def test_results_of_parallel_calls_follow_their_calls(sdk: Anthropic, backend: FakeBackend) -> None:
    """Observed backends: every call is answered by a tool message before anything else comes.

    S17.
    """
    sdk.messages.create(
        model=ALPHA,
        max_tokens=100,
        tools=[WEATHER],
        messages=[
            *ASK,
            {
                "role": "assistant",
                "content": [
                    {"type": "tool_use", "id": name, "name": "get_weather", "input": {"city": name}}
                    for name in ("Oslo", "Rome")
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "Oslo", "content": "snow"},
                    {
                        "type": "tool_result",
                        "tool_use_id": "Rome",
                        "content": [{"type": "text", "text": "no data"}],
                        "is_error": True,
                    },
                    {"type": "text", "text": "And Paris?"},
                ],
            },
        ],
    )
    sent = backend.only_call.body["messages"][2:]
    assert sent == [
        {"role": "tool", "tool_call_id": "Oslo", "content": "snow"},
        {"role": "tool", "tool_call_id": "Rome", "content": "Error: no data"},
        {"role": "user", "content": "And Paris?"},
    ]


def test_tool_runner_comes_to_its_end(sdk: Anthropic, backend: FakeBackend) -> None:
    """Observed client: the runner asks for a server-held thread first and must be told no."""
    asked: list[str] = []

    @beta_tool
    def get_weather(city: str) -> str:
        """The weather of a city."""
        asked.append(city)
        return "snow"

    backend.on(ALPHA).answer(
        role(),
        call(0, "call_1", "get_weather", '{"city":"Oslo"}'),
        finish("tool_calls"),
        usage(50, 20),
    ).answer(role(), text("Snow in Oslo."), finish("stop"), usage(80, 4))
    runner = sdk.beta.messages.tool_runner(
        model=ALPHA,
        max_tokens=100,
        tools=[get_weather],
        messages=[{"role": "user", "content": "Weather in Oslo?"}],
    )
    final = runner.until_done()
    assert asked == ["Oslo"]
    assert final.content[0].to_dict() == {"type": "text", "text": "Snow in Oslo."}
    roles = [message["role"] for message in backend.calls[-1].body["messages"]]
    assert roles == ["user", "assistant", "tool"]
