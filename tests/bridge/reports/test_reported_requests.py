"""Requests that lost something on the way to the backend, or were refused for a trifle."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.runtime.gateway import Gateway
from bridge.translation.profiles import PROFILES
from tests.bridge.making import facts
from tests.bridge.pairs import with_main
from tests.bridge.reports.playing import BASH, BOTH, calls, fragment, message_of
from tests.bridge.roads import send
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import delta, finish, reasoning, text, usage
from tests.shapes import Json

USER: Json = {"role": "user", "content": "go"}


def calling(**members: Any) -> Json:
    block = {"type": "tool_use", "id": "t", "name": "Bash", "input": {"command": "ls"}}
    return {"role": "assistant", "content": [block | members]}


def resulting(content: Any = "ok") -> Json:
    block = {"type": "tool_result", "tool_use_id": "t", "content": content}
    return {"role": "user", "content": [block]}


def image(**source: Any) -> Json:
    return {"messages": [{"role": "user", "content": [{"type": "image", "source": source}]}]}


LENIENT: list[tuple[str, Json, list[Any], Any]] = [
    (
        "U27 an input that is JSON text",
        {"messages": [USER, calling(input='{"command": "ls"}'), resulting()]},
        ["messages", 1, "tool_calls", 0, "function", "arguments"],
        '{"command":"ls"}',
    ),
    ("U27 a whole number with a point", {"max_tokens": 1000.0}, ["max_tokens"], 1000),
    (
        "U27 a result that is one block",
        {"messages": [USER, calling(), resulting({"type": "text", "text": "ok"})]},
        ["messages", 2, "content"],
        "ok",
    ),
    (
        "U27 a source without a type",
        image(media_type="image/png", data="AAAA"),
        ["messages", 0, "content", 0, "image_url", "url"],
        "data:image/png;base64,AAAA",
    ),
    (
        "U27 a data URL as data",
        image(type="base64", media_type="image/png", data="data:image/png;base64,AAAA"),
        ["messages", 0, "content", 0, "image_url", "url"],
        "data:image/png;base64,AAAA",
    ),
    (
        "U27 image/jpg",
        image(type="base64", media_type="image/jpg", data="AAAA"),
        ["messages", 0, "content", 0, "image_url", "url"],
        "data:image/jpeg;base64,AAAA",
    ),
    *(
        (
            f"U28 {name}",
            {"tools": [{"name": "Bash", "input_schema": schema}]},
            ["tools", 0, "function", "parameters"],
            {"type": "object", "properties": {}},
        )
        for name, schema in (
            ("a schema of a text", {"type": "string"}),
            ("null for properties", {"type": "object", "properties": None}),
            ("null for required", {"type": "object", "properties": {}, "required": None}),
            ("a list of types", {"type": ["object", "null"], "properties": {}}),
        )
    ),
]


@BOTH
@pytest.mark.parametrize(
    ("fields", "place", "value"), [item[1:] for item in LENIENT], ids=[item[0] for item in LENIENT]
)
async def test_odd_request_reaches_the_backend_in_good_form(
    engine: Gateway, backend: FakeBackend, stream: bool, fields: Json, place: list[Any], value: Any
) -> None:
    """U28: LiteLLM and vLLM take these; the meaning is plain."""
    answer = await send(engine, **{"tools": [BASH], "stream": stream} | fields)
    assert message_of(answer)["type"] == "message"
    found = backend.only_call.body
    for step in place:
        found = found[step]
    assert found == value


@BOTH
async def test_input_that_is_no_json_is_not_lost(
    engine: Gateway, backend: FakeBackend, stream: bool
) -> None:
    """U27: {} in its place would tell the model that it had said nothing."""
    messages = [USER, calling(input="ls -la"), resulting()]
    await send(engine, stream=stream, messages=messages, tools=[BASH])
    (made,) = backend.only_call.body["messages"][1]["tool_calls"]
    assert made["function"]["arguments"] == '{"value":"ls -la"}'


@BOTH
async def test_field_that_no_backend_takes_is_named(
    engine: Gateway, backend: FakeBackend, stream: bool
) -> None:
    """U29: cache_salt, min_p and others of CLAUDE_CODE_EXTRA_BODY."""
    extra = {"cache_salt": "x", "min_p": 0.1, "repetition_penalty": 1.1}
    answer = await send(engine, stream=stream, **extra)
    assert set(extra) <= set(answer.head.headers["x-gateway-dropped"].split(","))
    assert not set(extra) & set(backend.only_call.body)


THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "s"}
HISTORY = [
    USER,
    {"role": "assistant", "content": [THOUGHT, calling()["content"][0]]},
    resulting(),
    {
        "role": "assistant",
        "content": [THOUGHT | {"thinking": "So."}, {"type": "text", "text": "a"}],
    },
    {"role": "user", "content": "next"},
]


@BOTH
@pytest.mark.parametrize("family", ["vllm", "sglang", "chutes", "llamacpp"])
@pytest.mark.parametrize(
    ("turns", "sent"), [("", ["Hm.", "So."]), ("none", []), ("tools", ["Hm."])]
)
async def test_template_decides_what_of_earlier_reasoning_stays(
    engine: Gateway, backend: FakeBackend, stream: bool, family: str, turns: str, sent: list[str]
) -> None:
    """U30: omlx PR#814, mlx-lm#704, zeroclaw#10786; with a switch for each model."""
    models = facts(ALPHA, reasoning_turns=turns)
    with_main(engine, profile=PROFILES[family], models=models)
    await send(engine, stream=stream, messages=HISTORY, tools=[BASH])
    found = [m.get("reasoning_content") for m in backend.only_call.body["messages"]]
    assert [thought for thought in found if thought] == sent


