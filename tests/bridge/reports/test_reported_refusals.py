"""Refusals that ended sessions: mended by one more try, or worded so that clients can act."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.runtime.gateway import Gateway
from bridge.translation.profiles import PROFILES
from tests.bridge.making import facts
from tests.bridge.pairs import with_main
from tests.bridge.reports.playing import BASH, BOTH, message_of, quoted, worded
from tests.bridge.roads import send
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import finish, role, text, usage
from tests.shapes import Json

GOOD = (role(), text("Hello"), finish("stop"), usage(5, 2))
PICTURE = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
SEEN = [{"role": "user", "content": [{"type": "image", "source": PICTURE}]}]
RESULT = {"type": "tool_result", "tool_use_id": "t", "content": "ok"}
TURN = [
    {"role": "user", "content": "go"},
    {
        "role": "assistant",
        "content": [{"type": "tool_use", "id": "t", "name": "Bash", "input": {}}],
    },
    {"role": "user", "content": [RESULT]},
]
STRICT = {"name": "Bash", "input_schema": {"properties": {"a": {"pattern": "^(?!x)"}}}}
LONG: Json = {"max_tokens": 32000}
IMAGES: Json = {"messages": SEEN}
HISTORY: Json = {"messages": TURN, "tools": [BASH]}


OPENAI = (
    "max_tokens is too large: 32000. This model supports at most 16384 completion tokens, whereas "
    "you provided 32000."
)
DASHSCOPE = worded(
    "<400> InternalError.Algo.InvalidParameter: Range of max_tokens should be [1, 8192]"
)
GROQ = worded(
    "`max_tokens` must be less than or equal to `8192`, the maximum value for `max_tokens` is less "
    "than the `context_window` for this model",
    type="invalid_request_error",
)
MENDED: list[tuple[str, Json, Json, str]] = [
    ("U1 openclaude#35", worded(OPENAI, param="max_tokens"), LONG, "max_output 16384"),
    (
        "U2 claude-code-router#1327, opencode#40770",
        worded("Invalid max_tokens value, the valid range of max_tokens is [1, 8192]"),
        LONG,
        "max_output 8192",
    ),
    ("U2 CLIProxyAPI#599", DASHSCOPE, LONG, "max_output 8192"),
    ("U2 llm-gateway#1177", GROQ, LONG, "max_output 8192"),
    ("U2 behind a router", quoted(GROQ), LONG, "max_output 8192"),
    (
        "U7 openclaude#1071, DeepSeek-Reasonix#7136",
        worded("Failed to deserialize: messages[0]: unknown variant `image_url`, expected `text`"),
        IMAGES,
        "vision no",
    ),
    (
        "U7 of certain models",
        worded("image_url is only supported by certain models."),
        IMAGES,
        "vision no",
    ),
    ("U7 mlx-lm", worded("Only 'text' content type is supported."), IMAGES, "vision no"),
    ("U7 shelley#224", worded("image input not supported by model"), IMAGES, "vision no"),
    (
        "U7 picoclaw#2718",
        worded("This model does not support multimodal inputs"),
        IMAGES,
        "vision no",
    ),
    (
        "U7 cc-switch#7536",
        {
            "detail": [
                {
                    "loc": ["body", "messages", 0, "user", "content", "str"],
                    "msg": "Input should be a valid string",
                }
            ]
        },
        IMAGES,
        "vision no",
    ),
    (
        "U4 an image behind a router",
        quoted(worded("No endpoints found that support image input")),
        IMAGES,
        "vision no",
    ),
    (
        "U6 claude-code-router#1400, cc-switch#3219",
        worded(
            "thinking is enabled but reasoning_content is missing in assistant tool call "
            "message at index 1"
        ),
        HISTORY,
        "reasoning_demanded reasoning_content",
    ),
    (
        "U6 9router#355, claude-code#62995",
        worded("The `reasoning_content` in the thinking mode must be passed back to the API."),
        HISTORY,
        "reasoning_demanded reasoning_content",
    ),
    (
        "U6 awesome-deepseek-agent#63",
        worded("Missing `reasoning_content` field in the assistant message"),
        HISTORY,
        "reasoning_demanded reasoning_content",
    ),
    (
        "U6 behind a router",
        quoted(worded("Missing `reasoning_content` field")),
        HISTORY,
        "reasoning_demanded reasoning_content",
    ),
    (
        "U24 lmstudio#2220",
        worded("Error: failed to parse grammar"),
        {"tools": [STRICT]},
        "narrow_schemas",
    ),
    (
        "U33 bike4mind PR#1089",
        worded("invalid temperature: only 1 is allowed for this model"),
        {"temperature": 0.5},
        "refuses temperature",
    ),
]


@BOTH
@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize(
    ("body", "fields", "fact"), [s[1:] for s in MENDED], ids=[s[0] for s in MENDED]
)
async def test_refusal_is_mended_once_and_respected_from_then_on(
    engine: Gateway,
    backend: FakeBackend,
    stream: bool,
    status: int,
    body: Json,
    fields: Json,
    fact: str,
) -> None:
    """Nobody can change these fields inside an agent."""
    backend.on(ALPHA).json(body, status).answer(*GOOD)
    for _ in range(2):
        answer = await send(engine, stream=stream, **fields)
        assert message_of(answer)["content"] == [{"type": "text", "text": "Hello"}]
    assert len(backend.calls) == 3
    assert backend.calls[1].raw == backend.calls[2].raw != backend.calls[0].raw
    assert [str(new.fact) for new in engine.learned.new] == [fact]


RAISED: list[tuple[str, int, Any, tuple[int, str], str]] = [
    (
        "U1 too much wanted is no overflow",
        400,
        worded(OPENAI),
        (400, "invalid_request_error"),
        "max_tokens is too large",
    ),
    (
        "U4 opencode-go-copilot#1, whose rate limit",
        429,
        quoted("openai/gpt-oss is temporarily rate-limited upstream", "Chutes"),
        (429, "rate_limit_error"),
        "Chutes: openai/gpt-oss is temporarily rate-limited",
    ),
    (
        "U5 openclaude#67, an array",
        429,
        [worded("Resource has been exhausted", code=429, status="RESOURCE_EXHAUSTED")],
        (429, "rate_limit_error"),
        "Resource has been exhausted",
    ),
    (
        "U25 Z.ai's balance",
        429,
        worded("余额不足或无可用资源包,请充值。", code="1113"),
        (402, "billing_error"),
        "余额不足",
    ),
]


@BOTH
@pytest.mark.parametrize(
    ("status", "body", "outcome", "words"), [r[1:] for r in RAISED], ids=[r[0] for r in RAISED]
)
async def test_refusal_that_cannot_be_mended_names_its_cause(
    engine: Gateway,
    backend: FakeBackend,
    stream: bool,
    status: int,
    body: Any,
    outcome: tuple[int, str],
    words: str,
) -> None:
    """By what it means, in any shape."""
    backend.on(ALPHA).json(body, status)
    answer = await send(engine, stream=stream)
    assert answer.error[:2] == outcome
    assert words in answer.error[2]
    assert "prompt is too long" not in answer.error[2]


EFFORT = (
    "Function tools with reasoning_effort are not supported for this model in "
    "/v1/chat/completions. Please use /v1/responses instead, or set reasoning_effort to 'none'."
)


@BOTH
async def test_effort_beside_tools_is_none_where_only_that_is_taken(
    engine: Gateway, backend: FakeBackend, stream: bool
) -> None:
    """U21: agentgateway#2501, 9router#2540, goose#11413: without the field it is refused, too."""
    with_main(engine, profile=PROFILES["openai"], models=facts("gpt-5.6"))
    backend.on("gpt-5.6").json(worded(EFFORT), 400).answer(*GOOD)
    asked = {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}
    for _ in range(2):
        answer = await send(engine, model="gpt-5.6", stream=stream, tools=[BASH], **asked)
        assert message_of(answer)["type"] == "message"
    assert [c.body["reasoning_effort"] for c in backend.calls] == ["high", "none", "none"]


