"""The events of a Claude message stream, typed, and how each is written.

Layout as measured against the official SDKs and Claude Code: the tag is the event's name, every
member that a client reads is always there, all content travels in deltas (what stands inside a
block start is ignored by clients).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from bridge.translation.errors.api_error import ApiError
from bridge.translation.json import encode
from bridge.translation.response.sse import END, head


class OutputDetails(msgspec.Struct, frozen=True):
    """How many of the output tokens were thinking."""

    thinking_tokens: int


class Usage(msgspec.Struct, frozen=True):
    """Token counts. The whole prompt is input + cache creation + cache read."""

    input_tokens: int
    output_tokens: int
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0
    output_tokens_details: OutputDetails | UnsetType = UNSET


class TextBlock(msgspec.Struct, tag="text"):
    text: str = ""


class ThinkingBlock(msgspec.Struct, tag="thinking"):
    thinking: str = ""
    signature: str = ""


class ToolUseBlock(msgspec.Struct, tag="tool_use"):
    id: str
    name: str
    input: dict[str, Any] = msgspec.field(default_factory=dict)


class ServerToolUseBlock(msgspec.Struct, tag="server_tool_use"):
    id: str
    name: str
    input: dict[str, Any] = msgspec.field(default_factory=dict)


class WebSearchError(msgspec.Struct, frozen=True, tag="web_search_tool_result_error"):
    error_code: str


class WebSearchToolResultBlock(msgspec.Struct, tag="web_search_tool_result"):
    """It has no deltas: its content stands in the start of the block."""

    tool_use_id: str
    content: WebSearchError


Block = TextBlock | ThinkingBlock | ToolUseBlock | ServerToolUseBlock | WebSearchToolResultBlock


class StopDetails(msgspec.Struct, frozen=True, tag="refusal"):
    category: str | None = None
    explanation: str | None = None


class ContextManagement(msgspec.Struct, frozen=True):
    """Sent back when a request asked for context edits: none was applied."""

    applied_edits: list[Any] = msgspec.field(default_factory=list)


class Message(msgspec.Struct, tag="message"):
    """The plain answer, and the empty shell inside `MessageStart`."""

    id: str
    model: str
    usage: Usage
    role: str = "assistant"
    content: list[Block] = msgspec.field(default_factory=list)
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | UnsetType = UNSET
    context_management: ContextManagement | UnsetType = UNSET
    safeguard_results: list[Any] | UnsetType = UNSET


class MessageStart(msgspec.Struct, frozen=True, tag="message_start"):
    message: Message


class Ping(msgspec.Struct, frozen=True, tag="ping"):
    pass


class ContentBlockStart(msgspec.Struct, frozen=True, tag="content_block_start"):
    index: int
    content_block: Block


class TextDelta(msgspec.Struct, frozen=True, gc=False, tag="text_delta"):
    text: str


class ThinkingDelta(msgspec.Struct, frozen=True, gc=False, tag="thinking_delta"):
    thinking: str


class SignatureDelta(msgspec.Struct, frozen=True, gc=False, tag="signature_delta"):
    signature: str


class InputJsonDelta(msgspec.Struct, frozen=True, gc=False, tag="input_json_delta"):
    partial_json: str


BlockDelta = TextDelta | ThinkingDelta | SignatureDelta | InputJsonDelta


class ContentBlockDelta(msgspec.Struct, frozen=True, gc=False, tag="content_block_delta"):
    index: int
    delta: BlockDelta


class ContentBlockStop(msgspec.Struct, frozen=True, gc=False, tag="content_block_stop"):
    index: int


class Stop(msgspec.Struct, frozen=True):
    """The `delta` of a message delta."""

    stop_reason: str
    stop_sequence: str | None = None
    stop_details: StopDetails | UnsetType = UNSET
    safeguard_results: list[Any] | UnsetType = UNSET


class MessageDelta(msgspec.Struct, frozen=True, tag="message_delta"):
    delta: Stop
    usage: Usage
    context_management: ContextManagement | UnsetType = UNSET


class MessageStop(msgspec.Struct, frozen=True, tag="message_stop"):
    pass


class ErrorBody(msgspec.Struct, frozen=True):
    type: str
    message: str
    details: dict[str, Any] | UnsetType = UNSET


class Error(msgspec.Struct, frozen=True, tag="error"):
    error: ErrorBody
    request_id: str

    @classmethod
    def of(cls, error: ApiError, request_id: str) -> Error:
        return cls(ErrorBody(error.stream_type, error.message, error.details or UNSET), request_id)


class Written(msgspec.Struct, frozen=True, gc=False):
    """Deltas as they go over the wire, where nobody wants them in another form."""

    frames: bytes


Event = (
    MessageStart
    | Ping
    | ContentBlockStart
    | ContentBlockDelta
    | ContentBlockStop
    | MessageDelta
    | MessageStop
    | Error
    | Written
)

_HEADS: dict[type, bytes] = {
    MessageStart: head("message_start"),
    Ping: head("ping"),
    ContentBlockStart: head("content_block_start"),
    ContentBlockDelta: head("content_block_delta"),
    ContentBlockStop: head("content_block_stop"),
    MessageDelta: head("message_delta"),
    MessageStop: head("message_stop"),
    Error: head("error"),
}
"""What stands in front of each event on the wire."""


def at_its_end(batch: Sequence[Event]) -> tuple[list[Event], list[Event]]:
    """A batch in two: what comes before the message delta, and the rest."""
    deltas = (place for place, event in enumerate(batch) if isinstance(event, MessageDelta))
    end = next(deltas, len(batch))
    return list(batch[:end]), list(batch[end:])


def with_safeguard_results(batch: Iterable[Event], results: list[Any]) -> list[Event]:
    """The same events, with these results in the message delta."""
    return [
        replace(event, delta=replace(event.delta, safeguard_results=results))
        if isinstance(event, MessageDelta)
        else event
        for event in batch
    ]


def frames(events: Iterable[Event]) -> bytes:
    """The events as they go over the wire."""
    return b"".join(
        [
            event.frames if type(event) is Written else _HEADS[type(event)] + encode(event) + END
            for event in events
        ]
    )


def _around(kind: type[TextDelta | ThinkingDelta]) -> tuple[bytes, bytes, bytes]:
    """What stands around the index and the text of such a delta."""
    index, text = 4711, "\0"
    head, rest = frames([ContentBlockDelta(index, kind(text))]).split(encode(index))
    middle, tail = rest.split(encode(text))
    return head, middle, tail


_AROUND = {kind: _around(kind) for kind in (TextDelta, ThinkingDelta)}


def around_text(index: int, kind: type[TextDelta | ThinkingDelta]) -> tuple[bytes, bytes]:
    """What stands on the wire in front of and behind the text of such a delta."""
    head, middle, tail = _AROUND[kind]
    return b"%b%d%b" % (head, index, middle), tail


PING = frames([Ping()])
