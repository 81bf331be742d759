"""Text and reasoning of one delta or message, wherever a server puts them.

Content is text, an object with a text, a list of texts, or a list of parts whose types have a
dozen names. Reasoning stands in a field of its own, of which there are six, or among the parts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bridge.translation.json import JSON
from bridge.translation.response.deltas import Delta, Details, Reasoning, Refusal, Text, Unread

_REASONING_FIELDS = ("reasoning_content", "reasoning", "reasoning_text", "thinking")
_REASONING_PARTS = frozenset(
    {"thinking", "reasoning", "reasoning_text", "reasoning.text", "thought", "summary_text"}
)
_NAMED_FIELDS = ("reasoning_content", "reasoning", "reasoning_details")
_DETAILS = ("reasoning_details", "thinking_blocks")
_BESIDE_TEXT = frozenset({*_REASONING_FIELDS, *_DETAILS, "refusal", "extra_content"})
_THOUGHT = re.compile("</?thought>")
_DEEPEST = 4


def read_content(delta: dict[str, JSON]) -> list[Delta]:
    """Reasoning, text and refusal, in the order in which a message shows them."""
    content = delta.get("content")
    if isinstance(content, str) and _BESIDE_TEXT.isdisjoint(delta):
        return [Text(content)] if content else []
    return list(_read_all(delta, content))


def _read_all(delta: dict[str, JSON], content: JSON) -> Iterator[Delta]:
    text, thought = _content(content)
    if text and _is_thought(delta.get("extra_content")):
        text, thought = "", _THOUGHT.sub("", text)
    if not text and not thought and _is_unread(content):
        yield Unread()
    if reasoning := _fields(delta) or thought:
        yield Reasoning(reasoning)
    if sealed := _sealed(delta.get("reasoning_details")):
        yield Details(sealed)
    if text:
        yield Text(text)
    refusal = delta.get("refusal") or _refusal_among(content)
    if refusal and isinstance(refusal, str):
        yield Refusal(refusal)


def _refusal_among(content: JSON) -> JSON:
    """The refusal that stands among the parts."""
    parts = content if isinstance(content, list) else []
    return next((p["refusal"] for p in parts if isinstance(p, dict) and p.get("refusal")), None)


def _is_thought(extra: JSON) -> bool:
    """Gemini's mark at text that is the model's thinking."""
    google = extra.get("google") if isinstance(extra, dict) else None
    return isinstance(google, dict) and google.get("thought") is True


def _sealed(details: JSON) -> list[JSON]:
    """The parts of reasoning that are signed or encrypted."""
    parts = details if isinstance(details, list) else []
    return [p for p in parts if isinstance(p, dict) and (p.get("data") or p.get("signature"))]


def reasoning_field(delta: dict[str, JSON]) -> str:
    """The field in which this delta or message carries reasoning; "" for none."""
    for name in _NAMED_FIELDS:
        if delta.get(name):
            return name
    return ""


def _fields(delta: dict[str, JSON]) -> str:
    """The first field that holds reasoning. Two fields with the same text count once."""
    for name in _REASONING_FIELDS:
        if text := _text_of(delta.get(name)):
            return text
    for name in _DETAILS:
        details = delta.get(name)
        parts = [p for p in details if isinstance(p, dict)] if isinstance(details, list) else []
        if text := _text_of(details if isinstance(details, str) else parts):
            return text
    return ""


def _text_of(value: JSON, depth: int = 0) -> str:
    """The text that a value is, or holds: in an object, or in a list of either."""
    if isinstance(value, str):
        return value
    if depth > _DEEPEST:
        return ""
    if isinstance(value, list):
        return "".join(_text_of(item, depth + 1) for item in value)
    if not isinstance(value, dict):
        return ""
    names = ("text", "thinking", "reasoning", "summary", "content", "value")
    return next((text for name in names if (text := _text_of(value.get(name), depth + 1))), "")


def _content(content: JSON) -> tuple[str, str]:
    """(text, reasoning)."""
    if isinstance(content, str):
        return content, ""
    if not isinstance(content, (list, dict)):
        return "", ""
    texts: list[str] = []
    thoughts: list[str] = []
    parts = content if isinstance(content, list) else [content]
    for part in parts:
        if isinstance(part, dict) and part.get("type") in _REASONING_PARTS:
            thoughts.append(_text_of(part))
        elif isinstance(part, (dict, str)):
            texts.append(_text_of(part))
    return "".join(texts), "".join(thoughts)


_KNOWN_PARTS = _REASONING_PARTS | {"text", "output_text", "input_text", "refusal", "tool_use"}


def _is_unread(content: JSON) -> bool:
    """Content of a form that nobody here can read: an answer of nothing else is no answer."""
    parts = content if isinstance(content, list) else [content]
    structured = isinstance(content, (list, dict))
    return structured and bool(parts) and not any(map(_is_known, parts))


def _is_known(part: JSON) -> bool:
    """Whether a part may hold nothing: its kind is one that is read, or it is empty itself."""
    if isinstance(part, dict):
        return part.get("type") in _KNOWN_PARTS or not part
    return part is None or part == ""
