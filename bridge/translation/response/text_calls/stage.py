"""Tool calls that a model writes into its text or its thinking -> tool call deltas.

Backends without a parser for their model hand its markup through. Text about a call is not a call,
though: a client runs what it is given. So calls are read only

    at the start of a line, outside code fences and backquotes,
    where nothing but white space and further calls follows to the end of the answer,
    of declared tools, with the arguments that they require,
    in an answer that carries no call of the backend's own,
    in thinking only where the answer ends with it.

What may become a call is held until that is decided, or until a character rules it out; then it
goes on as the text that it is, to the character.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from bridge.translation.json import JSON
from bridge.translation.response.deltas import (
    ContentDelta,
    Delta,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
)
from bridge.translation.response.text_calls.formats import MARKED, WHOLE, Format
from bridge.translation.response.text_calls.markdown import INDENT, Quoting
from bridge.translation.response.text_calls.reading import Candidate
from bridge.translation.response.text_calls.tools import Tools

PIECE = 4096
LONGEST_MARK = INDENT + max(len(opener) for opener in (*MARKED, *WHOLE))
_LEADERS = frozenset(opener[0] for opener in (*MARKED, *WHOLE))
_MAY_BEGIN = _LEADERS | {""}
"""How a line may begin, behind its blanks, that is not known to have no mark."""
_UNDECIDED = "undecided"
MOST_READ_AGAIN = 256 * 1024
"""Characters of an answer that may be read in vain. Behind them all is text: reading the same
text again from every mark in it would take a time that grows with its square."""


class TextCalls:
    """Deltas in, deltas out. Text and thinking are each watched for themselves."""

    def __init__(self, schemas: Mapping[str, JSON]) -> None:
        tools = Tools(schemas)
        self._watchers: dict[type, _Watcher] = {
            Text: _Watcher(Text, tools, WHOLE),
            Reasoning: _Watcher(Reasoning, tools, {}),
        }
        self._behind: list[Text | Reasoning] = []
        self.is_through = False

    def feed(self, delta: ContentDelta) -> list[ContentDelta]:
        if self.is_through:
            return [delta]
        if isinstance(delta, (Text, Reasoning)):
            return self._words(delta) if delta.text else []
        if isinstance(delta, (ToolCall, Refusal)):
            # The backend reads calls itself, or the model declines: what is held is text.
            self.is_through = True
            return [*self.release(), delta]
        return [delta]

    def finish(self) -> list[ContentDelta]:
        """The answer is over: what is held is calls, or text."""
        if self.is_through:
            return []
        self.is_through = True
        for watcher in self._watchers.values():
            deltas, calls = watcher.finish()
            if calls:
                return [*deltas, *calls]
            if deltas:
                return [*deltas, *self._drained()]
        return []

    def _words(self, delta: Text | Reasoning) -> list[ContentDelta]:
        watcher = self._watchers[type(delta)]
        other = next(w for w in self._watchers.values() if w is not watcher)
        if not other.holds:
            deltas = watcher.feed(delta.text)
            return deltas if watcher.holds else [*deltas, *self._drained()]
        if delta.text.isspace():
            self._behind.append(delta)
            return []
        return [*self.release(), *watcher.feed(delta.text)]

    def passes(self, kind: type[Delta], texts: list[str]) -> bool:
        """Whether deltas of this kind and of these texts, none of them empty, pass as they are.
        They are fed by that. Of others nothing is taken; some that would pass are among them."""
        if any(watcher.holds for watcher in self._watchers.values()):
            return False
        return self._watchers[kind].passes(texts)

    def release(self) -> list[ContentDelta]:
        """No call is held: something else follows, or the answer broke off."""
        deltas = [out for watcher in self._watchers.values() for out in watcher.release()]
        return [*deltas, *self._drained()]

    def _drained(self) -> list[ContentDelta]:
        """White space of the other channel, which came behind what was held."""
        behind, self._behind = self._behind, []
        return [out for delta in behind for out in self._watchers[type(delta)].feed(delta.text)]


class _Watcher:
    """One channel.

    `_head` is the beginning of a line that may become a mark, None in the middle of a line.
    Text is worked off in small pieces: a candidate that is ruled out gives its pieces back.
    """

    def __init__(
        self, make: type[Text | Reasoning], tools: Tools, whole: Mapping[str, Format]
    ) -> None:
        self._make = make
        self._tools = tools
        self._whole = whole
        self._quoting = Quoting()
        self._pieces: deque[str] = deque()
        self._candidate: Candidate | None = None
        self._head: str | None = ""
        self._is_no_mark = False
        self._at_start = True
        self._in_vain = 0
        self._unshown: list[str] = []

    @property
    def holds(self) -> bool:
        return self._candidate is not None or bool(self._head)

    def feed(self, text: str) -> list[ContentDelta]:
        self._pieces.extend(text[at : at + PIECE] for at in range(0, len(text), PIECE))
        self._work()
        return self._out()

    def passes(self, texts: list[str]) -> bool:
        """`feed` where nothing is held, for more of a line, or one that begins with no mark."""
        text = texts[0] if len(texts) == 1 else "".join(texts)
        if "\n" in text[:-1]:
            return False
        if self._head is not None and texts[0].lstrip(" ")[:1] in _MAY_BEGIN:
            return False
        self._note(text)
        self._head = "" if text.endswith("\n") else None
        self._is_no_mark = False
        return True

    def finish(self) -> tuple[list[ContentDelta], list[ToolCall]]:
        """(what goes out in front, the calls that stand at the end)."""
        while self._candidate is not None:
            if calls := self._candidate.finish():
                return self._out(), calls
            self._ruled_out(self._candidate)
            self._work()
        return self.release(), []

    def release(self) -> list[ContentDelta]:
        """No call is here: what is held goes out."""
        held = "".join(self._candidate.held) if self._candidate else self._head
        self._candidate = None
        if held:
            self._plain(held)
            self._head = "" if held.endswith("\n") else None
        return self._out()

    def _out(self) -> list[ContentDelta]:
        text = "".join(self._unshown)
        self._unshown.clear()
        return [self._make(text)] if text else []

    def _plain(self, text: str) -> None:
        if text:
            self._unshown.append(text)
            self._note(text)

    def _note(self, text: str) -> None:
        """What text says of a mark behind it."""
        self._quoting.feed(text)
        self._at_start = self._at_start and text.isspace()

    def _work(self) -> None:
        while self._pieces:
            piece = self._pieces.popleft()
            if self._candidate is None:
                self._look(piece)
            elif not self._candidate.feed(piece):
                self._ruled_out(self._candidate)

    def _ruled_out(self, candidate: Candidate) -> None:
        """Its mark is text, and the search goes on behind it."""
        self._in_vain += candidate.read
        self._pieces.extendleft(reversed(candidate.held))
        self._candidate, self._head, self._is_no_mark = None, "", True

    def _look(self, text: str) -> None:
        """Text up to the next mark goes out; the mark and what follows becomes a candidate."""
        position = 0
        while position < len(text):
            if self._head is None:
                end = text.find("\n", position) + 1 or len(text)
                self._plain(text[position:end])
                self._head = "" if text[end - 1] == "\n" else None
                position = end
                continue
            known, line = self._head, self._head + text[position : position + LONGEST_MARK]
            format = None if self._is_no_mark else self._format_at(line)
            self._is_no_mark = False
            if isinstance(format, Format):
                self._begin(format, known + text[position:])
                return
            if format is _UNDECIDED:
                self._head = line
                return
            self._plain(known)
            self._head = None

    def _format_at(self, line: str) -> Format | str | None:
        """The format whose mark begins this line; or that more of the line must be seen."""
        start = line.lstrip(" ")
        if start and start[0] not in _LEADERS:
            return None
        if len(line) - len(start) > INDENT or self._quoting.is_open:
            return None
        for table in (MARKED, self._whole if self._at_start else {}):
            for opener, format in table.items():
                if start.startswith(opener):
                    return format
            if any(opener.startswith(start) for opener in table):
                return _UNDECIDED
        return None

    def _begin(self, format: Format, text: str) -> None:
        mark = text.index(format.opener)
        self._plain(text[:mark])
        self._pieces.appendleft(text[mark:])
        if self._in_vain > MOST_READ_AGAIN:
            self._is_no_mark, self._head = True, ""
        else:
            self._candidate = Candidate(format, self._tools)
