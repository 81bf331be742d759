"""What each family of backends is sent: its own switches, limits and forms."""

from typing import Any

import pytest

from tests.e2e.conftest import Serve
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import Json, call, finish, role, text, usage
from tests.fakes.client import Response

SWITCHES = {
    "reasoning_effort",
    "thinking_token_budget",
    "chat_template_kwargs",
    "reasoning",
    "thinking",
    "include_reasoning",
}
OFF = {"thinking": {"type": "disabled"}}
BUDGET = {"thinking": {"type": "enabled", "budget_tokens": 2048}}
TEMPLATE_ON = {"chat_template_kwargs": {"enable_thinking": True, "thinking": True}}
TEMPLATE_OFF = {"chat_template_kwargs": {"enable_thinking": False, "thinking": False}}
TOOLS = [{"name": name, "input_schema": {"type": "object"}} for name in ("alpha", "beta")]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FORMAT = {"type": "json_schema", "schema": SCHEMA}


def adaptive(effort: str) -> Json:
    return {"thinking": {"type": "adaptive"}, "output_config": {"effort": effort}}


def sent(serve: Serve, backend: FakeBackend, family: str, **fields: Any) -> Json:
    """What the backend of this family got for this request."""
    taken(serve, family, **fields)
    body: Json = backend.calls[-1].body
    return body


def taken(serve: Serve, family: str, **fields: Any) -> Response:
    response = serve(family).client.messages(**fields)
    assert response.status == 200, response.body
    return response


@pytest.mark.parametrize(
    ("family", "asked", "switches"),
    [
        ("vllm", {}, {}),
        ("vllm", OFF, {**TEMPLATE_OFF, "reasoning_effort": "none"}),
        (
            "vllm",
            {"thinking": {"type": "between_tools"}},
            {**TEMPLATE_OFF, "reasoning_effort": "none"},
        ),
        ("vllm", adaptive("low"), {**TEMPLATE_ON, "reasoning_effort": "low"}),
        ("vllm", adaptive("max"), {**TEMPLATE_ON, "reasoning_effort": "high"}),
        (
            "vllm",
            BUDGET,
            {**TEMPLATE_ON, "reasoning_effort": "low", "thinking_token_budget": 2048},
        ),
        ("sglang", OFF, {**TEMPLATE_OFF, "reasoning_effort": "none"}),
        ("llamacpp", OFF, TEMPLATE_OFF),
        ("llamacpp", adaptive("low"), {**TEMPLATE_ON, "reasoning_effort": "low"}),
        ("chutes", OFF, TEMPLATE_OFF),
        ("chutes", adaptive("high"), {**TEMPLATE_ON, "reasoning_effort": "high"}),
        ("ollama", OFF, {"reasoning_effort": "none"}),
        ("openai", adaptive("max"), {"reasoning_effort": "max"}),
        ("openrouter", OFF, {"reasoning": {"enabled": False}}),
        ("openrouter", adaptive("low"), {"reasoning": {"effort": "low"}}),
        ("openrouter", BUDGET, {"reasoning": {"max_tokens": 2048}}),
        ("deepseek", OFF, OFF),
        ("deepseek", adaptive("max"), {"thinking": {"type": "enabled"}, "reasoning_effort": "max"}),
        (
            "deepseek",
            adaptive("xhigh"),
            {"thinking": {"type": "enabled"}, "reasoning_effort": "max"},
        ),
        ("deepseek", {"thinking": {"type": "adaptive"}}, {"thinking": {"type": "enabled"}}),
        ("generic", OFF, {}),
        ("generic", adaptive("high"), {}),
    ],
)
def test_thinking_is_switched_in_the_words_of_the_family(
    serve: Serve, backend: FakeBackend, family: str, asked: Json, switches: Json
) -> None:
    """wire B6, C7, F52 to F54. S15."""
    body = sent(serve, backend, family, max_tokens=4000, **asked)
    assert {name: body[name] for name in SWITCHES & body.keys()} == switches


def test_last_word_about_effort_counts(serve: Serve, backend: FakeBackend) -> None:
    """wire F20: a system message may hold an effort and nothing else."""
    history = [
        {"role": "user", "content": "One."},
        {"role": "assistant", "content": "Two."},
        {"role": "system", "output_config": {"effort": "low"}},
        {"role": "user", "content": "Three."},
    ]
    body = sent(serve, backend, "vllm", messages=history, **adaptive("high"))
    assert body["reasoning_effort"] == "low"
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]


@pytest.mark.parametrize("family", ["vllm", "sglang", "llamacpp", "openrouter", "chutes"])
def test_top_k_is_sent_where_it_is_known(serve: Serve, backend: FakeBackend, family: str) -> None:
    """wire C1, F56."""
    assert sent(serve, backend, family, top_k=40)["top_k"] == 40
    assert "top_k" not in sent(serve, backend, family, top_k=0)


@pytest.mark.parametrize("family", ["generic", "openai", "ollama", "deepseek"])
def test_top_k_is_named_as_dropped_elsewhere(
    serve: Serve, backend: FakeBackend, family: str
) -> None:
    """wire F56: nothing goes missing unsaid."""
    response = taken(serve, family, top_k=40)
    assert "top_k" not in backend.only_call.body
    assert "top_k" in response.headers["x-gateway-dropped"].split(",")


