"""Bytes of a backend's answer -> what was heard. Pure.

The readers are those of the data plane, so the probe sees an answer as the gateway would. Only the
mending is left out: arguments stay as they came, since whether they are valid is the question.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from bridge.translation.errors.api_error import ApiError
from bridge.translation.errors.from_backend import (
    ErrorContext,
    from_fault,
    from_reply,
    message_text,
)
from bridge.translation.errors.redaction import redact
from bridge.translation.json import JSON, decode
from bridge.translation.response.deltas import (
    BackendFault,
    Delta,
    Done,
    Finish,
    Reasoning,
    Refusal,
    ReportedUsage,
    Text,
    ToolCall,
)
from bridge.translation.response.dialects.chat import ChunkReader, read_reply
from bridge.translation.response.dialects.think_tags import OPENER, ThinkTags
from bridge.translation.response.sse import BOM, SseReader
from bridge.translation.response.text_calls.stage import TextCalls
from bridge.translation.response.tool_calls import CallTracker

Body = dict[str, JSON]

TAGS = "<think> tags in the text"
OPEN = "the text in front of a </think> without its opener"
_REASONING_FIELD = re.compile(
    rb'"(reasoning_content|reasoning|reasoning_details)"\s*:\s*["\[][^"\]]'
)


@dataclass(frozen=True, slots=True)
class ReplyToolCall:
    """One tool call; `arguments` as the backend wrote them, `as_text` when in the visible text."""

    name: str
    arguments: str
    as_text: bool = False

    @property
    def values(self) -> dict[str, JSON] | None:
        """The arguments, if they are a JSON object."""
        try:
            values = decode(self.arguments.encode())
        except ValueError:
            return None
        return values if isinstance(values, dict) else None

    def __str__(self) -> str:
        return f"{self.name}({self.arguments})"


@dataclass(frozen=True, slots=True)
class ProbeReply:
    """One answer, read to its end.

    thought_in   where thinking stood: a field's name, TAGS or OPEN
    stop         the stop sequence that the backend says it met
    chunks       events of a stream; 0 for one JSON document
    closed       a stream ended with its mark, ``[DONE]``
    error, words  a refusal: what it means, and its own words; `document` is its JSON
    silence      why there is no answer to judge, "" when there is one
    """

    text: str = ""
    thought: str = ""
    thought_in: str = ""
    calls: tuple[ReplyToolCall, ...] = ()
    finish: str = ""
    stop: str | None = None
    usage: ReportedUsage | None = None
    chunks: int = 0
    closed: bool = False
    status: int = 200
    error: ApiError | None = None
    words: str = ""
    document: JSON = None
    silence: str = ""

    @property
    def cut(self) -> bool:
        """The answer came to its token limit."""
        return self.finish == "length"

    @property
    def is_blank(self) -> bool:
        return not (self.text.strip() or self.calls)


def refusal(
    status: int, headers: dict[str, str], raw: bytes, error_context: ErrorContext
) -> ProbeReply:
    """A reply with an error status. Header names are lower case."""
    try:
        document = decode(raw)
    except ValueError:
        document = raw.decode("utf-8", "replace")
    error = from_reply(status, headers, raw, error_context)
    return ProbeReply(
        status=status, error=error, words=_words(status, document, error_context), document=document
    )


def answer(raw: bytes, body: Body, error_context: ErrorContext) -> ProbeReply:
    """A reply with a good status; `body` is the request that it answers."""
    try:
        deltas, chunks = _deltas(raw)
    except ApiError as error:
        return ProbeReply(error=error, words=f"status 200, but {error.message}")
    for delta in deltas:
        if isinstance(delta, BackendFault):
            return _failed(delta, error_context)
    return _reply_of(deltas, chunks, raw, body)


def _failed(fault: BackendFault, error_context: ErrorContext) -> ProbeReply:
    """An error inside an answer whose status was good."""
    status = fault.status or 500
    words = f"an error inside the answer, {_words(status, fault.body, error_context)}"
    error = from_fault(fault.status, fault.body, error_context)
    return ProbeReply(status=status, error=error, words=words, document=fault.body)


def _words(status: int, document: JSON, error_context: ErrorContext) -> str:
    text = redact(message_text(document), error_context.secrets).strip()
    return f"status {status}, {text}" if text else f"status {status}"


def _deltas(raw: bytes) -> tuple[list[Delta], int]:
    """The deltas, and from how many events of a stream; raises ApiError for what is neither."""
    if raw.removeprefix(BOM).lstrip().startswith(b"{") or not raw.strip():
        return list(read_reply(raw)), 0
    lines, chunks = SseReader(), ChunkReader()
    payloads = [*lines.feed(raw), *lines.finish()]
    if not payloads:
        return list(read_reply(raw)), 0
    return [delta for payload in payloads for delta in chunks.feed(payload)], len(payloads)


def _reply_of(deltas: list[Delta], chunks: int, raw: bytes, body: Body) -> ProbeReply:
    text, thought, thought_in = _split(deltas, raw)
    calls = _calls(deltas) or _written(text, body)
    finish = next((d for d in deltas if isinstance(d, Finish)), Finish(""))
    reports = [d for d in deltas if isinstance(d, ReportedUsage) and (d.prompt or d.completion)]
    return ProbeReply(
        text=text,
        thought=thought,
        thought_in=thought_in,
        calls=calls,
        finish=finish.reason,
        stop=finish.stop,
        usage=reports[-1] if reports else None,
        chunks=chunks,
        closed=chunks > 0 and any(isinstance(d, Done) for d in deltas),
    )


def _split(deltas: Iterable[Delta], raw: bytes) -> tuple[str, str, str]:
    """(visible text, thinking, where the thinking stood)."""
    parts = list(deltas)
    text = "".join(d.text for d in parts if isinstance(d, (Text, Refusal)))
    thought = "".join(d.text for d in parts if isinstance(d, Reasoning))
    if thought.strip():
        found = _REASONING_FIELD.search(raw)
        return text, thought, found[1].decode() if found else "thinking parts of the content"
    tags = ThinkTags(opened=False)
    staged = [*tags.feed(Text(text)), *tags.feed(Done())]
    thought = "".join(d.text for d in staged if isinstance(d, Reasoning))
    visible = "".join(d.text for d in staged if isinstance(d, Text))
    place = TAGS if text.lstrip().startswith(OPENER) else OPEN
    return visible, thought, place if thought else ""


def _calls(deltas: Iterable[Delta]) -> tuple[ReplyToolCall, ...]:
    tracker = CallTracker()
    for delta in deltas:
        if isinstance(delta, ToolCall):
            tracker.feed(delta)
    return tuple(ReplyToolCall(call.name, call.arguments.raw or "{}") for call in tracker.calls)


def _written(text: str, body: Body) -> tuple[ReplyToolCall, ...]:
    """The calls that the gateway would find in the text."""
    functions = [tool["function"] for tool in body.get("tools", ())]
    if not functions:
        return ()
    stage = TextCalls({function["name"]: function["parameters"] for function in functions})
    staged = [*stage.feed(Text(text)), *stage.finish()]
    return tuple(
        ReplyToolCall(d.name, d.arguments, True) for d in staged if isinstance(d, ToolCall)
    )
