"""Tool calls of one delta or message, in whatever shape a bridge writes them.

A call is an object with a `function`; some bridges leave that layer out, write it as JSON text, or
name its arguments after other protocols. Calls may also stand among the parts of the content.
"""

from __future__ import annotations

from bridge.translation.json import JSON, decode, encode_text
from bridge.translation.response.deltas import ToolCall

_KEPT = ("extra_content", "thought_signature", "provider_specific_fields")
"""Members of a call that vendors sign it with, and want back."""
_OTHER_ARGUMENTS = ("parameters", "input")
_PARTS_THAT_CALL = frozenset({"tool_use", "tool_call", "function_call"})


def read_calls(delta: dict[str, JSON]) -> list[ToolCall]:
    """The fragments of calls that a delta brings, in order."""
    if calls := _listed(delta.get("tool_calls")):
        return [_tool_call(call) for call in calls]
    legacy = delta.get("function_call")
    if isinstance(legacy, dict):
        return [_tool_call({"index": 0, "function": legacy})]
    content = delta.get("content")
    parts = content if isinstance(content, list) else []
    return [_tool_call(p) for p in parts if isinstance(p, dict) and is_calling(p)]


def is_calling(part: dict[str, JSON]) -> bool:
    """Whether a part of the content is a tool call."""
    return part.get("type") in _PARTS_THAT_CALL


def _listed(calls: JSON) -> list[dict[str, JSON]]:
    """Calls in a list; one alone, or by their numbers, in an object."""
    if isinstance(calls, dict):
        calls = [calls] if _function_of(calls) else list(calls.values())
    return [call for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []


def _tool_call(call: dict[str, JSON]) -> ToolCall:
    function = _function_of(call)
    arguments = function.get("arguments")
    if arguments is None and function.get("name"):
        others = (function[name] for name in _OTHER_ARGUMENTS if function.get(name) is not None)
        arguments = next(others, None)
    if isinstance(arguments, (dict, list)):
        arguments = encode_text(arguments)
    return ToolCall(
        index=_index(call.get("index")),
        id=_id(call.get("id")),
        name=_text(function.get("name")),
        arguments=_text(arguments),
        extra={name: call[name] for name in _KEPT if call.get(name)} or None,
    )


def _function_of(call: dict[str, JSON]) -> dict[str, JSON]:
    """The part of a call that has its name and its arguments."""
    for name in ("function", "custom"):
        function = call.get(name)
        if isinstance(function, str) and function.lstrip().startswith("{"):
            function = _decoded(function)
        if isinstance(function, dict):
            return function
    is_flat = isinstance(call.get("name"), str) or isinstance(call.get("arguments"), str)
    return call if is_flat else {}


def _decoded(text: str) -> JSON:
    try:
        return decode(text.encode("utf-8", "replace"))
    except ValueError:
        return None


def _index(value: JSON) -> int | None:
    """A call's number; some bridges write it as text."""
    if isinstance(value, str) and value.isdecimal() and len(value) < 10:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _id(value: JSON) -> str:
    """A call's id; some bridges number their calls."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _text(value)


def _text(value: JSON) -> str:
    return value if isinstance(value, str) else ""
