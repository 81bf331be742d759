"""The text of a possible call as it arrives, and the steps that readers of formats are made of.

A reader is a generator: it asks the source for what must come next and yields while that has not
arrived. So a reader reads like a parser of a whole text, works on pieces cut anywhere, and looks
at each character once. It raises NoCallError at the first character that rules a call out.

What was consumed is dropped, so that the buffer never holds more than one piece and a mark.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator

from bridge.translation.response.deltas import ToolCall
from bridge.translation.response.tool_arguments import ArgumentStream

Reading = Generator[None, None, list[ToolCall]]
"""A reader at work: yields while it waits for text, and returns the calls of one section."""
Step = Generator[None, None, str]
"""A step of a reader: yields while it waits for text, and returns what it consumed."""
Pair = Generator[None, None, tuple[str, str]]
"""The same for text and the mark behind it."""

LONGEST_NAME = 256
_NOT_BLANK = re.compile(r"\S")
_NAME = re.compile(r"[\w.:/-]*")
HEAD = 400
"""Characters of a JSON object in which its first member must have shown itself."""


class NoCallError(Exception):
    """This text is not a call."""


class Source:
    """`ended` is set when no more text will come. `read` counts the characters consumed."""

    def __init__(self) -> None:
        self._text = ""
        self._at = 0
        self.ended = False
        self.read = 0

    def feed(self, text: str) -> None:
        self._text = self._text[self._at :] + text
        self._at = 0

    @property
    def over(self) -> bool:
        """Nothing is left, and nothing will come."""
        return self.ended and self._at == len(self._text)

    def _take(self, end: int) -> str:
        taken = self._text[self._at : end]
        self.read += len(taken)
        self._at = end
        return taken

    # --- steps --------------------------------------------------------------------------------

    def blanks(self) -> Step:
        """White space, up to what is none."""
        taken: list[str] = []
        while True:
            found = _NOT_BLANK.search(self._text, self._at)
            taken.append(self._take(found.start() if found else len(self._text)))
            if found or self.ended:
                return "".join(taken)
            yield

    def peek(self) -> Step:
        """The next character, "" at the end. It stays."""
        while self._at == len(self._text) and not self.ended:
            yield
        return self._text[self._at : self._at + 1]

    def any_of(self, marks: tuple[str, ...]) -> Step:
        """The first of these marks that comes next, "" when none does. Waits while one may."""
        while True:
            longest = max(map(len, marks))
            ahead = self._text[self._at : self._at + longest]
            for mark in marks:
                if ahead.startswith(mark):
                    return self._take(self._at + len(mark))
                if mark.startswith(ahead) and not self.ended:
                    break
            else:
                return ""
            yield

    def expect(self, *marks: str) -> Step:
        """One of these marks, and nothing else."""
        mark = yield from self.any_of(marks)
        if not mark:
            raise NoCallError
        return mark

    def closing(self, *marks: str) -> Step:
        """White space and one of these marks; a model may also stop in front of it."""
        yield from self.blanks()
        mark = yield from self.any_of(marks)
        if mark:
            return mark
        rest = self._text[self._at :]
        if not self.ended or not any(mark.startswith(rest) for mark in marks):
            raise NoCallError
        return self._take(len(self._text))

    def until(self, mark: str, longest: int = 0) -> Step:
        """The text in front of this mark, which is consumed too. `longest` bounds it."""
        text, _ = yield from self.until_any((mark,), longest)
        return text

    def until_any(self, marks: tuple[str, ...], longest: int = 0) -> Pair:
        """The text in front of the first of these marks, and that mark; both are consumed."""
        taken: list[str] = []
        size, room = 0, max(map(len, marks)) - 1
        while True:
            found = [(at, mark) for mark in marks if (at := self._text.find(mark, self._at)) >= 0]
            end, mark = min(found, default=(max(self._at, len(self._text) - room), ""))
            taken.append(self._take(end))
            size += len(taken[-1])
            if longest and size > longest:
                raise NoCallError
            if mark:
                self._take(end + len(mark))
                return "".join(taken), mark
            if self.ended:
                raise NoCallError
            yield

    def up_to(self, pattern: re.Pattern[str]) -> Step:
        """The text up to and with the next character that the pattern names."""
        taken: list[str] = []
        while True:
            found = pattern.search(self._text, self._at)
            taken.append(self._take(found.end() if found else len(self._text)))
            if found:
                return "".join(taken)
            if self.ended:
                raise NoCallError
            yield

    def character(self) -> Step:
        """The next character, consumed."""
        yield from self.peek()
        return self._take(min(self._at + 1, len(self._text)))

    def name(self) -> Step:
        """A name of letters, digits and a few marks; "" when something else comes next."""
        taken: list[str] = []
        while True:
            found = _NAME.match(self._text, self._at)
            end = found.end() if found else self._at
            taken.append(self._take(end))
            if sum(map(len, taken)) > LONGEST_NAME:
                raise NoCallError
            if end < len(self._text) or self.ended:
                return "".join(taken)
            yield

    def json_object(self, check: Callable[[str], None] | None = None) -> Step:
        """A JSON object, its slips mended. `check` looks at its first characters as they come."""
        if (yield from self.peek()) != "{":
            raise NoCallError
        stream = ArgumentStream()
        parts: list[str] = []
        head = ""
        while True:
            piece = stream.feed(self._text[self._at :])
            self._take(len(self._text) - len(stream.unread))
            if piece:
                parts.append(piece)
            if piece and check is not None and len(head) < HEAD:
                head = (head + piece)[:HEAD]
                check(head)
            if stream.complete:
                return "".join(parts)
            if stream.broken or self.ended:
                raise NoCallError
            yield
