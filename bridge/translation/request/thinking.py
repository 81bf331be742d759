"""Thinking: what the client asked for -> the switches of the backend's family.

Two questions are answered first, then one table row writes the fields: shall the model think
(on, off, or unset), and how hard (an effort). An effort alone is no request to think: it is sent
beside thinking, and to models that always think. Families spell this in six ways; a family
that cannot be asked gets nothing, and a model known not to reason is never asked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from bridge.translation import facts as habits
from bridge.translation.json import JSON
from bridge.translation.profiles import ModelFacts, Profile
from bridge.translation.request.schema import MessagesRequest

_MODES = {"enabled": True, "adaptive": True, "disabled": False, "between_tools": False}
_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_BUDGET_STEPS = ((4096, "low"), (16384, "medium"))


@dataclass(frozen=True, slots=True)
class ThinkingRequest:
    """`on` is None when the request says nothing; `budget` only with the enabled form."""

    on: bool | None
    effort: str
    budget: int


def read_thinking(request: MessagesRequest) -> ThinkingRequest:
    """What the request says, the last word of its messages included."""
    thinking = request.body.get("thinking") or {}
    kind = thinking.get("type")
    budget = thinking.get("budget_tokens")
    budget = budget if isinstance(budget, int) and kind == "enabled" else 0
    config = request.body.get("output_config") or {}
    efforts = [m.effort for m in request.messages if m.effort in _EFFORTS]
    effort = efforts[-1] if efforts else config.get("effort")
    if effort not in _EFFORTS:
        effort = _from_budget(budget)
    return ThinkingRequest(
        _MODES.get(kind) if isinstance(kind, str) else None, effort or "", budget
    )


def unsent(request: MessagesRequest) -> str:
    """The field that has no effect where no switch is sent; "" where the request sets none."""
    thinking = read_thinking(request)
    if thinking.on:
        return "thinking"
    return "output_config.effort" if thinking.effort and thinking.on is None else ""


def display(request: MessagesRequest) -> str:
    """How the client wants thinking shown: "omitted", "summarized", "updates", or ""."""
    return str((request.body.get("thinking") or {}).get("display") or "")


def _from_budget(budget: int) -> str:
    if not budget:
        return ""
    return next((effort for limit, effort in _BUDGET_STEPS if budget < limit), "high")


def switches(request: MessagesRequest, profile: Profile, facts: ModelFacts) -> dict[str, JSON]:
    """The fields to send; empty when nothing was asked or nothing can be."""
    if habits.value(facts.learnt, habits.THINKING) == "off":
        return off(profile, facts) or dict(_SWITCHED_OFF)
    thinking = read_thinking(request)
    if is_forced(request) and profile.forced_choice == "unthinking":
        thinking = replace(thinking, on=False)
    if facts.reasoning is False or (thinking.on is None and not _sets_effort(thinking, profile)):
        return {}
    thinking = replace(thinking, effort=_clamped(thinking.effort, profile))
    fields = _FORMS[profile.thinking](thinking, facts)
    if profile.effort_beside_tools and request.tools and "reasoning_effort" in fields:
        fields["reasoning_effort"] = profile.effort_beside_tools
    return fields


def _sets_effort(thinking: ThinkingRequest, profile: Profile) -> bool:
    return bool(thinking.effort) and profile.always_reasons


def off(profile: Profile, facts: ModelFacts) -> dict[str, JSON]:
    """The fields that switch thinking off; empty where nothing does."""
    return _FORMS[profile.thinking](ThinkingRequest(False, "", 0), facts)


def is_forced(request: MessagesRequest) -> bool:
    """Whether the request makes the model call a tool."""
    return bool(request.tools) and (request.tool_choice or {}).get("type") in ("any", "tool")


def _clamped(effort: str, profile: Profile) -> str:
    """The effort, or the nearest that the family knows."""
    if not effort or effort in profile.efforts:
        return effort
    if effort == "xhigh" and "max" in profile.efforts:
        return "max"
    folded = {"medium": "high", "xhigh": "high", "max": "high", "low": "low"}
    return folded[effort]


def _nothing(thinking: ThinkingRequest, facts: ModelFacts) -> dict[str, JSON]:
    return {}


def _effort(thinking: ThinkingRequest, facts: ModelFacts) -> dict[str, JSON]:
    if thinking.on is False:
        return {"reasoning_effort": "none"}
    return {"reasoning_effort": thinking.effort or "medium"}


def _effort_if_known(thinking: ThinkingRequest, facts: ModelFacts) -> dict[str, JSON]:
    return _effort(thinking, facts) if facts.reasoning else {}


def _vllm(thinking: ThinkingRequest, facts: ModelFacts) -> dict[str, JSON]:
    if thinking.budget:
        return _effort(thinking, facts) | {"thinking_token_budget": thinking.budget}
    return _effort(thinking, facts)


def _template(thinking: ThinkingRequest, facts: ModelFacts) -> dict[str, JSON]:
    # Two names for one switch: Qwen and GLM templates read the first, DeepSeek and Kimi the other.
    on = thinking.on is not False
    fields: dict[str, JSON] = {"chat_template_kwargs": {"enable_thinking": on, "thinking": on}}
    if on and thinking.effort:
        fields["reasoning_effort"] = thinking.effort
    return fields


def _openrouter(thinking: ThinkingRequest, facts: ModelFacts) -> dict[str, JSON]:
    if thinking.on is False:
        return {"reasoning": {"enabled": False}}
    if thinking.budget:
        return {"reasoning": {"max_tokens": thinking.budget}}
    return {"reasoning": {"effort": thinking.effort} if thinking.effort else {"enabled": True}}


def _deepseek(thinking: ThinkingRequest, facts: ModelFacts) -> dict[str, JSON]:
    if thinking.on is False:
        return {"thinking": {"type": "disabled"}}
    effort = {"reasoning_effort": thinking.effort} if thinking.effort else {}
    return {"thinking": {"type": "enabled"}, **effort}


def _switch(thinking: ThinkingRequest, facts: ModelFacts) -> dict[str, JSON]:
    return {"thinking": {"type": "disabled" if thinking.on is False else "enabled"}}


def _enable_thinking(thinking: ThinkingRequest, facts: ModelFacts) -> dict[str, JSON]:
    fields: dict[str, JSON] = {"enable_thinking": thinking.on is not False}
    return fields | (
        {"thinking_budget": thinking.budget} if thinking.budget and thinking.on else {}
    )


_SWITCHED_OFF: dict[str, JSON] = {"thinking": {"type": "disabled"}}
"""What most vendors understand, for a server of which nothing is known."""

_FORMS: dict[str, Callable[[ThinkingRequest, ModelFacts], dict[str, JSON]]] = {
    "none": _nothing,
    "effort": _effort,
    "effort_if_known": _effort_if_known,
    "vllm": _vllm,
    "template": _template,
    "openrouter": _openrouter,
    "deepseek": _deepseek,
    "switch": _switch,
    "enable_thinking": _enable_thinking,
}
FIELDS = frozenset(
    {
        "reasoning_effort",
        "thinking_token_budget",
        "thinking_budget",
        "enable_thinking",
        "chat_template_kwargs",
        "reasoning",
        "thinking",
    }
)
"""Every field that a form may add: a backend that refuses one gets the request without it."""
