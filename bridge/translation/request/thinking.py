"""Thinking: what the client asked for -> the switches of the backend's family.

Two questions are answered first, then one table row writes the fields: shall the model think
(on, off, or unset), and how hard (an effort). An effort alone is no request to think: it is sent
beside thinking, and to models that always think. Families spell this in six ways; a family
that cannot be asked gets nothing, and a model known not to reason is never asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bridge.translation import facts as habits
from bridge.translation.json import JSON
from bridge.translation.profiles import ALL_EFFORTS as _ALL
from bridge.translation.profiles import ModelFacts, Profile
from bridge.translation.request.schema import MessagesRequest

_MODES = {"enabled": True, "adaptive": True, "disabled": False, "between_tools": False}
_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_MIDDLE = "medium"
"""Where the request asks for thinking and sets no effort."""
_BUDGET_STEPS = ((4096, "low"), (16384, "medium"))


@dataclass(frozen=True, slots=True)
class ThinkingRequest:
    """`on` is None when the request says nothing; `budget` only with the enabled form.

    `usual` is the effort for families that must be given one, where the request sets none.
    """

    on: bool | None
    effort: str
    budget: int
    usual: str = _MIDDLE


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
    if thinking.on is False:
        return off(profile, facts)
    thinking = replace(
        thinking,
        effort=nearest(thinking.effort, profile.efforts),
        usual=nearest(_MIDDLE, profile.efforts),
    )
    fields = _FORMS[profile.thinking](thinking, facts)
    if profile.effort_beside_tools and request.tools and "reasoning_effort" in fields:
        fields["reasoning_effort"] = profile.effort_beside_tools
    return fields


def _sets_effort(thinking: ThinkingRequest, profile: Profile) -> bool:
    return bool(thinking.effort) and profile.always_reasons


def off(profile: Profile, facts: ModelFacts) -> dict[str, JSON]:
    """The fields that switch thinking off; empty where nothing does."""
    least = ThinkingRequest(False, "", 0, usual=profile.least_effort)
    return _FORMS[profile.thinking](least, facts)


def is_forced(request: MessagesRequest) -> bool:
    """Whether the request makes the model call a tool."""
    return bool(request.tools) and (request.tool_choice or {}).get("type") in ("any", "tool")


def nearest(effort: str, efforts: Sequence[str]) -> str:
    """The effort, or the next higher one of these, or else the next lower; "" of ""."""
    if not effort or effort in efforts:
        return effort
    place = _ALL.index(effort)
    return next((e for e in [*_ALL[place:], *reversed(_ALL[:place])] if e in efforts), "")


def _nothing(thinking: ThinkingRequest, facts: ModelFacts) -> dict[str, JSON]:
    return {}


def _effort(thinking: ThinkingRequest, facts: ModelFacts) -> dict[str, JSON]:
    effort = thinking.effort or thinking.usual
    return {"reasoning_effort": effort} if effort else {}


def _effort_if_known(thinking: ThinkingRequest, facts: ModelFacts) -> dict[str, JSON]:
    return _effort(thinking, facts) if facts.reasoning else {}


def _kwargs(thinking: ThinkingRequest) -> dict[str, JSON]:
    # Two names for one switch: Qwen and GLM templates read the first, DeepSeek and Kimi the other.
    on = thinking.on is not False
    return {"chat_template_kwargs": {"enable_thinking": on, "thinking": on}}


def _template(thinking: ThinkingRequest, facts: ModelFacts) -> dict[str, JSON]:
    return _kwargs(thinking) | (_effort(thinking, facts) if thinking.effort else {})


def _both(thinking: ThinkingRequest, facts: ModelFacts) -> dict[str, JSON]:
    # Of these servers some versions turn an effort into the template's switch, and some do not.
    return _kwargs(thinking) | _effort(thinking, facts)


def _vllm(thinking: ThinkingRequest, facts: ModelFacts) -> dict[str, JSON]:
    budget = {"thinking_token_budget": thinking.budget} if thinking.budget else {}
    return _both(thinking, facts) | budget


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
    "effort_and_template": _both,
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
