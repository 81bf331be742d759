"""A script for the message stream: feed deltas, expect events.

    Playbook().feed(Text("He")).expect("start", "ping", "open 0 text", "add 0 He")

Events are compared as one short line each, so that a failure reads as two transcripts side by side:

    start                               ping
    open 0 text                         open 1 thinking          open 2 tool_use Bash call_1
    add 0 He                            sign 0                   close 0
    end tool_use                        end stop_sequence END    stop
    error api_error: why it died

Ids that the machine made up itself are shown as ``toolu_*``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

from bridge.translation.errors.api_error import ApiError
from bridge.translation.response import events
from bridge.translation.response.deltas import ContentDelta
from bridge.translation.response.events import Event, frames
from bridge.translation.response.message_stream import MessageStream
from bridge.translation.response.stream_options import StreamOptions
from tests.grammar import check_stream
from tests.shapes import Json

MINTED = re.compile(r"toolu_[A-Za-z0-9]{24}")
SIGNATURE = re.compile(r"gw1\.[A-Za-z0-9_-]{16,}")


def counting_mint() -> Callable[[], str]:
    """Fresh strings of 24 base62 characters, the same ones in every run."""
    numbers = count(1)
    return lambda: f"{next(numbers):024d}"


def make_terms(**changes: Any) -> StreamOptions:
    """Terms of a small request; an estimate of 7 prompt tokens, 4 bytes for a token."""
    defaults: dict[str, Any] = {
        "message_id": "msg_1",
        "request_id": "req_1",
        "model": "asked/for",
        "mint": counting_mint(),
        "input_estimate": 7,
    }
    return StreamOptions(**(defaults | changes))


class Playbook:
    """One answer of the message stream, told as a conversation."""

    def __init__(self, **options: Any) -> None:
        self.machine = MessageStream(make_terms(**options))
        self.events: list[Event] = []
        self._unseen: list[Event] = []

    def open(self) -> Playbook:
        return self._took(self.machine.open())

    def feed(self, *deltas: ContentDelta) -> Playbook:
        for delta in deltas:
            self._took(self.machine.feed(delta))
        return self

    def finish(self) -> Playbook:
        return self._took(self.machine.finish())

    def fail(self, error: ApiError) -> Playbook:
        return self._took(self.machine.fail(error))

    def expect(self, *lines: str) -> Playbook:
        """The events since the last expectation are these."""
        assert briefs(self._unseen) == list(lines)
        self._unseen = []
        return self

    def skip(self) -> Playbook:
        """What came so far is of no interest."""
        self._unseen = []
        return self

    @property
    def message(self) -> Json:
        """What the whole stream amounts to; its grammar has been checked."""
        return check_stream(frames(self.events))

    @property
    def content(self) -> list[Json]:
        """The blocks of the message, as `plain_block` shows them."""
        return [plain_block(block) for block in self.message["content"]]

    def _took(self, produced: list[Event]) -> Playbook:
        self.events += produced
        self._unseen += produced
        return self


def plain_block(block: Json) -> Json:
    """A block with placeholders for what the machine made up."""
    shown = dict(block)
    if "id" in shown and MINTED.fullmatch(shown["id"]):
        shown["id"] = "toolu_*"
    if "signature" in shown and SIGNATURE.fullmatch(shown["signature"]):
        shown["signature"] = "gw1.*"
    return shown


def briefs(stream: Iterable[Event]) -> list[str]:
    """Each event as one short line."""
    return [_brief(event) for event in stream]


def _brief(event: Event) -> str:
    match event:
        case events.MessageStart():
            return "start"
        case events.Ping():
            return "ping"
        case events.ContentBlockStart(index, block):
            return f"open {index} {_brief_block(block)}"
        case events.ContentBlockDelta(index, delta):
            return _brief_delta(index, delta)
        case events.ContentBlockStop(index):
            return f"close {index}"
        case events.MessageDelta(stop):
            named = f" {stop.stop_sequence}" if stop.stop_sequence is not None else ""
            return f"end {stop.stop_reason}{named}"
        case events.MessageStop():
            return "stop"
        case events.Error(body):
            return f"error {body.type}: {body.message}"
        case events.Written(frames):
            return f"written {frames!r}"


def _brief_block(block: events.Block) -> str:
    match block:
        case events.ToolUseBlock(identity, name):
            return f"tool_use {name} {'toolu_*' if MINTED.fullmatch(identity) else identity}"
        case events.ThinkingBlock():
            return "thinking"
        case _:
            return "text"


def _brief_delta(index: int, delta: events.BlockDelta) -> str:
    match delta:
        case events.TextDelta(text) | events.ThinkingDelta(text) | events.InputJsonDelta(text):
            return f"add {index} {text}"
        case events.SignatureDelta(signature):
            assert SIGNATURE.fullmatch(signature)
            return f"sign {index}"
