"""The chunks of which nearly every stream consists, read by type: one text, or one piece of a call.

Nine of ten chunks of a stream have the same few members. Decoding such a chunk straight into
structs takes a fraction of the time in which `chat.py` looks for everything that any server ever
sent. What is read here is exactly what `chat.py` would read, a property test holds them equal;
whatever has another member, another type or another value is left to it.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from bridge.translation.response.deltas import Reasoning, Text, ToolCall

ESCAPED_NUL = b"\\u0000"
"""`json.decode` takes these characters out."""


class _Part(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """Members that are named here and not read are such that `chat.py` reads nothing in them."""


class UsualFunction(_Part):
    arguments: str | None = None
    name: str | None = None


class UsualCall(_Part):
    function: UsualFunction
    index: int | None = None
    id: str | None = None
    type: str | None = None


class UsualDelta(_Part):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: Annotated[list[UsualCall], Meta(min_length=1, max_length=1)] | None = None
    role: str | None = None
    refusal: None = None
    function_call: None = None
    audio: None = None


class UsualChoice(_Part):
    delta: UsualDelta
    index: Literal[0]
    finish_reason: None = None
    native_finish_reason: None = None
    stop_reason: None = None
    matched_stop: None = None
    logprobs: None = None
    token_ids: None = None


class UsualChunk(_Part):
    choices: Annotated[list[UsualChoice], Meta(min_length=1, max_length=1)]
    id: str | None = None
    object: Literal["chat.completion.chunk"] | None = None
    created: int | None = None
    model: str | None = None
    system_fingerprint: str | None = None
    service_tier: str | None = None
    provider: str | None = None
    usage: None = None
    error: None = None


_decode = msgspec.json.Decoder(UsualChunk).decode


def read_usual(payload: bytes) -> Text | Reasoning | ToolCall | None:
    """The one delta that such a chunk brings; None for any other chunk."""
    try:
        delta = _decode(payload).choices[0].delta
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    text, thought = delta.content, delta.reasoning_content or delta.reasoning
    if bool(text) + bool(thought) + bool(delta.tool_calls) != 1 or ESCAPED_NUL in payload:
        return None
    if text:
        return Text(text)
    return Reasoning(thought) if thought else _call(delta.tool_calls)


def _call(calls: list[UsualCall] | None) -> ToolCall | None:
    if not calls:
        return None
    call, function = calls[0], calls[0].function
    return ToolCall(call.index, call.id or "", function.name or "", function.arguments or "")
