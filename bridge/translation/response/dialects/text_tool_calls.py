"""Tool calls that a model writes into its text or its thinking -> tool call deltas.

Backends without a parser for their model hand its markup through. This stage looks for the opening
marks of `written_calls.FORMATS`, holds back what may become a call, and lets everything else go on
as it came, to the last character. It only works on requests that declare tools.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from bridge.translation.response.deltas import Reasoning, ReportedUsage, Said, Text
from bridge.translation.response.dialects.text_tool_call_formats import (
    FORMATS,
    Format,
    Schemas,
    pythonic,
)
from bridge.translation.response.stop_sequences import overlap

_OPENERS = {format.opener: format for format in FORMATS}
_ANY_OPENER = re.compile("|".join(re.escape(opener) for opener in _OPENERS))
_LEADERS = frozenset(opener[0] for opener in _OPENERS)

Make = Callable[[str], Said]


class WrittenCalls:
    """Deltas in, deltas out. Text and thinking are each watched for themselves."""

    def __init__(self, schemas: Schemas) -> None:
        self._text = _Watcher(Text, schemas)
        self._reasoning = _Watcher(Reasoning, schemas)

    def feed(self, delta: Said) -> list[Said]:
        if isinstance(delta, Text):
            return self._reasoning.finish() + self._text.feed(delta.text)
        if isinstance(delta, Reasoning):
            return self._text.finish() + self._reasoning.feed(delta.text)
        if isinstance(delta, ReportedUsage):
            return [delta]
        return [*self._reasoning.finish(), *self._text.finish(), delta]


class _Watcher:
    """One channel. `_open` is the format whose opening mark was seen last, if any is pending."""

    def __init__(self, make: Make, schemas: Schemas) -> None:
        self._make = make
        self._schemas = schemas
        self._pending = ""
        self._open: Format | None = None
        self._at_start = True
        names = "|".join(re.escape(name) for name in schemas)
        self._listed = re.compile(rf"\s*\[\s*(?:{names})\s*\(")

    def feed(self, text: str) -> list[Said]:
        self._pending += text
        said: list[Said] = []
        while self._step(said):
            pass
        return said

    def finish(self) -> list[Said]:
        """Something else follows, or nothing: what is pending is a call now, or text."""
        said: list[Said] = []
        whole = self._pending if self._at_start and self._open is None else ""
        if whole and (calls := pythonic(whole, self._schemas)):
            said += calls
            self._pending = ""
        while self._pending or self._open is not None:
            if self._open is not None and (calls := self._open.read(self._pending, self._schemas)):
                said += calls
                self._pending, self._open = "", None
            else:
                self._give_up(said)
                while self._step(said, ending=True):
                    pass
        return said

    def _step(self, said: list[Said], ending: bool = False) -> bool:
        """One move; False when more text is needed (or, ending, when nothing is left to find)."""
        if self._open is None:
            return self._look(said, ending)
        if not self._open.begins.match(self._pending):
            self._give_up(said)
            return True
        return self._close(said)

    def _look(self, said: list[Said], ending: bool) -> bool:
        """Text up to the next opening mark goes out; the mark and what follows stays."""
        if self._at_start and not ending and self._may_be_list():
            return False
        found = _ANY_OPENER.search(self._pending)
        if found:
            self._out(self._pending[: found.start()], said)
            self._pending = self._pending[found.end() :]
            self._open = _OPENERS[found[0]]
            return True
        keep = 0 if ending else self._possible_opener()
        cut = len(self._pending) - keep
        self._out(self._pending[:cut], said)
        self._pending = self._pending[cut:]
        return False

    def _may_be_list(self) -> bool:
        """The message so far may be a list of calls in Python's notation, and nothing else."""
        start = self._pending.lstrip()
        if not start.startswith("["):
            return not start and bool(self._pending)
        if self._listed.match(start):
            return True
        names = (f"[{name}(" for name in self._schemas)
        return any(name.startswith(re.sub(r"\s", "", start)) for name in names)

    def _possible_opener(self) -> int:
        tail = self._pending[-40:]
        if not _LEADERS.intersection(tail):
            return 0
        return max(overlap(self._pending, opener) for opener in _OPENERS)

    def _close(self, said: list[Said]) -> bool:
        """At each closing mark, see whether a call is complete (its text may contain the mark)."""
        assert self._open is not None
        closer, position = self._open.closer, 0
        while closer and (position := self._pending.find(closer, position)) >= 0:
            position += len(closer)
            body = self._pending[: position - len(closer)]
            if calls := self._open.read(body, self._schemas):
                said += calls
                self._pending, self._open = self._pending[position:], None
                self._at_start = False
                return True
        return False

    def _give_up(self, said: list[Said]) -> None:
        """No call: the opening mark is text, and the search goes on behind it."""
        if self._open is not None:
            self._out(self._open.opener, said)
            self._open = None
        else:
            self._out(self._pending, said)
            self._pending = ""

    def _out(self, text: str, said: list[Said]) -> None:
        if text:
            self._at_start = self._at_start and not text.strip()
            said.append(self._make(text))
