"""Overrides: what an alias says about every request that goes through it, down to the wire."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from bridge.translation.profiles import PROFILES, ModelFacts
from bridge.translation.request import thinking
from bridge.translation.request.overrides import NONE, THINKING, Overrides, applied
from bridge.translation.request.thinking import ThinkingRequest, read_thinking
from bridge.translation.request.translate import ChatRequest, TranslationOptions, to_chat
from tests.shapes import Json
from tests.translation.asking import ask, assistant, system, text, user

HIGH: Json = {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}
BUDGET: Json = {"thinking": {"type": "enabled", "budget_tokens": 2048}}
DISABLED: Json = {"thinking": {"type": "disabled"}}
BY_MESSAGE: Json = {
    "messages": [user("q"), {"role": "system", "output_config": {"effort": "max"}}],
}


def sent(overrides: Overrides, profile: str = "generic", **fields: Any) -> ChatRequest:
    """What becomes of a request through an alias that says this."""
    request = applied(ask(**fields), overrides)
    facts = ModelFacts("backend/model", reasoning=True)
    return to_chat(request, "backend/model", PROFILES[profile], facts, TranslationOptions())


def test_alias_that_says_nothing_changes_nothing() -> None:
    request = ask(temperature=0.3)
    assert applied(request, NONE) is request
    assert applied(request, Overrides()) is request


@pytest.mark.parametrize(
    "overrides",
    [Overrides("low"), Overrides("off"), Overrides("", 0.5, 7, "S"), Overrides("max", 2.0, 1, "P")],
)
def test_given_request_stays_as_it_is(overrides: Overrides) -> None:
    """design, Layout: inputs are not mutated, since a retry translates again."""
    request = ask(**HIGH, temperature=1, system="s", messages=[user("q"), *BY_MESSAGE["messages"]])
    before = copy.deepcopy(request)
    applied(request, overrides)
    assert request == before


# --- thinking ----------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", [{}, HIGH, BUDGET, DISABLED, BY_MESSAGE])
@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("off", ThinkingRequest(False, "", 0)),
        ("on", ThinkingRequest(True, "", 0)),
        ("low", ThinkingRequest(True, "low", 0)),
        ("medium", ThinkingRequest(True, "medium", 0)),
        ("high", ThinkingRequest(True, "high", 0)),
        ("max", ThinkingRequest(True, "max", 0)),
    ],
)
def test_thinking_is_as_the_operator_says_whatever_was_asked(
    said: str, expected: ThinkingRequest, asked: Json
) -> None:
    """routes.py: whether and how hard, whatever was asked; also in a message of the system."""
    assert read_thinking(applied(ask(**asked), Overrides(thinking=said))) == expected


CLAUDE_CODE = "claude-cli/2.1.328 (external, cli)"
# what the alias says, the User-Agent, what an absent `thinking` becomes
ABSENT: list[tuple[str, str, bool | None]] = [
    ("", CLAUDE_CODE, False),
    ("", "claude-cli/3.0.0 (external, sdk-py)", False),
    ("", "claude-cli/2.0.60 (external, cli)", None),
    ("", "claude-cli/x", None),
    ("", "Anthropic/Python 2.12.0", None),
    ("", "", None),
    ("leave", CLAUDE_CODE, None),
    ("off", "Anthropic/Python 2.12.0", False),
]


@pytest.mark.parametrize(("said", "client", "on"), ABSENT)
def test_absent_thinking_means_what_the_client_means(
    said: str, client: str, on: bool | None
) -> None:
    """H3: Claude Code leaves it away where its user switched it off; an alias may say otherwise."""
    overrides = Overrides(thinking_when_absent=said)
    request = applied(ask(output_config={"effort": "high"}), overrides, client)
    assert read_thinking(request).on is on
    assert read_thinking(applied(ask(**BUDGET), overrides, client)).on is True


@pytest.mark.parametrize("said", ["on", "max"])
def test_alias_that_switches_thinking_on_does_so_for_a_silent_client(said: str) -> None:
    """H3: what is said of every request wins."""
    overrides = Overrides(thinking=said, thinking_when_absent="off")
    assert read_thinking(applied(ask(), overrides, CLAUDE_CODE)).on is True


def test_every_choice_of_the_operator_is_tested() -> None:
    assert set(THINKING) == {"off", "on", "low", "medium", "high", "max"}


@pytest.mark.parametrize(
    ("said", "profile", "fields"),
    [
        ("off", "chutes", {"chat_template_kwargs": {"enable_thinking": False, "thinking": False}}),
        ("max", "ollama", {"reasoning_effort": "high"}),
        ("off", "deepseek", {"thinking": {"type": "disabled"}}),
        ("off", "openrouter", {"reasoning": {"enabled": False}}),
        ("high", "openrouter", {"reasoning": {"effort": "high"}}),
        ("high", "deepseek", {"thinking": {"type": "enabled"}, "reasoning_effort": "high"}),
        ("low", "openai", {"reasoning_effort": "low"}),
    ],
)
def test_thinking_reaches_the_backend_in_the_words_of_its_family(
    said: str, profile: str, fields: Json
) -> None:
    """wire C7, by the operator's word in place of the client's."""
    body = sent(Overrides(thinking=said), profile, **BUDGET).body
    plain = sent(NONE, profile).body
    assert {name: body[name] for name in body if name not in plain} == fields


def test_rest_of_the_output_settings_stays() -> None:
    schema = {"type": "json_schema", "schema": {"type": "object"}}
    config = {"effort": "max", "format": schema}
    body = applied(ask(output_config=config), Overrides(thinking="off")).body
    assert body["output_config"] == {"format": schema}
    assert "response_format" in sent(Overrides(thinking="low"), output_config=config).body


@pytest.mark.parametrize("said", ["on", "max"])
def test_how_thinking_is_shown_stays_the_clients_choice(said: str) -> None:
    """Ours: the alias decides what the model does, not what the client sees of it."""
    asked = {"thinking": {"type": "adaptive", "display": "omitted"}}
    assert thinking.display(applied(ask(**asked), Overrides(thinking=said))) == "omitted"


# --- the others --------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", [{}, {"temperature": 1}, {"temperature": 0}])
@pytest.mark.parametrize("said", [0.0, 0.7, 2.0])
def test_temperature_is_the_operators(said: float, asked: Json) -> None:
    """routes.py: from 0 to 2, whatever was asked; 0 says something too."""
    assert sent(Overrides(temperature=said), **asked).body["temperature"] == said


@pytest.mark.parametrize(("asked", "limit"), [(50, 50), (100, 100), (101, 100), (64000, 100)])
def test_longest_answer_is_a_ceiling(asked: int, limit: int) -> None:
    """routes.py: a request that asks for more gets this many."""
    request = applied(ask(max_tokens=asked), Overrides(max_tokens=100))
    assert request.max_tokens == limit
    assert sent(Overrides(max_tokens=100), max_tokens=asked).body["max_tokens"] == limit


def test_ceiling_has_the_name_that_the_family_uses() -> None:
    profile = replace(PROFILES["openai"], max_tokens_field="max_completion_tokens")
    request = applied(ask(), Overrides(max_tokens=7))
    body = to_chat(request, "m", profile, ModelFacts("m"), TranslationOptions()).body
    assert (body["max_completion_tokens"], "max_tokens" in body) == (7, False)


@pytest.mark.parametrize(
    ("asked", "leading"),
    [
        ({}, "Be brief."),
        ({"system": "You are a pirate."}, "Be brief.\n\nYou are a pirate."),
        ({"system": [text("One."), text("Two.")]}, "Be brief.\n\nOne.\n\nTwo."),
    ],
    ids=["none", "a string", "blocks"],
)
def test_prefix_stands_in_front_of_every_system_prompt(asked: Json, leading: str) -> None:
    """routes.py: put in front of every system prompt."""
    messages = sent(Overrides(system_prefix="Be brief."), **asked).body["messages"]
    assert messages == [
        {"role": "system", "content": leading},
        {"role": "user", "content": "hi"},
    ]


def test_prefix_does_not_let_the_line_that_varies_through() -> None:
    """wire F16: equal bytes every time, with the prefix in front too."""
    said = Overrides(system_prefix="P")
    bodies = [
        sent(said, system=[text(f"x-anthropic-billing-header: {stamp}"), text("S")]).body
        for stamp in ("a1", "b2")
    ]
    assert bodies[0] == bodies[1]
    assert bodies[0]["messages"][0]["content"] == "P\n\nS"


def test_prefix_is_counted() -> None:
    """Ours: an estimate that leaves it out would be wrong by it."""
    bare = sent(NONE).prompt_tokens
    assert sent(Overrides(system_prefix="word " * 400)).prompt_tokens > bare + 100


def test_conversation_stays_whole() -> None:
    """Ours: no override touches what was said."""
    said = [user("q"), assistant("a"), system("note"), user("z")]
    plain = sent(NONE, messages=said).body["messages"]
    assert sent(Overrides("max", 1.0, 9, ""), messages=said).body["messages"] == plain


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (NONE, ()),
        (Overrides(thinking_when_absent="off"), ("thinking_when_absent",)),
        (Overrides(temperature=0.0), ("temperature",)),
        (
            Overrides("off", 0.5, 1, "P"),
            ("thinking", "temperature", "max_tokens", "system_prefix"),
        ),
    ],
)
def test_what_is_overridden_is_told(overrides: Overrides, told: tuple[str, ...]) -> None:
    assert overrides.labels() == told
