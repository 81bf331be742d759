"""Thinking: what the client asked for -> the switches of the backend's family.

Two questions are answered first, then one table row writes the fields: shall the model think
(on, off, or nothing said), and how hard (an effort). Families spell this in six ways; a family
that cannot be asked gets nothing, and a model known not to reason is never asked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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
    said = [m.effort for m in request.messages if m.effort in _EFFORTS]
    effort = said[-1] if said else config.get("effort")
    if effort not in _EFFORTS:
        effort = _from_budget(budget)
    return ThinkingRequest(
        _MODES.get(kind) if isinstance(kind, str) else None, effort or "", budget
    )


def is_wished(request: MessagesRequest) -> bool:
    """The request asks for thinking, or for an effort."""
    wish = read_wish(request)
    return bool(wish.on or wish.effort)


def display(request: MessagesRequest) -> str:
    """How the client wants thinking shown: "omitted", "summarized", "updates", or ""."""
    return str((request.body.get("thinking") or {}).get("display") or "")


def _from_budget(budget: int) -> str:
    if not budget:
        return ""
    return next((effort for limit, effort in _BUDGET_STEPS if budget < limit), "high")


def switches(request: MessagesRequest, profile: Profile, facts: ModelFacts) -> dict[str, JSON]:
    """The fields to send; empty when nothing was asked or nothing can be."""
    wish = read_wish(request)
    if facts.reasoning is False or (wish.on is None and not wish.effort):
        return {}
    effort = _clamped(wish.effort, profile)
    return _FORMS[profile.thinking](ThinkingRequest(wish.on, effort, wish.budget), facts)


def _clamped(effort: str, profile: Profile) -> str:
    """The effort, or the highest that the family knows below it."""
    if not effort or effort in profile.efforts:
        return effort
    folded = {"medium": "high", "xhigh": "high", "max": "high", "low": "low"}
    return folded[effort]


def _nothing(wish: ThinkingRequest, facts: ModelFacts) -> dict[str, JSON]:
    return {}


def _effort(wish: ThinkingRequest, facts: ModelFacts) -> dict[str, JSON]:
    if wish.on is False:
        return {"reasoning_effort": "none"}
    return {"reasoning_effort": wish.effort or "medium"}


def _effort_if_known(wish: ThinkingRequest, facts: ModelFacts) -> dict[str, JSON]:
    return _effort(wish, facts) if facts.reasoning else {}


def _vllm(wish: ThinkingRequest, facts: ModelFacts) -> dict[str, JSON]:
    if wish.budget:
        return _effort(wish, facts) | {"thinking_token_budget": wish.budget}
    return _effort(wish, facts)


def _template(wish: ThinkingRequest, facts: ModelFacts) -> dict[str, JSON]:
    # Two names for one switch: Qwen and GLM templates read the first, DeepSeek and Kimi the other.
    on = wish.on is not False
    fields: dict[str, JSON] = {"chat_template_kwargs": {"enable_thinking": on, "thinking": on}}
    if on and wish.effort:
        fields["reasoning_effort"] = wish.effort
    return fields


def _openrouter(wish: ThinkingRequest, facts: ModelFacts) -> dict[str, JSON]:
    if wish.on is False:
        return {"reasoning": {"enabled": False}}
    if wish.budget:
        return {"reasoning": {"max_tokens": wish.budget}}
    return {"reasoning": {"effort": wish.effort} if wish.effort else {"enabled": True}}


def _deepseek(wish: ThinkingRequest, facts: ModelFacts) -> dict[str, JSON]:
    if wish.on is False:
        return {"thinking": {"type": "disabled"}}
    effort = {"reasoning_effort": wish.effort} if wish.effort else {}
    return {"thinking": {"type": "enabled"}, **effort}


_FORMS: dict[str, Callable[[ThinkingRequest, ModelFacts], dict[str, JSON]]] = {
    "none": _nothing,
    "effort": _effort,
    "effort_if_known": _effort_if_known,
    "vllm": _vllm,
    "template": _template,
    "openrouter": _openrouter,
    "deepseek": _deepseek,
}
FIELDS = frozenset(
    {
        "reasoning_effort",
        "thinking_token_budget",
        "chat_template_kwargs",
        "reasoning",
        "thinking",
    }
)
"""Every field that a form may add: a backend that refuses one gets the request without it."""
