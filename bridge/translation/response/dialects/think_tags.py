"""Thinking that a backend leaves in the text: ``<think>...</think>`` at the very start.

Only for models known to do so: elsewhere the tags are text like any other. Some chat templates
open the tag themselves, so that the answer begins inside it; then everything up to the closing tag
is thinking. A backend that also fills a reasoning field has split the tags off already, and what
looks like one is meant as text.
"""

from __future__ import annotations

from enum import Enum, auto

from bridge.translation.response.deltas import Reasoning, ReportedUsage, Said, Text

OPENER, CLOSER = "<think>", "</think>"


class _Position(Enum):
    START = auto()
    THINKING = auto()
    BREAK = auto()
    TEXT = auto()


class ThinkTags:
    """Text deltas in, reasoning and text deltas out; all others pass."""

    def __init__(self, opened: bool) -> None:
        """`opened`: the answer begins inside the tag, whether or not it repeats it."""
        self._opened = opened
        self._thought = False
        self._blank: list[str] = []
        self._at = _Position.START
        self._leading: list[str] = []
        self._held = ""

    def feed(self, delta: Said) -> list[Said]:
        if isinstance(delta, Text):
            return self._text(delta.text)
        if isinstance(delta, Reasoning):
            released = self.finish()
            self._at = _Position.TEXT
            return [*released, delta]
        return [delta] if isinstance(delta, ReportedUsage) else [*self.finish(), delta]

    def finish(self) -> list[Said]:
        """What was held as the possible beginning of a tag is none."""
        text, self._held = "".join((*self._leading, self._held)), ""
        self._leading.clear()
        if self._at is _Position.THINKING or (self._at is _Position.START and self._opened):
            text = "".join((*self._blank, text))
            self._blank.clear()
            return [Reasoning(text)] if self._thought or text.strip() else []
        return [Text(text)] if text else []

    def _text(self, text: str) -> list[Said]:
        said: list[Said] = []
        text, self._held = self._held + text, ""
        if self._at is _Position.START:
            text = self._opening(text)
        if self._at is _Position.THINKING and text:
            text = self._thinking(text, said)
        if self._at is _Position.BREAK:
            text = text.lstrip("\r\n")
            self._at = _Position.TEXT if text else _Position.BREAK
        if self._at is _Position.TEXT and text:
            said.append(Text(text))
        return said

    def _opening(self, text: str) -> str:
        start = text.lstrip()
        if not start:
            self._leading.append(text)
            return ""
        text = "".join((*self._leading, text))
        self._leading.clear()
        if start.startswith(OPENER):
            self._at = _Position.THINKING
            return start[len(OPENER) :]
        if OPENER.startswith(start):
            self._held = text
            return ""
        before, closed, _ = text.partition(CLOSER)
        if closed and OPENER not in before:
            # Seen in whole answers only: the template opened the tag, the answer closes it.
            self._at = _Position.THINKING
            return text
        self._at = _Position.THINKING if self._opened else _Position.TEXT
        return text

    def _thinking(self, text: str, said: list[Said]) -> str:
        thought, closed, rest = text.partition(CLOSER)
        if closed:
            self._at = _Position.BREAK
        else:
            keep = _overlap(text, CLOSER)
            thought, self._held = text[: len(text) - keep], text[len(text) - keep :]
        self._blank.append(thought)
        if thought.strip() or (self._thought and thought):
            # Blank thoughts are none: a model that was told not to think leaves the tags empty.
            self._thought = True
            said.append(Reasoning("".join(self._blank)))
            self._blank.clear()
        return rest


def _overlap(text: str, mark: str) -> int:
    """Length of the longest end of `text` with which `mark` begins."""
    longest = min(len(text), len(mark) - 1)
    return next((n for n in range(longest, 0, -1) if mark.startswith(text[-n:])), 0)
