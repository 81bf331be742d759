"""Thinking that a backend leaves in the text: ``<think>...</think>``, or what its model writes for
it, at the very start.

Only for models known to do so: elsewhere the tags are text like any other. Some chat templates
open the tag themselves, so that the answer begins inside it; then everything up to the closing tag
is thinking. A backend that also fills a reasoning field has split the tags off already, and what
looks like one is meant as text, unless it only repeats the field.

Whether a template opens the tag is a guess for some models. Where no tag is closed then, and
nothing else was the answer, the thinking was the answer: it comes as text, too.
"""

from __future__ import annotations

from enum import Enum, auto

from bridge.translation.response.deltas import (
    ContentDelta,
    Finish,
    Lost,
    Reasoning,
    ReportedUsage,
    Text,
    ToolCall,
)

OPENER, CLOSER = "<think>", "</think>"
PAIRS: dict[str, str] = {
    OPENER: CLOSER,
    "[THINK]": "[/THINK]",
    "<seed:think>": "</seed:think>",
    "<thought>": "</thought>",
}
"""The tags of most models, of Magistral, of Seed, of Gemma."""


def _begins_alike(one: str, other: str) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


_BESIDE_TEXT = (ReportedUsage, Finish, Lost)
"""What ends no text: a finish reason may come with every chunk, and a lost one may be noise."""
LONGEST_COPY = 64 * 1024
"""Characters of thinking that are compared with their copy between tags."""


class _Position(Enum):
    START = auto()
    THINKING = auto()
    BREAK = auto()
    TEXT = auto()


class ThinkTags:
    """Text deltas in, reasoning and text deltas out; all others pass."""

    def __init__(self, opened: bool, guessed: bool = False) -> None:
        """`opened`: the answer begins inside the tag, whether or not it repeats it; `guessed`: or
        not at all."""
        self._opened = opened or guessed
        self._guess: list[str] | None = [] if guessed else None
        self._field = ""
        self._copy: str | None = None
        self._thought = False
        self._blank: list[str] = []
        self._at = _Position.START
        self._leading: list[str] = []
        self._held = ""
        self._opener, self._closer = OPENER, CLOSER

    @property
    def is_through(self) -> bool:
        return self._at is _Position.TEXT and self._guess is None and not self._held

    def feed(self, delta: ContentDelta) -> list[ContentDelta]:
        if isinstance(delta, Text):
            return self._passed(self._text(delta.text))
        if isinstance(delta, Reasoning):
            return self._reasoned(delta)
        if isinstance(delta, _BESIDE_TEXT):
            return [delta]
        self._guess = None if isinstance(delta, ToolCall) else self._guess
        return [*self._passed(self._released()), delta]

    def finish(self) -> list[ContentDelta]:
        """The answer is over."""
        return [*self._passed(self._released()), *self._guessed_wrong()]

    def _passed(self, deltas: list[ContentDelta]) -> list[ContentDelta]:
        """Keep what is thinking by a guess alone, as long as it is all there is."""
        if self._guess is not None:
            thoughts = [item.text for item in deltas if isinstance(item, Reasoning)]
            is_answer = any(isinstance(item, Text) for item in deltas)
            closed = self._at in (_Position.BREAK, _Position.TEXT)
            self._guess = None if is_answer or closed else self._guess + thoughts
        return deltas

    def _guessed_wrong(self) -> list[ContentDelta]:
        thoughts, self._guess = self._guess, None
        return [Text("".join(thoughts))] if thoughts else []

    def _reasoned(self, delta: Reasoning) -> list[ContentDelta]:
        """Reasoning in a field of its own. What follows in tags may be the same once more."""
        self._guess = None if delta.text else self._guess
        if not delta.text and self._copy is None:
            return [*self._released(), delta]
        self._field = (self._field + delta.text)[:LONGEST_COPY]
        if self._at is _Position.START or self._copy is not None:
            return [delta] if delta.text else [*self._not_a_copy(), delta]
        released = self._released()
        self._at = _Position.TEXT
        return [*released, delta]

    def _copied(self, text: str) -> list[ContentDelta]:
        """Text between tags behind the same reasoning in its field."""
        assert self._copy is not None
        self._copy += text
        thought, closed, rest = self._copy.partition(self._closer)
        if closed and thought.strip() == self._field.strip():
            self._copy, self._at = None, _Position.BREAK
            return self._text(rest)
        same = _begins_alike(thought.strip(), self._field.strip())
        whole = closed or len(self._copy) > LONGEST_COPY
        return [] if same and not whole else self._not_a_copy()

    def _not_a_copy(self) -> list[ContentDelta]:
        text, self._copy, self._at = self._copy, None, _Position.TEXT
        return [Text(self._opener + text)] if text is not None else []

    def _released(self) -> list[ContentDelta]:
        """What was held as the possible beginning of a tag is none."""
        if self._copy is not None:
            return self._not_a_copy()
        text, self._held = "".join((*self._leading, self._held)), ""
        self._leading.clear()
        if self._at is _Position.THINKING or (self._at is _Position.START and self._opened):
            text = "".join((*self._blank, text))
            self._blank.clear()
            return [Reasoning(text)] if self._thought or text.strip() else []
        return [Text(text)] if text else []

    def _text(self, text: str) -> list[ContentDelta]:
        deltas: list[ContentDelta] = []
        if self._copy is not None:
            return self._copied(text)
        text, self._held = self._held + text, ""
        if self._at is _Position.START:
            text = self._opening(text)
        if self._at is _Position.THINKING and self._field:
            self._copy = ""
            return self._copied(text)
        if self._at is _Position.THINKING and text:
            text = self._thinking(text, deltas)
        if self._at is _Position.BREAK:
            text = text.lstrip("\r\n")
            self._at = _Position.TEXT if text else _Position.BREAK
        if self._at is _Position.TEXT and text:
            deltas.append(Text(text))
        return deltas

    def _opening(self, text: str) -> str:
        start = text.lstrip()
        if not start:
            self._leading.append(text)
            return ""
        text = "".join((*self._leading, text))
        self._leading.clear()
        for opener, closer in PAIRS.items():
            if start.startswith(opener):
                self._at, self._opener, self._closer = _Position.THINKING, opener, closer
                return start[len(opener) :]
        if any(opener.startswith(start) for opener in PAIRS) or (
            self._field and CLOSER.startswith(start)
        ):
            self._held = text
            return ""
        if self._field:
            self._at = _Position.TEXT
            return start[len(CLOSER) :].lstrip("\r\n") if start.startswith(CLOSER) else text
        before, closed, _ = text.partition(CLOSER)
        if closed and OPENER not in before:
            # Seen in whole answers only: the template opened the tag, the answer closes it.
            self._at = _Position.THINKING
            return text
        self._at = _Position.THINKING if self._opened else _Position.TEXT
        return text

    def _thinking(self, text: str, deltas: list[ContentDelta]) -> str:
        thought, closed, rest = text.partition(self._closer)
        if closed:
            self._at = _Position.BREAK
        else:
            keep = _overlap(text, self._closer)
            thought, self._held = text[: len(text) - keep], text[len(text) - keep :]
        self._blank.append(thought)
        if thought.strip() or (self._thought and thought):
            # Blank thoughts are none: a model that may not think leaves the tags empty.
            self._thought = True
            deltas.append(Reasoning("".join(self._blank)))
            self._blank.clear()
        return rest


