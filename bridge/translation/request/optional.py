"""Fields that a request may go without, and which of the learnt facts made a difference to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bridge.translation import facts as habits
from bridge.translation.facts import Fact
from bridge.translation.json import JSON
from bridge.translation.request.conversation import UNSIGNED
from bridge.translation.request.schema import MessagesRequest
from bridge.translation.request.thinking import FIELDS, is_forced

OWN = FIELDS | {"stream_options", "parallel_tool_calls", "response_format"}
"""Fields that the gateway adds of its own accord: a backend that refuses one gets the request again
without it. So it is with `strict` of a tool and `enable_thinking` of the template's arguments."""
CLIENTS = frozenset({"temperature", "top_p", "top_k", "user", "service_tier"})
"""Fields of the client that may go as well, and are named then: in an agent nobody can change
them."""
OPTIONAL = OWN | CLIENTS


def names(body: dict[str, JSON]) -> frozenset[str]:
    """The fields of a request that may go, also those inside others."""
    nested = {"enable_thinking"} if "chat_template_kwargs" in body else set[str]()
    if any("strict" in tool["function"] for tool in body.get("tools", ())):
        nested.add("strict")
    return OPTIONAL.intersection(body) | nested


def without(body: dict[str, JSON], names: frozenset[str]) -> dict[str, JSON]:
    """A chat request less some optional fields."""
    gone = names | {"chat_template_kwargs"} if "enable_thinking" in names else names
    rest = {name: value for name, value in body.items() if name not in gone}
    if "strict" in names and "tools" in rest:
        rest["tools"] = [_unstrict(tool) for tool in rest["tools"]]
    return rest


def _unstrict(tool: dict[str, JSON]) -> dict[str, JSON]:
    function = {name: value for name, value in tool["function"].items() if name != "strict"}
    return {**tool, "function": function}


# --- what was learnt ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Translated:
    """A request with what became of it. `left_out` are fields that were not sent for a fact."""

    request: MessagesRequest
    body: dict[str, JSON]
    dropped: tuple[str, ...]
    left_out: frozenset[str]


def made_a_difference(learnt: frozenset[Fact], translated: Translated) -> tuple[Fact, ...]:
    """The facts without which another request would have been sent, in a fixed order."""
    return tuple(fact for fact in sorted(learnt) if _RULES[fact.what](fact.value, translated))


def _has_reasoning(value: str, translated: Translated) -> bool:
    return any(value in message for message in translated.body["messages"])


def _is_unsigned(message: dict[str, JSON]) -> bool:
    return bool(message.get("tool_calls")) and UNSIGNED.items() <= message["tool_calls"][0].items()


def _had_schemas(value: str, translated: Translated) -> bool:
    return "tools" in translated.body or "response_format" in translated.body


def _had_effort(value: str, translated: Translated) -> bool:
    return "tools" in translated.body and "reasoning_effort" in translated.body


def _was_longer(value: str, translated: Translated) -> bool:
    return value.isdecimal() and translated.request.max_tokens > int(value)


_RULES: dict[str, Callable[[str, Translated], bool]] = {
    habits.MAX_OUTPUT: _was_longer,
    habits.VISION: lambda value, t: "image" in t.dropped,
    habits.REFUSES: lambda value, t: value in t.left_out,
    habits.MAX_TOKENS_FIELD: lambda value, t: value in t.body,
    habits.REASONING_FIELD: lambda value, t: not value or _has_reasoning(value, t),
    habits.REASONING_DEMANDED: _has_reasoning,
    habits.SIGNED_CALLS: lambda value, t: any(map(_is_unsigned, t.body["messages"])),
    habits.STREAM_ONLY: lambda value, t: not t.request.stream,
    habits.NARROW_SCHEMAS: _had_schemas,
    habits.EFFORTS: lambda value, t: "reasoning_effort" in t.body,
    habits.EFFORT_BESIDE_TOOLS: _had_effort,
    habits.FORCED_CHOICE: lambda value, t: is_forced(t.request),
    habits.THINKING: lambda value, t: True,
    habits.FAMILY: lambda value, t: False,
}
"""What a fact changes, by its kind."""
