"""The channels of gpt-oss where a server leaves them in the text, instead of reading them.

    <|channel|>analysis<|message|>thinking<|end|><|start|>assistant<|channel|>final<|message|>text

Analysis is thinking, final and commentary are text. A message to a tool goes on as it came, on a
line of its own, for the reader of calls (`text_calls`). Only an answer that begins with such a
mark is read; anywhere else the marks are text like any other.
"""

from __future__ import annotations

import re
from enum import Enum, auto

from bridge.translation.response.deltas import ContentDelta, Reasoning, Refusal, Text, ToolCall

_MESSAGE = "<|message|>"
_NEXT = ("<|start|>assistant", "<|channel|>")
_ENDS = ("<|end|>", "<|return|>", "<|call|>")
_MARK = re.compile("|".join(map(re.escape, (*_ENDS, "<|start|>", "<|channel|>"))))
_LONGEST_MARK = max(map(len, _NEXT))
LONGEST_HEADER = 300
_HEADER = re.compile(
    r"\s{0,20}(?:<\|start\|>assistant[^<]{0,100})?"
    r"<\|channel\|>(analysis|commentary|final)\b[^<]{0,100}(?:<\|constrain\|>[^<]{0,50})?"
)


class _ChannelPosition(Enum):
    START = auto()
    HEADER = auto()
    BODY = auto()
    BETWEEN = auto()
    PLAIN = auto()


class HarmonyChannels:
    """Text deltas in, reasoning and text deltas out; all others pass."""

    def __init__(self) -> None:
        self._at = _ChannelPosition.START
        self._held = ""
        self._make: type[Text | Reasoning] = Text
        self._is_line_start = True

    @property
    def is_through(self) -> bool:
        return self._at is _ChannelPosition.PLAIN

    def feed(self, delta: ContentDelta) -> list[ContentDelta]:
        if isinstance(delta, Text):
            return [delta] if self._at is _ChannelPosition.PLAIN else self._text(delta.text)
        if self._held and isinstance(delta, (ToolCall, Refusal)):
            return [*self.finish(), delta]
        return [delta]

    def finish(self) -> list[ContentDelta]:
        """What was held as the beginning of a mark is none."""
        held, self._held = self._held, ""
        if not held or (self._at is _ChannelPosition.BETWEEN and held.isspace()):
            return []
        return [self._make(held) if self._at is _ChannelPosition.BODY else Text(held)]

    def _text(self, text: str) -> list[ContentDelta]:
        out: list[ContentDelta] = []
        text, self._held = self._held + text, ""
        while text and self._at is not _ChannelPosition.PLAIN:
            text = self._step(text, out)
        if text:
            out.append(Text(text))
        return out

    def _step(self, text: str, out: list[ContentDelta]) -> str:
        """Take what can be taken; return what is left to be read."""
        match self._at:
            case _ChannelPosition.HEADER:
                return self._header(text)
            case _ChannelPosition.BODY:
                return self._body(text, out)
            case _:
                return self._before(text)

    def _before(self, text: str) -> str:
        """In front of a message."""
        start = text.lstrip()
        if start.startswith(_NEXT):
            self._at = _ChannelPosition.HEADER
        elif len(text) < LONGEST_HEADER and any(mark.startswith(start) for mark in _NEXT):
            self._held = text
            return ""
        else:
            self._at = _ChannelPosition.PLAIN
        return text

    def _header(self, text: str) -> str:
        header, found, body = text.partition(_MESSAGE)
        if not found and len(text) <= LONGEST_HEADER:
            self._held = text
            return ""
        known = _HEADER.fullmatch(header) if found else None
        if known is None:
            self._at = _ChannelPosition.PLAIN
            return text
        if " to=" in header:
            self._at = _ChannelPosition.PLAIN
            return ("" if self._is_line_start else "\n") + text.lstrip()
        self._at = _ChannelPosition.BODY
        self._make = Reasoning if known[1] == "analysis" else Text
        return body

    def _body(self, text: str, out: list[ContentDelta]) -> str:
        found = _MARK.search(text)
        end = found.start() if found else _possible_mark(text)
        if end:
            out.append(self._make(text[:end]))
        if end and self._make is Text:
            self._is_line_start = text[end - 1] == "\n"
        if found is None:
            self._held = text[end:]
            return ""
        is_over = found[0] in _ENDS
        self._at = _ChannelPosition.BETWEEN if is_over else _ChannelPosition.HEADER
        return text[found.end() :] if is_over else text[end:]


def _possible_mark(text: str) -> int:
    """Where the end of the text may be the beginning of a mark."""
    at = text.rfind("<", max(0, len(text) - _LONGEST_MARK))
    tail = text[at:] if at >= 0 else ""
    begins = any(mark.startswith(tail) for mark in (*_ENDS, *_NEXT))
    return at if tail and begins else len(text)
