"""What is known of backends and models, and what a model's chat template demands."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.translation.profiles import PROFILES, ModelFacts, for_model, inline_thinking
from bridge.translation.request.thinking import switches
from bridge.translation.request.translate import TranslationOptions, to_chat
from tests.shapes import Json
from tests.translation.asking import (
    ask,
    assistant,
    call,
    image,
    result,
    text,
    up_call,
    up_calls,
    up_image,
    up_result,
    up_user,
    user,
)


def test_g14_profiles_are_those_of_the_specification() -> None:
    """G14."""
    names = "generic openai vllm sglang llamacpp ollama openrouter deepseek chutes"
    others = "lmstudio azure moonshot zai minimax dashscope siliconflow groq mistral gemini litellm"
    assert list(PROFILES) == [*names.split(), *others.split()]
    assert all(profile.name == name for name, profile in PROFILES.items())


INLINE: list[tuple[ModelFacts, str]] = [
    (ModelFacts("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B"), "tags"),
    (ModelFacts("mistralai/Magistral-Small-2509"), "tags"),
    (ModelFacts("ByteDance-Seed/Seed-OSS-36B-Instruct"), "tags"),
    (ModelFacts("Qwen/QwQ-32B"), "tags"),
    (ModelFacts("deepseek-ai/DeepSeek-V3"), ""),
    (ModelFacts("Qwen/QwQ-32B", inline_thinking="off"), ""),
    (ModelFacts("Qwen/QwQ-32B", inline_thinking="open"), "open"),
    (ModelFacts("x", inline_thinking="tags"), "tags"),
]


@pytest.mark.parametrize(("facts", "manner"), INLINE, ids=[f"{f.name} {m}" for f, m in INLINE])
def test_g14_model_thinks_inline_when_its_name_or_its_row_says_so(
    facts: ModelFacts, manner: str
) -> None:
    """G14: never for others."""
    assert inline_thinking(facts) == manner


MODELS: list[tuple[str, str, bool]] = [
    ("moonshotai/Kimi-K2-Instruct", "kimi", True),
    ("mistralai/Mistral-Small-3.2", "mistral9", False),
    ("mistralai/Mixtral-8x7B", "mistral9", False),
    ("mistralai/Devstral-Small", "mistral9", False),
    ("zai-org/GLM-4.5-Air", "", True),
]


@pytest.mark.parametrize(("model", "style", "user_after_tool"), MODELS)
def test_model_has_demands_of_its_own(model: str, style: str, user_after_tool: bool) -> None:
    """The specification, C4.5 and C4.11: whatever server runs it."""
    profile = for_model(PROFILES["vllm"], model)
    changes = {"tool_id_style": style, "user_after_tool": user_after_tool}
    assert profile == replace(PROFILES["vllm"], **changes)  # type: ignore[arg-type]


LIMIT_FIELDS: list[tuple[str, str, str]] = [
    ("openai", "o3-mini", "max_completion_tokens"),
    ("openai", "gpt-5.1", "max_completion_tokens"),
    ("openai", "gpt-4o", "max_tokens"),
    ("openai", "olmo-2", "max_tokens"),
    ("vllm", "o3-mini", "max_tokens"),
]


@pytest.mark.parametrize(("profile", "model", "field"), LIMIT_FIELDS)
def test_reasoning_models_of_openai_want_another_limit(
    profile: str, model: str, field: str
) -> None:
    """The specification, C1 and G20: everybody else gets max_tokens."""
    assert for_model(PROFILES[profile], model).max_tokens_field == field


def up_with(messages: list[Json], **changes: bool) -> list[Json]:
    profile = replace(PROFILES["generic"], **changes)  # type: ignore[arg-type]
    request = ask(messages=messages)
    sent: list[Json] = to_chat(request, "m", profile, ModelFacts("m"), TranslationOptions()).body[
        "messages"
    ]
    return sent


STEP = [user("q"), assistant(call("t1"))]
UP_STEP = [up_user("q"), up_calls(up_call("t1"))]


def test_c4_text_behind_a_result_may_have_to_join_it() -> None:
    """The specification, C4.11: Mistral's templates."""
    sent = up_with([*STEP, user(result("t1", "r"), "go")], user_after_tool=False)
    assert sent == [*UP_STEP, up_result("t1", "r\n\ngo")]
    sent = up_with([*STEP, user(result("t1", "r"), "see", image())], user_after_tool=False)
    assert sent == [*UP_STEP, up_result("t1", "r"), up_user([text("see"), up_image()])]
    assert up_with([user("a")], user_after_tool=False) == [up_user("a")]


def test_c4_user_may_have_to_speak_first() -> None:
    """The specification, C4.10."""
    sent = up_with([assistant("a"), user("b")], user_first=True)
    said = {"role": "assistant", "content": "a"}
    assert sent == [up_user("(continued)"), said, up_user("b")]
    assert up_with([user("a"), assistant("b")], user_first=True)[0] == up_user("a")


def test_c4_content_beside_calls_may_have_to_be_null() -> None:
    """The specification, C4.6."""
    sent = up_with([*STEP, user(result("t1", "r"))], null_content=True)
    assert sent[1] == up_calls(up_call("t1")) | {"content": None}
    sent = up_with([user("q"), assistant("a", call("t1"))], null_content=True)
    assert sent[1]["content"] == "a"


def test_family_that_cannot_be_asked_to_think_gets_nothing() -> None:
    """The specification, C7."""
    profile = replace(PROFILES["generic"], thinking="none")
    request = ask(thinking={"type": "adaptive"})
    assert switches(request, profile, ModelFacts("m", reasoning=True)) == {}