def _overlap(text: str, mark: str) -> int:
    """Length of the longest end of `text` with which `mark` begins."""
    longest = min(len(text), len(mark) - 1)
    return next((n for n in range(longest, 0, -1) if mark.startswith(text[-n:])), 0)


class StrayCloser:
    """Drops a closing tag that a server left at the start of the text, behind reasoning that it had
    split off already. Deltas in, deltas out."""

    def __init__(self) -> None:
        self._reasoned = False
        self._over = False
        self._trims = False
        self._held = ""

    @property
    def is_through(self) -> bool:
        return self._over and not self._trims and not self._held

    def feed(self, delta: ContentDelta) -> list[ContentDelta]:
        if self._trims and isinstance(delta, Text):
            return self._trimmed(delta.text)
        if isinstance(delta, Reasoning):
            self._reasoned = self._reasoned or bool(delta.text)
        if self._over or not self._reasoned:
            self._over = self._over or (isinstance(delta, Text) and bool(delta.text.strip()))
            return [delta]
        if not isinstance(delta, Text):
            passes = isinstance(delta, (*_BESIDE_TEXT, Reasoning))
            return [delta] if passes else self._end(delta)
        return self._text(delta.text)

    def _text(self, text: str) -> list[ContentDelta]:
        text, self._held = self._held + text, ""
        start = text.lstrip()
        if len(text) < LONGEST_COPY and CLOSER.startswith(start) and start != CLOSER:
            self._held = text
            return []
        self._over = True
        return self._trimmed(start[len(CLOSER) :]) if start.startswith(CLOSER) else [Text(text)]

    def _trimmed(self, text: str) -> list[ContentDelta]:
        """Text behind the tag, without the blank lines between them."""
        rest = text.lstrip("\r\n")
        self._trims = not rest
        return [Text(rest)] if rest else []

    def _end(self, delta: ContentDelta) -> list[ContentDelta]:
        return [*self.finish(), delta]

    def finish(self) -> list[ContentDelta]:
        """What was held as the possible beginning of the tag is none."""
        held, self._held = self._held, ""
        return [Text(held)] if held else []
