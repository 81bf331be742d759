"""From an opening mark to the end of the answer: calls, white space between them, nothing else."""

from __future__ import annotations

from collections.abc import Generator

from bridge.translation.response.deltas import ToolCall
from bridge.translation.response.text_calls.formats import MARKED, Format
from bridge.translation.response.text_calls.source import NoCallError, Reading, Source
from bridge.translation.response.text_calls.tools import Tools

_OPENERS = tuple(MARKED)


class Candidate:
    """Text that may be calls. `feed` it until it is ruled out, or `finish` it at the end."""

    def __init__(self, format: Format, tools: Tools) -> None:
        self.format = format
        self.held: list[str] = []
        self._source = Source()
        self._reading: Generator[None, None, list[ToolCall]] = _read(format, self._source, tools)

    @property
    def read(self) -> int:
        """Characters that were read before the text was ruled out."""
        return self._source.read

    def feed(self, text: str) -> bool:
        """Take more text; False when this is no call."""
        self.held.append(text)
        self._source.feed(text)
        try:
            next(self._reading)
        except (NoCallError, StopIteration):
            return False
        return True

    def finish(self) -> list[ToolCall]:
        """The answer is over: the calls, or an empty list when this is none."""
        self._source.ended = True
        try:
            next(self._reading)
        except NoCallError:
            return []
        except StopIteration as end:
            calls: list[ToolCall] = end.value
            return calls
        return []


def _read(format: Format, source: Source, tools: Tools) -> Reading:
    """All calls up to the end. Raises NoCallError where anything else stands."""
    calls: list[ToolCall] = []
    if not format.whole:
        yield from source.expect(format.opener)
    while True:
        calls += yield from format.read(source, tools)
        yield from source.blanks()
        if source.over:
            return calls
        mark = yield from source.expect(*_OPENERS)
        format = MARKED[mark]