ON = {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}
OFF = {"thinking": {"type": "disabled"}}
LEVELS: list[tuple[str, str, str, Json, str]] = [
    (
        "vllm#36238, sglang#20556: servers of before March 2026",
        "[{'type': 'literal_error', 'loc': ('body', 'reasoning_effort'), 'msg': \"Input should be "
        "'low', 'medium' or 'high'\", 'input': 'none'}]",
        "vllm",
        OFF,
        "low",
    ),
    (
        "sglang#20556: gpt-oss always thinks",
        "reasoning_effort='none' is not supported for Harmony models",
        "sglang",
        OFF,
        "low",
    ),
    (
        "a model of OpenAI that always thinks",
        "Unsupported value: 'reasoning_effort' does not support 'none' with this model. Supported "
        "values are: 'minimal', 'low', 'medium', and 'high'.",
        "openai",
        OFF,
        "minimal",
    ),
    (
        "edutelligence#750: the template of Qwen3.8",
        "Unexpected reasoning effort high. Supported types are xhigh (default), medium, and low.",
        "vllm",
        ON,
        "xhigh",
    ),
]


@BOTH
@pytest.mark.parametrize(
    ("words", "family", "asked", "taken"), [c[1:] for c in LEVELS], ids=[c[0] for c in LEVELS]
)
async def test_refused_level_of_effort_becomes_the_nearest_that_is_taken(
    engine: Gateway,
    backend: FakeBackend,
    stream: bool,
    words: str,
    family: str,
    asked: Json,
    taken: str,
) -> None:
    """The field stays in use, and what switches thinking beside it stays as it was."""
    with_main(engine, profile=PROFILES[family])
    backend.on(ALPHA).json(worded(words), 400).answer(*GOOD)
    for _ in range(2):
        assert message_of(await send(engine, stream=stream, **asked))["type"] == "message"
    first, *others = [call.body for call in backend.calls]
    assert first["reasoning_effort"] == ("none" if asked is OFF else "high")
    assert [body["reasoning_effort"] for body in others] == [taken, taken]
    kwargs = [body.get("chat_template_kwargs") for body in (first, *others)]
    assert kwargs == [kwargs[0]] * 3
    if asked is OFF and family != "openai":
        assert kwargs[0]["enable_thinking"] is False


