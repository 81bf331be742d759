"""What a message stream is given at its start, and the states that it goes through."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from msgspec import UNSET
from msgspec.structs import replace

from bridge.translation.json import JSON
from bridge.translation.response import deltas, events


class Phase(Enum):
    NEW = auto()
    OPEN = auto()
    FINISHING = auto()
    DONE = auto()
    FAILED = auto()


class Shown(Enum):
    """The kind of block that is open."""

    NOTHING = auto()
    THINKING = auto()
    TEXT = auto()
    TOOL = auto()


SHOWN_AS: dict[type, Shown] = {deltas.Text: Shown.TEXT, deltas.Reasoning: Shown.THINKING}
"""The kind of block in which a delta is shown."""


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """What the machine must know of the request that it answers.

    mint          a fresh random string of 24 base62 characters, for ids and signatures
    client_name   a tool's name at the backend -> its name in the request
    gateway_stops the stop sequences that the backend was not given
    prefill          what the backend repeats before it goes on
    inline_thinking  "tags", "open" or "guess": thinking stands in the text, see think_tags.py
    written_calls    tools whose calls may stand in the text, see text_calls/
    backend_model    the backend's name of the model
    schemas       the tools' names in the request -> JSON schemas of their arguments
    safeguard_results   what the end of the answer carries under this name; None for nothing
    used_ids      tool ids of the conversation so far
    max_tokens    the longest answer that the client asked for; `sent_max_tokens` is what the
                  backend was asked for, 0 when not known
    input_estimate, bytes_per_token   stand in where the backend reports no usage
    """

    message_id: str
    request_id: str
    model: str
    mint: Callable[[], str]
    backend_model: str = ""
    client_name: Callable[[str], str] = str
    schemas: Mapping[str, JSON] = field(default_factory=dict)
    used_ids: frozenset[str] = frozenset()
    stop_sequences: tuple[str, ...] = ()
    gateway_stops: tuple[str, ...] = ()
    prefill: str = ""
    inline_thinking: str = ""
    written_calls: Mapping[str, JSON] = field(default_factory=dict)
    one_call: bool = False
    omit_thinking: bool = False
    input_estimate: int = 1
    bytes_per_token: float = 4.0
    max_tokens: int = 0
    sent_max_tokens: int = 0
    context: int = 0
    safeguard_results: JSON = None
    context_management: bool = False

    def end(self, stop: events.Stop, usage: events.Usage) -> events.MessageDelta:
        """The end of an answer, with what the request wants to see there."""
        edits = events.ContextManagement() if self.context_management else UNSET
        results = self.safeguard_results or UNSET
        return events.MessageDelta(replace(stop, safeguard_results=results), usage, edits)
