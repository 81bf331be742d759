"""The tool calls of an answer, as its events bring them, bounded in size.

A judge reads a call as the client will: the arguments are decoded and written again, so that no
escape and no character without a shape hides what the call does.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NoReturn

from bridge.translation.json import JSON, depth_exceeds
from bridge.translation.response import events

LONGEST_CALL = 32_000
"""Characters of arguments that a judge reads whole. Of longer ones it reads both ends."""
HEAD = TAIL = 8_000
MOST_READ = 64
"""Calls of one answer whose arguments are decoded. No judge gets more."""
DEEPEST = 50
CUT_REASONS = frozenset({"max_tokens", "model_context_window_exceeded"})
"""Stop reasons of an answer that may have ended in the middle of its last call."""


@dataclass(slots=True)
class ClippedText:
    """A text in pieces. Beyond `most` characters only its ends are kept."""

    most: int = LONGEST_CALL
    size: int = 0
    _pieces: list[str] = field(default_factory=list)
    _tail: deque[str] = field(default_factory=deque)
    _tail_size: int = 0

    def write(self, piece: str) -> None:
        room = max(0, self.most - self.size)
        self.size += len(piece)
        if room:
            self._pieces.append(piece[:room])
        if len(piece) > room:
            self._keep_end(piece[room:])

    def _keep_end(self, piece: str) -> None:
        piece = piece[-TAIL:]
        self._tail.append(piece)
        self._tail_size += len(piece)
        while self._tail_size - len(self._tail[0]) >= TAIL:
            self._tail_size -= len(self._tail.popleft())

    @property
    def is_whole(self) -> bool:
        return self.size <= self.most

    @property
    def text(self) -> str:
        """All of it, or as much of its beginning as was kept."""
        return "".join(self._pieces)

    @property
    def ends(self) -> tuple[str, str]:
        """Head and tail of a text that is too long."""
        end = self.text[-TAIL:] + "".join(self._tail)
        return self.text[:HEAD], end[-TAIL:]


@dataclass(frozen=True, slots=True)
class FinishedCall:
    """One call of an answer.

    input     the arguments as the client decodes them; None where they make no object
    ends      head and tail of arguments that are too long to be read whole, else empty
    left_out  characters between those ends
    is_cut    the answer ended before the call did
    """

    id: str
    name: str
    input: dict[str, JSON] | None
    ends: tuple[str, str] = ("", "")
    left_out: int = 0
    is_cut: bool = False


@dataclass(slots=True)
class CallCollector:
    """Collects the calls of one answer from its events."""

    _calls: list[tuple[events.ToolUseBlock, ClippedText]] = field(default_factory=list)
    _is_last: bool = False
    """Whether the last block so far is a call."""

    def feed(self, batch: Iterable[events.Event]) -> None:
        for event in batch:
            if isinstance(event, events.ContentBlockDelta):
                if isinstance(event.delta, events.InputJsonDelta) and self._is_last:
                    self._calls[-1][1].write(event.delta.partial_json)
            elif isinstance(event, events.ContentBlockStart):
                block = event.content_block
                self._is_last = isinstance(block, events.ToolUseBlock)
                if isinstance(block, events.ToolUseBlock):
                    self._calls.append((block, ClippedText()))

    def calls(self, stop_reason: str = "") -> tuple[FinishedCall, ...]:
        """The calls so far. `stop_reason`: how the answer ended, "" while that is open."""
        was_cut = stop_reason in CUT_REASONS and self._is_last
        last = len(self._calls) - 1
        return tuple(
            _call(block, text, was_cut and place == last, place < MOST_READ)
            for place, (block, text) in enumerate(self._calls)
        )


def _call(
    block: events.ToolUseBlock, text: ClippedText, is_cut: bool, is_read: bool
) -> FinishedCall:
    if not is_read:
        return FinishedCall(block.id, block.name, None, left_out=max(1, text.size), is_cut=is_cut)
    if text.is_whole:
        return FinishedCall(block.id, block.name, strict_object(text.text or "{}"), is_cut=is_cut)
    head, tail = text.ends
    left_out = text.size - len(head) - len(tail)
    return FinishedCall(block.id, block.name, None, (head, tail), left_out, is_cut)


def strict_object(text: str) -> dict[str, JSON] | None:
    """The JSON object that a text is; None for anything else, and for one that is nested too deep.

    A member that stands there twice makes it none: two readers may take two different values.
    """
    try:
        value = json.loads(text, object_pairs_hook=_members, parse_constant=_no_json)
    except (ValueError, RecursionError):
        return None
    is_readable = isinstance(value, dict) and not depth_exceeds(value, DEEPEST)
    return value if is_readable else None


def _members(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands there twice")
    return members


def _no_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
