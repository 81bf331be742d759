"""What is known of a backend and of a model, as data that the translation reads.

A `Profile` is one row for one family of backends: which optional fields it takes, where it keeps
its limits, how it spells reasoning. A `ModelFacts` is what discovery learnt of one model; None
always means "not known", never "no".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Profile:
    """One backend family. Defaults are the common denominator of chat completions."""

    name: str
    token_limit_field: str = "max_tokens"
    takes_top_k: bool = False
    stop_limit: int = 4
    names_matched_stop: bool = False
    """The reply says which stop string matched, so `stop` can be left to the backend."""
    tool_name_limit: int = 128
    named_choice: bool = True
    """Understands `tool_choice` as an object; else the tools are narrowed and "required" sent."""
    reasoning_history: str = ""
    """Field of an assistant message that carries earlier reasoning; "" where none is read."""
    reasoning_from_all_turns: bool = False
    """Earlier reasoning is wanted from every turn, not only since the last question."""
    thinking: str = "none"
    """Key of the thinking switch, see `thinking.py`."""
    efforts: tuple[str, ...] = ("low", "medium", "high")
    inline_system: str = "reminder"
    json_schema: bool = True
    accepts_strict: bool = False
    user_field: bool = False
    service_tiers: bool = False
    file_parts: bool = False
    image_urls: bool = True
    prefill: str = "plain"
    """What becomes of a last message of the assistant: sent as it is ("plain"), with the switch
    that continues it ("continue"), sent and taken out of the answer again ("echo"), or refused."""
    count_path: str = ""
    """Where the server counts tokens: below its root with a slash in front, else its base URL."""
    schema_strip: bool = False
    """Its grammar compiler fails on parts of JSON Schema that only narrow strings."""
    tool_id_style: str = ""
    """Key of `identities.STYLES`."""
    user_after_tool: bool = True
    """The chat template allows a user message directly behind tool messages."""
    user_first: bool = False
    """The chat template wants the user to speak first."""
    null_content: bool = False
    """Wants null rather than "" beside tool calls."""
    parses_calls: str = ""
    """The server reads its models' calls itself, so that markup in the text is a quote: "always",
    or "with_tools" for models that its list says to call tools."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """One model of one backend. Sizes in tokens; `refused` are fields it answered 400 to.

    dialect          a profile of its own, where it differs from its backend's
    inline_thinking  "off", "tags" or "open"; "" leaves it to the model's name
    written_calls    whether tool calls in its text are read; None leaves it to the operator, the
                     family and what was learnt
    calls_natively   a call of the backend's own was seen from it
    """

    name: str
    context: int | None = None
    max_output: int | None = None
    vision: bool | None = None
    tools: bool | None = None
    reasoning: bool | None = None
    dialect: str = ""
    inline_thinking: str = ""
    written_calls: bool | None = None
    calls_natively: bool = False
    refused: frozenset[str] = frozenset()


_THINKS_INLINE = re.compile("r1-distill|qwq|reflection-70b|marco-o1", re.I)


def inline_thinking(facts: ModelFacts) -> str:
    """How thinking stands in the text of this model: "" (it does not), "tags" or "open"."""
    if facts.inline_thinking:
        return facts.inline_thinking.replace("off", "")
    return "tags" if _THINKS_INLINE.search(facts.name) else ""


_ALL_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile("generic", thinking="effort_if_known"),
        Profile(
            "openai",
            thinking="effort",
            efforts=_ALL_EFFORTS,
            tool_name_limit=64,
            accepts_strict=True,
            parses_calls="always",
            user_field=True,
            service_tiers=True,
            file_parts=True,
            tool_id_style="max40",
        ),
        Profile(
            "vllm",
            count_path="/tokenize",
            takes_top_k=True,
            names_matched_stop=True,
            thinking="vllm",
            reasoning_history="reasoning_content",
            prefill="continue",
        ),
        Profile(
            "sglang",
            count_path="/tokenize",
            takes_top_k=True,
            names_matched_stop=True,
            thinking="effort",
            reasoning_history="reasoning_content",
            prefill="continue",
        ),
        Profile(
            "llamacpp",
            takes_top_k=True,
            named_choice=False,
            prefill="echo",
            count_path="chat/completions/input_tokens",
            schema_strip=True,
            thinking="template",
            reasoning_history="reasoning_content",
        ),
        Profile("ollama", thinking="effort", reasoning_history="reasoning", image_urls=False),
        Profile(
            "openrouter",
            takes_top_k=True,
            thinking="openrouter",
            parses_calls="always",
            tool_name_limit=64,
            reasoning_history="reasoning",
            user_field=True,
            file_parts=True,
        ),
        Profile(
            "deepseek",
            thinking="deepseek",
            efforts=("low", "high", "max"),
            reasoning_history="reasoning_content",
            reasoning_from_all_turns=True,
            parses_calls="always",
            stop_limit=16,
            json_schema=False,
        ),
        Profile(
            "chutes",
            takes_top_k=True,
            parses_calls="with_tools",
            thinking="template",
            reasoning_history="reasoning_content",
        ),
    )
}

_MODEL_QUIRKS: tuple[tuple[re.Pattern[str], dict[str, Any]], ...] = (
    (re.compile("kimi-?k2", re.I), {"tool_id_style": "kimi"}),
    (
        re.compile("mi[sx]tral|magistral|devstral|codestral|ministral|pixtral", re.I),
        {"tool_id_style": "mistral9", "user_after_tool": False},
    ),
)
"""What a model's chat template demands, whatever server runs it."""

_REASONS_AT_OPENAI = re.compile(r"(o\d|gpt-[5-9])", re.I)


def parses_calls(profile: Profile, facts: ModelFacts) -> bool:
    """Whether this server is known to read this model's tool calls itself."""
    if profile.parses_calls == "with_tools":
        return facts.tools is True
    return profile.parses_calls == "always"


def for_model(profile: Profile, model: str) -> Profile:
    """The profile with the demands of this model."""
    if profile.name == "openai" and _REASONS_AT_OPENAI.match(model):
        return replace(profile, token_limit_field="max_completion_tokens")
    for pattern, changes in _MODEL_QUIRKS:
        if pattern.search(model):
            return replace(profile, **changes)
    return profile