@BOTH
@pytest.mark.parametrize(
    "words",
    [
        "[{'type': 'extra_forbidden', 'loc': ('body', 'reasoning_effort'), 'msg': 'Extra inputs "
        "are not permitted', 'input': 'high'}]",
        "reasoning_effort is not supported by this model",
    ],
)
async def test_refused_effort_as_such_is_left_out(
    engine: Gateway, backend: FakeBackend, stream: bool, words: str
) -> None:
    """Another level would be refused as well."""
    with_main(engine, profile=PROFILES["ollama"])
    backend.on(ALPHA).json(worded(words), 400).answer(*GOOD)
    assert message_of(await send(engine, stream=stream, **ON))["type"] == "message"
    assert [call.body.get("reasoning_effort") for call in backend.calls] == ["high", None]


@BOTH
@pytest.mark.parametrize("asked", [ON, OFF], ids=["on", "off"])
async def test_server_without_template_arguments_gets_the_effort_alone(
    engine: Gateway, backend: FakeBackend, stream: bool, asked: Json
) -> None:
    """Observed backends: vLLM with a tokenizer of Mistral's, which has no template."""
    with_main(engine, profile=PROFILES["vllm"])
    words = "chat_template_kwargs is not supported for Mistral tokenizers."
    backend.on(ALPHA).json(worded(words), 400).answer(*GOOD)
    for _ in range(2):
        assert message_of(await send(engine, stream=stream, **asked))["type"] == "message"
    first, *others = [call.body for call in backend.calls]
    assert "chat_template_kwargs" in first
    assert not any("chat_template_kwargs" in body for body in others)
    assert {body["reasoning_effort"] for body in others} == {first["reasoning_effort"]}
    assert len(others) == 2


CHOICES: list[tuple[str, str, Json]] = [
    ("U22 DeepSeek-V3#1376", "Thinking mode does not support this tool_choice", {"type": "any"}),
    (
        "U22 oh-my-pi#7315, litellm PR#37470",
        "tool_choice 'specified' is incompatible with thinking enabled",
        {"type": "tool", "name": "Bash"},
    ),
    (
        "U22 any-llm#1384",
        "The tool_choice parameter does not support being set to required or object in "
        "thinking mode",
        {"type": "any"},
    ),
]


@BOTH
@pytest.mark.parametrize(("words", "choice"), [c[1:] for c in CHOICES], ids=[c[0] for c in CHOICES])
async def test_forced_choice_goes_without_thinking(
    engine: Gateway, backend: FakeBackend, stream: bool, words: str, choice: Json
) -> None:
    """The choice is what the caller needs, so thinking gives way where the family can stop it."""
    with_main(engine, profile=PROFILES["zai"])
    backend.on(ALPHA).json(worded(words), 400).answer(*GOOD)
    answer = await send(engine, stream=stream, tools=[BASH], tool_choice=choice)
    assert message_of(answer)["type"] == "message"
    first, mended = (call.body for call in backend.calls)
    assert mended == first | {"thinking": {"type": "disabled"}, "tool_choice": first["tool_choice"]}


@BOTH
async def test_deepseek_does_not_think_beside_a_forced_choice(
    engine: Gateway, backend: FakeBackend, stream: bool
) -> None:
    """U22: the vendor refuses it beside thinking, and thinks unless told not to."""
    with_main(engine, profile=PROFILES["deepseek"])
    answer = await send(engine, stream=stream, tools=[BASH], tool_choice={"type": "any"})
    assert message_of(answer)["type"] == "message"
    assert backend.only_call.body["thinking"] == {"type": "disabled"}


@pytest.mark.parametrize(
    "words",
    [
        "This model only support stream mode, please enable the stream parameter.",
        "parameter.enable_thinking must be set to false for non-streaming calls",
    ],
)
async def test_model_that_only_streams_is_asked_for_a_stream(
    engine: Gateway, backend: FakeBackend, words: str
) -> None:
    """U32: claude-code-router#948, llxprt-code#229, langchain4j#3974."""
    backend.on(ALPHA).json(worded(words), 400).answer(*GOOD)
    for _ in range(2):
        assert message_of(await send(engine))["content"] == [{"type": "text", "text": "Hello"}]
    assert [call.body["stream"] for call in backend.calls] == [False, True, True]
