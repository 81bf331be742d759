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


def read_wish(request: MessagesRequest) -> ThinkingRequest:
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
    """The field that goes unheard where no switch is sent; "" where nothing was asked for."""
    wish = read_wish(request)
    if wish.on:
        return "thinking"
    return "output_config.effort" if wish.effort and wish.on is None else ""


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
    wish = read_wish(request)
    if is_forced(request) and profile.forced_choice == "unthinking":
        wish = replace(wish, on=False)
    if facts.reasoning is False or (wish.on is None and not _sets_effort(wish, profile)):
        return {}
    wish = replace(wish, effort=_clamped(wish.effort, profile))
    fields = _FORMS[profile.thinking](wish, facts)
    if profile.effort_beside_tools and request.tools and "reasoning_effort" in fields:
        fields["reasoning_effort"] = profile.effort_beside_tools
    return fields


def _sets_effort(wish: ThinkingRequest, profile: Profile) -> bool:
    return bool(wish.effort) and profile.always_reasons


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


def _nothing(wanted_thinking: ThinkingRequest, facts: ModelFacts) -> dict[str, JSON]:
    return {}


def _effort(wanted_thinking: ThinkingRequest, facts: ModelFacts) -> dict[str, JSON]:
    if wanted_thinking.on is False:
        return {"reasoning_effort": "none"}
    return {"reasoning_effort": wanted_thinking.effort or "medium"}


def _effort_if_known(wanted_thinking: ThinkingRequest, facts: ModelFacts) -> dict[str, JSON]:
    return _effort(wanted_thinking, facts) if facts.reasoning else {}


def _vllm(wanted_thinking: ThinkingRequest, facts: ModelFacts) -> dict[str, JSON]:
    if wanted_thinking.budget:
        return _effort(wanted_thinking, facts) | {"thinking_token_budget": wanted_thinking.budget}
    return _effort(wanted_thinking, facts)


def _template(wanted_thinking: ThinkingRequest, facts: ModelFacts) -> dict[str, JSON]:
    # Two names for one switch: Qwen and GLM templates read the first, DeepSeek and Kimi the other.
    on = wanted_thinking.on is not False
    fields: dict[str, JSON] = {"chat_template_kwargs": {"enable_thinking": on, "thinking": on}}
    if on and wanted_thinking.effort:
        fields["reasoning_effort"] = wanted_thinking.effort
    return fields


def _openrouter(wanted_thinking: ThinkingRequest, facts: ModelFacts) -> dict[str, JSON]:
    if wanted_thinking.on is False:
        return {"reasoning": {"enabled": False}}
    if wanted_thinking.budget:
        return {"reasoning": {"max_tokens": wanted_thinking.budget}}
    return {
        "reasoning": {"effort": wanted_thinking.effort}
        if wanted_thinking.effort
        else {"enabled": True}
    }


def _deepseek(wanted_thinking: ThinkingRequest, facts: ModelFacts) -> dict[str, JSON]:
    if wanted_thinking.on is False:
        return {"thinking": {"type": "disabled"}}
    effort = {"reasoning_effort": wanted_thinking.effort} if wanted_thinking.effort else {}
    return {"thinking": {"type": "enabled"}, **effort}


def _switch(wish: ThinkingRequest, facts: ModelFacts) -> dict[str, JSON]:
    return {"thinking": {"type": "disabled" if wish.on is False else "enabled"}}


def _enable_thinking(wish: ThinkingRequest, facts: ModelFacts) -> dict[str, JSON]:
    fields: dict[str, JSON] = {"enable_thinking": wish.on is not False}
    return fields | ({"thinking_budget": wish.budget} if wish.budget and wish.on else {})


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