@pytest.mark.parametrize(
    ("family", "member"), [("vllm", "stop_reason"), ("sglang", "matched_stop")]
)
def test_stops_are_split_between_backend_and_gateway(
    serve: Serve, backend: FakeBackend, family: str, member: str
) -> None:
    """wire C8, F57, F85: at most four are sent, and the backend says which one matched."""
    stops = ["S1", "S2", "S3", "S4", "S5", "S6"]
    matched = {"index": 0, "delta": {}, "finish_reason": "stop", member: "S2"}
    backend.on(ALPHA).stream(role(), text("so"), {"choices": [matched]}, usage(5, 1)).stream(
        role(), text("one S"), text("6 two"), finish("stop"), usage(5, 1)
    )
    client = serve(family).client
    for said, stop in (("so", "S2"), ("one ", "S6")):
        with client.stream(stop_sequences=stops) as stream:
            message = stream.message()
        assert message["content"] == [{"type": "text", "text": said}]
        assert (message["stop_reason"], message["stop_sequence"]) == ("stop_sequence", stop)
    assert backend.calls[0].body["stop"] == stops[:4]


@pytest.mark.parametrize("family", ["generic", "llamacpp", "openrouter", "deepseek"])
def test_stops_are_found_by_the_gateway_where_the_backend_cannot_tell(
    serve: Serve, backend: FakeBackend, family: str
) -> None:
    """wire C8: these only say that they stopped."""
    backend.on(ALPHA).answer(role(), text("one EN"), text("D two"), finish("stop"), usage(5, 1))
    message = taken(serve, family, stop_sequences=["END", "\n\n"]).json
    assert message["content"] == [{"type": "text", "text": "one "}]
    assert (message["stop_reason"], message["stop_sequence"]) == ("stop_sequence", "END")
    assert "stop" not in backend.only_call.body


@pytest.mark.parametrize("family", ["generic", "vllm", "deepseek", "openrouter"])
def test_named_choice_is_an_object(serve: Serve, backend: FakeBackend, family: str) -> None:
    """wire C6, F49; backends 1.3: such an answer may end with "stop"."""
    backend.on(ALPHA).answer(role(), call(0, "c1", "beta", "{}"), finish("stop"), usage(5, 1))
    choice = {"type": "tool", "name": "beta"}
    message = taken(serve, family, tools=TOOLS, tool_choice=choice).json
    assert (message["stop_reason"], message["content"][0]["name"]) == ("tool_use", "beta")
    body = backend.only_call.body
    assert body["tool_choice"] == {"type": "function", "function": {"name": "beta"}}
    assert len(body["tools"]) == 2


def test_named_choice_is_the_only_tool_for_llamacpp(serve: Serve, backend: FakeBackend) -> None:
    """wire F50; backends 1.4: the object is silently taken for "auto" there."""
    choice = {"type": "tool", "name": "beta"}
    body = sent(serve, backend, "llamacpp", tools=TOOLS, tool_choice=choice)
    assert [tool["function"]["name"] for tool in body["tools"]] == ["beta"]
    assert body["tool_choice"] == "required"


@pytest.mark.parametrize("family", ["generic", "vllm", "sglang", "llamacpp", "openrouter"])
def test_schema_of_the_answer_is_a_response_format(
    serve: Serve, backend: FakeBackend, family: str
) -> None:
    """wire C1, F55."""
    body = sent(serve, backend, family, output_config={"format": FORMAT})
    assert body["response_format"]["type"] == "json_schema"
    assert body["response_format"]["json_schema"]["schema"] == SCHEMA


def test_schema_of_the_answer_is_a_sentence_for_deepseek(
    serve: Serve, backend: FakeBackend
) -> None:
    """wire C1: it only knows that the answer is some JSON object."""
    body = sent(serve, backend, "deepseek", system="Be brief.", output_config={"format": FORMAT})
    assert body["response_format"] == {"type": "json_object"}
    leading, *others = body["messages"]
    assert leading["role"] == "system"
    assert leading["content"].startswith("Be brief.\n\n")
    assert '"required":["city"]' in leading["content"]
    assert [message["role"] for message in others] == ["user"]


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
def test_schema_of_the_answer_is_a_sentence_beside_tools(
    serve: Serve, backend: FakeBackend, streamed: bool
) -> None:
    """H4: nothing goes missing."""
    response = taken(serve, "vllm", tools=TOOLS, output_config={"format": FORMAT}, stream=streamed)
    body = backend.only_call.body
    assert "response_format" not in body
    assert '"required":["city"]' in body["messages"][0]["content"]
    assert "format" not in response.headers.get("x-gateway-dropped", "")


CLAUDE_CODE = {"user-agent": "claude-cli/2.1.328 (external, cli)"}


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize(
    ("family", "off"),
    [
        ("vllm", {**TEMPLATE_OFF, "reasoning_effort": "none"}),
        ("sglang", {**TEMPLATE_OFF, "reasoning_effort": "none"}),
        ("deepseek", OFF),
        ("llamacpp", TEMPLATE_OFF),
    ],
)
def test_silence_of_claude_code_switches_thinking_off(
    serve: Serve, backend: FakeBackend, family: str, off: Json, streamed: bool
) -> None:
    """H3: other clients' silence leaves it to the model."""
    asked: Json = {"output_config": {"effort": "high"}, "stream": streamed}
    for headers, switches in ((CLAUDE_CODE, off), ({}, {})):
        assert serve(family).client.messages(headers, **asked).status == 200
        body = backend.calls[-1].body
        assert {name: body[name] for name in SWITCHES & body.keys()} == switches
