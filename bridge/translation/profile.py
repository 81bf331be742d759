"""What is known of a backend and of a model, as data that the translation reads.

A `Profile` is one row for one family of backends: which optional fields it takes, where it keeps
its limits, how it spells reasoning. A `ModelFacts` is what discovery learnt of one model; None
always means "not known", never "no".
"""

from __future__ import annotations

import re
from dataclasses import dataclass


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
    file_parts: bool = False
    image_urls: bool = True
    prefill: str = "plain"


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """One model of one backend. Sizes in tokens; `refused` are fields it answered 400 to.

    dialect          a profile of its own, where it differs from its backend's
    inline_thinking  "off", "tags" or "open"; "" leaves it to the model's name
    written_calls    whether tool calls in its text are read; None leaves it to the operator
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
            user_field=True,
            file_parts=True,
        ),
        Profile(
            "vllm",
            takes_top_k=True,
            names_matched_stop=True,
            thinking="vllm",
            reasoning_history="reasoning_content",
            prefill="continue",
        ),
        Profile(
            "sglang",
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
            thinking="template",
            reasoning_history="reasoning_content",
        ),
        Profile("ollama", thinking="effort", reasoning_history="reasoning", image_urls=False),
        Profile(
            "openrouter",
            takes_top_k=True,
            thinking="openrouter",
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
            stop_limit=16,
            json_schema=False,
        ),
        Profile(
            "chutes",
            takes_top_k=True,
            thinking="template",
            reasoning_history="reasoning_content",
        ),
    )
}
