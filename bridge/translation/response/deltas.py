"""The neutral vocabulary between a backend's dialect and the message stream.

A dialect turns chunks into these and knows nothing of Claude; the state machine turns these into
message events and knows nothing of any backend.
"""

from __future__ import annotations

import msgspec

from bridge.translation.json import JSON


class Text(msgspec.Struct, frozen=True, gc=False):
    """Visible text of the answer."""

    text: str


class Reasoning(msgspec.Struct, frozen=True, gc=False):
    """Text of the model's thinking."""

    text: str


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """Text with which the model declines; visible, and it decides the stop reason."""

    text: str


class ToolCall(msgspec.Struct, frozen=True, gc=False):
    """A fragment of a tool call, as the backend cut it: any member may be missing.

    `arguments` is a piece of JSON text; a backend that sends an object had it serialised. `extra`
    are members that the backend wants back with the call.
    """

    index: int | None = None
    id: str = ""
    name: str = ""
    arguments: str = ""
    extra: dict[str, JSON] | None = None


class Unread(msgspec.Struct, frozen=True, gc=False):
    """Content that is there and of a form that is not known."""


class Details(msgspec.Struct, frozen=True, gc=False):
    """Parts of reasoning that are not for reading and must come back unchanged."""

    parts: list[JSON]


class Finish(msgspec.Struct, frozen=True, gc=False):
    """The backend ends the answer. `stop` is the matched stop string, where it is known."""

    reason: str
    stop: str | None = None


GATEWAY_STOP = "gateway_stop"
"""Reason of a Finish that the gateway itself decided, at a stop sequence."""

FOR_TOOLS = frozenset({"tool_calls", "function_call"})
"""Reasons of a reply that ends with calls."""
LENGTH = frozenset({"length", "max_tokens", "model_length", "context_window"})
"""Reasons of a reply that came to its token limit."""
STAYS = LENGTH | {GATEWAY_STOP}
"""Reasons that no later one replaces."""
BREAKS_OFF = STAYS | {"content_filter"}
"""Reasons of a reply that the model did not end itself."""


class ReportedUsage(msgspec.Struct, frozen=True, gc=False):
    """Token counts as reported, already coerced; None is "not given". `prompt` includes `cached`.

    `final` marks a report in a chunk of its own, which servers send last. `cost_nano` is what the
    backend says that the request cost, in billionths of a US dollar.
    """

    prompt: int | None = None
    completion: int | None = None
    cached: int = 0
    written: int = 0
    reasoning: int | None = None
    final: bool = False
    cost_nano: int | None = None


class Done(msgspec.Struct, frozen=True, gc=False):
    """The ``[DONE]`` mark. Not every backend sends it, some send it twice."""


class Lost(msgspec.Struct, frozen=True, gc=False):
    """A chunk that could not be read: what it brought is missing."""


class BackendFault(msgspec.Struct, frozen=True, gc=False):
    """An error object inside a 200 answer: its code as a status, and its JSON for the wording."""

    status: int
    body: JSON = None


ContentDelta = (
    Text | Reasoning | Refusal | ToolCall | Finish | ReportedUsage | Done | Lost | Details | Unread
)
Delta = ContentDelta | BackendFault
