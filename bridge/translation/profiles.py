"""What is known of a backend and of a model, as data that the translation reads.

A `Profile` is one row for one family of backends: which optional fields it takes, where it keeps
its limits, how it spells reasoning. A `ModelFacts` is what discovery learnt of one model; None
always means "not known", never "no".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from bridge.translation import facts as habits
from bridge.translation.facts import Fact

ALL_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""How hard a model may be asked to think, from not at all upwards."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One backend family. Defaults are the common denominator of chat completions."""

    name: str
    max_tokens_field: str = "max_tokens"
    takes_top_k: bool = False
    stop_limit: int = 4
    names_matched_stop: bool = False
    """The reply says which stop string matched, so `stop` can be left to the backend."""
    tool_name_limit: int = 128
    named_choice: bool = True
    """Understands `tool_choice` as an object; else the tools are narrowed and "required" sent."""
    reasoning_history: str = ""
    """Field of an assistant message that carries earlier reasoning; "" where none is read."""
    reasoning_turns: str = "recent"
    """Whose reasoning goes back: of turns with tool calls since the last question ("recent"), of
    all turns with tool calls ("tools"), or of "all" turns, where the template decides."""
    demands_reasoning: bool = False
    """Refuses a turn with tool calls that comes without its reasoning."""
    demands_signatures: bool = False
    """Refuses earlier tool calls that come without its vendor's signature."""
    forced_choice: str = ""
    """A forced tool choice is refused beside thinking: think not then ("unthinking"), or do not
    force ("auto")."""
    effort_beside_tools: str = ""
    """The only effort that is taken beside tools."""
    stream_only: bool = False
    """Refuses requests for a whole answer: it is asked for a stream, which is folded."""
    thinking: str = "none"
    """Key of the thinking switch, see `thinking.py`."""
    efforts: tuple[str, ...] = ("low", "medium", "high")
    least_effort: str = "none"
    """The effort that stands for no thinking, or the lowest of a model that always thinks."""
    always_reasons: bool = False
    """Its models think whatever a request says, so that an effort alone is worth sending."""
    inline_system: str = "reminder"
    json_schema: bool = True
    schema_beside_tools: bool = False
    """Takes a response format together with tools, and the model still calls them."""
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
    """One model of one backend. Sizes in tokens.

    learnt           what its own answers taught, see `facts.py`
    fixed            names of facts that the operator set: nothing learnt changes them
    family           a profile of its own, where it differs from its backend's
    reasoning_turns  the operator's choice, "" leaves it to the family, "none" sends nothing back
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
    family: str = ""
    inline_thinking: str = ""
    written_calls: bool | None = None
    calls_natively: bool = False
    reasoning_turns: str = ""
    learnt: frozenset[Fact] = frozenset()
    fixed: frozenset[str] = frozenset()

    @property
    def refused(self) -> frozenset[str]:
        """Optional fields that it does not take."""
        return habits.values(self.learnt, habits.REFUSES)

    @property
    def longest_answer(self) -> int | None:
        """The limit that counts: what was refused once is refused again."""
        learnt = habits.value(self.learnt, habits.MAX_OUTPUT)
        if learnt is None or not learnt.isdecimal() or "max_output" in self.fixed:
            return self.max_output
        return min(int(learnt), self.max_output or int(learnt))

    @property
    def reads_images(self) -> bool | None:
        if "vision" not in self.fixed and habits.value(self.learnt, habits.VISION) == "no":
            return False
        return self.vision


_THINKS_INLINE = re.compile(
    "r1-distill|qwq|reflection-70b|marco-o1|minimax-m|magistral|seed-oss", re.I
)
_OPENED_PERHAPS = re.compile(r"minimax-m2", re.I)
"""Some servers' templates open the tag for these, others leave it in the answer."""


def inline_thinking(facts: ModelFacts) -> str:
    """How thinking stands in the text of this model: "" (it does not), "tags", "open", or "guess"
    where it may begin inside the tag."""
    if facts.inline_thinking:
        return facts.inline_thinking.replace("off", "")
    if _OPENED_PERHAPS.search(facts.name):
        return "guess"
    return "tags" if _THINKS_INLINE.search(facts.name) else ""


_OPENAI = Profile(
    "openai",
    thinking="effort",
    efforts=ALL_EFFORTS,
    tool_name_limit=64,
    accepts_strict=True,
    schema_beside_tools=True,
    parses_calls="always",
    user_field=True,
    service_tiers=True,
    file_parts=True,
    tool_id_style="max40",
)
_TEMPLATED = Profile(
    "templated", reasoning_history="reasoning_content", reasoning_turns="all", takes_top_k=True
)
"""Servers that run a chat template, which decides what of earlier reasoning it keeps."""
_CHINESE = Profile(
    "chinese",
    reasoning_history="reasoning_content",
    reasoning_turns="tools",
    thinking="switch",
    json_schema=False,
)
"""Vendors' own endpoints of models that think unless a request forbids it."""

PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile("generic", thinking="effort_if_known"),
        _OPENAI,
        replace(
            _TEMPLATED,
            name="vllm",
            count_path="/tokenize",
            names_matched_stop=True,
            thinking="vllm",
            prefill="continue",
        ),
        replace(
            _TEMPLATED,
            name="sglang",
            count_path="/tokenize",
            names_matched_stop=True,
            thinking="effort_and_template",
            prefill="continue",
        ),
        replace(
            _TEMPLATED,
            name="llamacpp",
            named_choice=False,
            prefill="echo",
            count_path="chat/completions/input_tokens",
            schema_strip=True,
            thinking="template",
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
        replace(
            _CHINESE,
            name="deepseek",
            thinking="deepseek",
            efforts=("low", "high", "max"),
            demands_reasoning=True,
            parses_calls="always",
            forced_choice="unthinking",
            stop_limit=16,
        ),
        replace(_TEMPLATED, name="chutes", parses_calls="with_tools", thinking="template"),
        replace(_TEMPLATED, name="lmstudio", schema_strip=True, thinking="effort_if_known"),
        replace(_OPENAI, name="azure", service_tiers=False),
        replace(
            _CHINESE,
            name="moonshot",
            demands_reasoning=True,
            forced_choice="unthinking",
            json_schema=True,
        ),
        replace(_CHINESE, name="zai", reasoning_turns="all"),
        replace(_CHINESE, name="minimax", thinking="none", reasoning_turns="all"),
        replace(_CHINESE, name="dashscope", thinking="enable_thinking", forced_choice="unthinking"),
        replace(_CHINESE, name="siliconflow", thinking="enable_thinking", takes_top_k=True),
        Profile("groq", thinking="effort_if_known", reasoning_history="reasoning"),
        Profile("mistral"),
        Profile("gemini", thinking="effort_if_known", efforts=("minimal", "low", "medium", "high")),
        Profile(
            "litellm",
            thinking="effort_if_known",
            reasoning_history="reasoning_content",
            reasoning_turns="tools",
        ),
    )
}

_KIMI: dict[str, Any] = {"tool_id_style": "kimi"}
_DEMANDS: dict[str, Any] = {
    "reasoning_history": "reasoning_content",
    "reasoning_turns": "tools",
    "demands_reasoning": True,
}
_MISTRAL: dict[str, Any] = {"tool_id_style": "mistral9", "user_after_tool": False}
_MODEL_QUIRKS: tuple[tuple[re.Pattern[str], dict[str, Any]], ...] = (
    (re.compile("kimi-?k2", re.I), _KIMI),
    (re.compile("mi[sx]tral|magistral|devstral|codestral|ministral|pixtral", re.I), _MISTRAL),
)
"""What a model's chat template demands, whatever server runs it."""

_UNKNOWN_SERVER_QUIRKS: tuple[tuple[re.Pattern[str], dict[str, Any]], ...] = (
    (re.compile(r"kimi-?k[2-9]|kimi-(for-coding|thinking)", re.I), _DEMANDS),
    (re.compile(r"deepseek[-_]?(v3\.[2-9]|v[4-9]|reasoner)", re.I), _DEMANDS),
)
"""What a model's vendor demands: for servers that may pass it on."""
_PASSES_ON = frozenset({"generic", "litellm"})
"""Proxies, and servers of which nothing is known."""

_REASONS_AT_OPENAI = re.compile(r"(openai/)?(o\d|gpt-[5-9])", re.I)


def parses_calls(profile: Profile, facts: ModelFacts) -> bool:
    """Whether this server is known to read this model's tool calls itself."""
    if profile.parses_calls == "with_tools":
        return facts.tools is True
    return profile.parses_calls == "always"


def for_model(profile: Profile, model: str) -> Profile:
    """The profile with the demands of this model."""
    if _REASONS_AT_OPENAI.match(model):
        profile = replace(profile, always_reasons=True)
        if profile.name in ("openai", "azure"):
            profile = replace(profile, max_tokens_field="max_completion_tokens")
    for pattern, changes in _MODEL_QUIRKS:
        if pattern.search(model):
            profile = replace(profile, **changes)
    if profile.name in _PASSES_ON:
        for pattern, changes in _UNKNOWN_SERVER_QUIRKS:
            if pattern.search(model):
                profile = replace(profile, **changes)
    return profile


_LEARNT: dict[str, str] = {
    habits.MAX_TOKENS_FIELD: "max_tokens_field",
    habits.REASONING_FIELD: "reasoning_history",
    habits.EFFORT_BESIDE_TOOLS: "effort_beside_tools",
    habits.FORCED_CHOICE: "forced_choice",
}
"""Facts whose value is a member of the profile."""


def with_facts(profile: Profile, facts: ModelFacts) -> Profile:
    """The profile with what the operator chose and what the model's own answers taught."""
    learnt = facts.learnt
    if not (learnt or facts.reasoning_turns or profile.stream_only):
        return profile
    changes: dict[str, Any] = {
        member: found
        for what, member in _LEARNT.items()
        if (found := habits.value(learnt, what)) is not None
    }
    if field := habits.value(learnt, habits.REASONING_DEMANDED):
        changes |= {**_DEMANDS, "reasoning_history": field}
    if efforts := habits.value(learnt, habits.EFFORTS):
        changes |= {"efforts": tuple(efforts.split()), "least_effort": efforts.split()[0]}
    changes["demands_signatures"] = habits.value(learnt, habits.SIGNED_CALLS) is not None
    changes["stream_only"] = habits.value(learnt, habits.STREAM_ONLY) is not None
    if habits.value(learnt, habits.NARROW_SCHEMAS) is not None:
        changes["schema_strip"] = True
    if facts.reasoning_turns == "none":
        changes |= {"reasoning_history": "", "demands_reasoning": False}
    elif facts.reasoning_turns:
        changes["reasoning_turns"] = facts.reasoning_turns
    return replace(profile, **changes)