@BOTH
@pytest.mark.parametrize(
    ("family", "effort", "sent"),
    [("deepseek", "xhigh", "max"), ("deepseek", "medium", "high"), ("vllm", "xhigh", "high")],
)
async def test_effort_is_the_nearest_that_the_family_has(
    engine: Gateway, backend: FakeBackend, stream: bool, family: str, effort: str, sent: str
) -> None:
    """U31: SillyTavern#5526: the vendor takes xhigh for max."""
    with_main(engine, profile=PROFILES[family])
    asked = {"thinking": {"type": "adaptive"}, "output_config": {"effort": effort}}
    await send(engine, stream=stream, **asked)
    assert backend.only_call.body["reasoning_effort"] == sent


GOOGLE = {"google": {"thought_signature": "c2lnbmVk"}}
UNSIGNED = {"google": {"thought_signature": "skip_thought_signature_validator"}}
DEMANDS = [
    "Function call is missing a thought_signature in functionCall parts. This is required for "
    "tools to work correctly.",
    "Provider API error: Unable to submit request because function call `default_api:Bash` in the "
    "3. content block is missing a `thought_signature`.",
]


@BOTH
@pytest.mark.parametrize("demand", DEMANDS, ids=["Gemini", "Vertex, behind a relay"])
async def test_calls_of_another_model_are_marked_where_a_signature_is_demanded(
    engine: Gateway, backend: FakeBackend, stream: bool, demand: str
) -> None:
    """vercel/ai#15550, pi#1829, new-api#2257: a session that changes to Gemini lives on, and the
    next request meets no refusal."""
    backend.on(ALPHA).error(400, demand).answer(text("a"), finish("stop"))
    two: list[Json] = [
        {"type": "tool_use", "id": i, "name": "Bash", "input": {}} for i in ("a", "b")
    ]
    results = [{"type": "tool_result", "tool_use_id": i, "content": "ok"} for i in ("a", "b")]
    turns = [USER, {"role": "assistant", "content": two}, {"role": "user", "content": results}]
    for _ in range(2):
        answer = await send(engine, stream=stream, messages=turns, tools=[BASH])
        assert message_of(answer)["content"][0]["text"] == "a"
    first, *rest = (call.body["messages"][1]["tool_calls"] for call in backend.calls)
    assert [call.get("extra_content") for call in first] == [None, None]
    for calls_sent in rest:
        assert [call.get("extra_content") for call in calls_sent] == [UNSIGNED, None]
    assert len(rest) == 2


SEALED = {"type": "reasoning.encrypted", "data": "c2VhbGVk", "format": "x", "index": 0}
ENDING = (finish("tool_calls"), usage(5, 2))
SIGNED = (calls(fragment(index=0, id="c1", extra_content=GOOGLE)), *ENDING)
WRAPPED = (delta(reasoning_details=[SEALED]), calls(fragment(index=0, id="c1")), *ENDING)


@BOTH
@pytest.mark.parametrize(
    ("family", "steps", "member"),
    [("gemini", SIGNED, "extra_content"), ("openrouter", WRAPPED, "reasoning_details")],
)
async def test_what_a_vendor_signed_comes_back_with_the_next_turn(
    engine: Gateway, backend: FakeBackend, stream: bool, family: str, steps: Any, member: str
) -> None:
    """U34: openhuman#3548, openclaude#67, OpenHarness PR#338, picoclaw#3230: else it is refused."""
    with_main(engine, profile=PROFILES[family])
    backend.on(ALPHA).stream(*steps)
    content = message_of(await send(engine, stream=stream, tools=[BASH]))["content"]
    result = {"type": "tool_result", "tool_use_id": content[-1]["id"], "content": "ok"}
    turns = [USER, {"role": "assistant", "content": content}, {"role": "user", "content": [result]}]
    await send(engine, stream=stream, messages=turns, tools=[BASH])
    sent = backend.calls[-1].body["messages"][1]
    found = sent["tool_calls"][0].get(member) if member == "extra_content" else sent.get(member)
    assert found == (GOOGLE if member == "extra_content" else [SEALED])


@BOTH
@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
async def test_field_in_which_a_model_reasons_comes_back_without_a_word_of_the_operator(
    engine: Gateway, backend: FakeBackend, stream: bool, field: str
) -> None:
    """U6: claude-code-router#1400, new-api#3121: learnt from the answer, at any address."""
    steps = (reasoning("Hm.", field), calls(fragment(index=0, id="c1")), *ENDING)
    backend.on(ALPHA).stream(*steps).answer(text("a"), finish("stop"))
    content = message_of(await send(engine, stream=stream, tools=[BASH]))["content"]
    result = {"type": "tool_result", "tool_use_id": "c1", "content": "ok"}
    turns = [USER, {"role": "assistant", "content": content}, {"role": "user", "content": [result]}]
    await send(engine, stream=stream, messages=turns, tools=[BASH])
    assert backend.calls[-1].body["messages"][1][field] == "Hm."
