"""Thinking: what a client asks for, and how each family of backends is asked."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.translation.profiles import PROFILES, ModelFacts, for_model
from bridge.translation.request.thinking import (
    FIELDS,
    ThinkingRequest,
    display,
    read_thinking,
    switches,
)
from tests.shapes import Json
from tests.translation.asking import ask, system, to_backend, user

ENABLED: Json = {"type": "enabled", "budget_tokens": 2048}
ADAPTIVE: Json = {"type": "adaptive"}
DISABLED: Json = {"type": "disabled"}
BETWEEN: Json = {"type": "between_tools"}


def budget(tokens: Any) -> Json:
    return {"type": "enabled", "budget_tokens": tokens}


def effort(word: Any) -> Json:
    return {"effort": word}


SET_LOW = {"role": "system", "output_config": effort("low")}
SET_MAX = system("s", output_config=effort("max"))
SET_HUGE = system("s", output_config=effort("huge"))
THINKING_REQUESTS: list[tuple[str, Json, ThinkingRequest]] = [
    ("nothing", {}, ThinkingRequest(None, "", 0)),
    ("null", {"thinking": None, "output_config": None}, ThinkingRequest(None, "", 0)),
    ("adaptive", {"thinking": ADAPTIVE}, ThinkingRequest(True, "", 0)),
    ("disabled", {"thinking": DISABLED}, ThinkingRequest(False, "", 0)),
    ("between tools", {"thinking": BETWEEN}, ThinkingRequest(False, "", 0)),
    ("an unknown kind", {"thinking": {"type": "deep"}}, ThinkingRequest(None, "", 0)),
    ("a kind that is no word", {"thinking": {"type": ["x"]}}, ThinkingRequest(None, "", 0)),
    ("a small budget", {"thinking": budget(4095)}, ThinkingRequest(True, "low", 4095)),
    ("a middle budget", {"thinking": budget(4096)}, ThinkingRequest(True, "medium", 4096)),
    ("a middle budget still", {"thinking": budget(16383)}, ThinkingRequest(True, "medium", 16383)),
    ("a large budget", {"thinking": budget(16384)}, ThinkingRequest(True, "high", 16384)),
    ("a budget that is none", {"thinking": budget("much")}, ThinkingRequest(True, "", 0)),
    (
        "a budget beside adaptive",
        {"thinking": budget(2048) | ADAPTIVE},
        ThinkingRequest(True, "", 0),
    ),
    ("an effort", {"output_config": effort("xhigh")}, ThinkingRequest(None, "xhigh", 0)),
    ("an effort that is none", {"output_config": effort(["high"])}, ThinkingRequest(None, "", 0)),
    (
        "an effort beside a budget",
        {"thinking": budget(2048), "output_config": effort("max")},
        ThinkingRequest(True, "max", 2048),
    ),
    (
        "F20 an effort of a message",
        {"messages": [user("q"), SET_LOW], "output_config": effort("high")},
        ThinkingRequest(None, "low", 0),
    ),
    (
        "the last effort of several",
        {"messages": [SET_LOW, user("q"), SET_MAX]},
        ThinkingRequest(None, "max", 0),
    ),
    (
        "an unknown effort of a message",
        {"messages": [user("q"), SET_HUGE], "output_config": effort("low")},
        ThinkingRequest(None, "low", 0),
    ),
]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [w[1:] for w in THINKING_REQUESTS],
    ids=[w[0] for w in THINKING_REQUESTS],
)
def test_thinking_is_read(fields: Json, expected: ThinkingRequest) -> None:
    """The specification, C7."""
    assert read_thinking(ask(**fields)) == expected


def kwargs(on: bool, **more: Any) -> Json:
    return {"chat_template_kwargs": {"enable_thinking": on, "thinking": on}, **more}


THINKS: Json = {"thinking": {"type": "enabled"}}
STEPS: Json = {"reasoning_effort": "low", "thinking_token_budget": 2048}
# profile, what is asked for, thinking, effort, what is sent
SENT: list[tuple[str, str, Json | None, str | None, Json]] = [
    ("openai", "adaptive", ADAPTIVE, None, {"reasoning_effort": "medium"}),
    ("openai", "max", ADAPTIVE, "max", {"reasoning_effort": "max"}),
    ("openai", "off", DISABLED, None, {"reasoning_effort": "none"}),
    ("vllm", "F54 a budget", ENABLED, None, kwargs(True, **STEPS)),
    ("vllm", "adaptive and high", ADAPTIVE, "high", kwargs(True, reasoning_effort="high")),
    ("vllm", "F53 max, not listed", ADAPTIVE, "max", kwargs(True, reasoning_effort="high")),
    ("vllm", "off", DISABLED, None, kwargs(False, reasoning_effort="none")),
    ("sglang", "F52 off", DISABLED, None, kwargs(False, reasoning_effort="none")),
    ("sglang", "a budget", ENABLED, None, kwargs(True, reasoning_effort="low")),
    ("llamacpp", "adaptive", ADAPTIVE, None, kwargs(True)),
    ("llamacpp", "adaptive and high", ADAPTIVE, "high", kwargs(True, reasoning_effort="high")),
    ("llamacpp", "off, whatever the effort", BETWEEN, "high", kwargs(False)),
    ("ollama", "xhigh, which it does not list", ADAPTIVE, "xhigh", {"reasoning_effort": "high"}),
    ("ollama", "off", DISABLED, None, {"reasoning_effort": "none"}),
    ("openrouter", "a budget", ENABLED, None, {"reasoning": {"max_tokens": 2048}}),
    ("openrouter", "adaptive and high", ADAPTIVE, "high", {"reasoning": {"effort": "high"}}),
    ("openrouter", "adaptive", ADAPTIVE, None, {"reasoning": {"enabled": True}}),
    ("openrouter", "off", DISABLED, None, {"reasoning": {"enabled": False}}),
    ("deepseek", "F53 adaptive and max", ADAPTIVE, "max", THINKS | {"reasoning_effort": "max"}),
    (
        "deepseek",
        "medium, which it folds",
        ADAPTIVE,
        "medium",
        THINKS | {"reasoning_effort": "high"},
    ),
    ("deepseek", "xhigh, its max", ADAPTIVE, "xhigh", THINKS | {"reasoning_effort": "max"}),
    ("deepseek", "adaptive", ADAPTIVE, None, THINKS),
    ("deepseek", "F52 off", DISABLED, None, {"thinking": {"type": "disabled"}}),
    ("chutes", "adaptive and low", ADAPTIVE, "low", kwargs(True, reasoning_effort="low")),
    ("chutes", "off", DISABLED, None, kwargs(False)),
    ("generic", "adaptive, not known to reason", ADAPTIVE, None, {}),
]


@pytest.mark.parametrize(
    ("profile", "thinking", "word", "sent"),
    [(profile, thinking, word, sent) for profile, _, thinking, word, sent in SENT],
    ids=[f"{profile}: {title}" for profile, title, *_ in SENT],
)
def test_family_is_asked_in_its_own_words(
    profile: str, thinking: Json | None, word: str | None, sent: Json
) -> None:
    """The specification, B6 and C7."""
    request = ask(thinking=thinking, output_config=effort(word))
    assert switches(request, PROFILES[profile], ModelFacts("m")) == sent
    assert set(sent) <= FIELDS


@pytest.mark.parametrize("profile", PROFILES)
def test_nothing_asked_means_nothing_sent(profile: str) -> None:
    """The specification, C7."""
    assert switches(ask(), PROFILES[profile], ModelFacts("m")) == {}


@pytest.mark.parametrize("profile", PROFILES)
def test_effort_alone_is_no_request_to_think(profile: str) -> None:
    """H3: and it is named as not sent, here and in a system message."""
    for fields in ({"output_config": effort("high")}, {"messages": [user("q"), SET_LOW]}):
        chat = to_backend(profile, ModelFacts("m", reasoning=True), **fields)
        assert FIELDS.isdisjoint(chat.body)
        assert "output_config.effort" in chat.dropped


@pytest.mark.parametrize("model", ["o3", "gpt-5.1-codex", "openai/gpt-5"])
def test_effort_alone_reaches_a_model_that_always_thinks(model: str) -> None:
    """H3: there it is the only knob."""
    profile = for_model(PROFILES["openai"], model)
    asked = ask(output_config=effort("low"))
    assert switches(asked, profile, ModelFacts(model)) == {"reasoning_effort": "low"}


@pytest.mark.parametrize("profile", PROFILES)
def test_f52_model_that_does_not_reason_is_never_asked(profile: str) -> None:
    """F52: its schema says so."""
    facts = ModelFacts("m", reasoning=False)
    for thinking in (ADAPTIVE, DISABLED, ENABLED):
        assert switches(ask(thinking=thinking), PROFILES[profile], facts) == {}


def test_generic_backend_is_asked_for_a_model_that_reasons() -> None:
    """The specification, C7: effort only, and only when the schema says that it reasons."""
    request = ask(thinking=ADAPTIVE, output_config=effort("high"))
    facts = ModelFacts("m", reasoning=True)
    assert switches(request, PROFILES["generic"], facts) == {"reasoning_effort": "high"}


def test_f20_body_carries_the_effort_of_the_message() -> None:
    """F20: and no empty message."""
    fields: Json = {"messages": [user("q"), SET_LOW], "output_config": effort("high")}
    fields["thinking"] = ADAPTIVE
    body = to_backend("vllm", **fields).body
    assert (body["reasoning_effort"], body["messages"]) == (
        "low",
        [{"role": "user", "content": "q"}],
    )


@pytest.mark.parametrize(
    ("thinking", "shown"),
    [(None, ""), (ADAPTIVE, ""), (ADAPTIVE | {"display": "omitted"}, "omitted")],
)
def test_display_is_read(thinking: Json | None, shown: str) -> None:
    """API documentation: omitted, summarized or updates."""
    assert display(ask(thinking=thinking)) == shown
