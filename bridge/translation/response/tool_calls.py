"""Which tool call does a fragment belong to?

Chat completions number the calls of a reply by `index`, and half of the servers get it wrong:
missing, null, or 0 for every parallel call. What tells calls apart then is a new id together with
a new name, or a name behind a call that is whole. Ids and names may be repeated on every fragment,
names may be split over two.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from bridge.translation.json import JSON
from bridge.translation.response.deltas import ToolCall
from bridge.translation.response.tool_arguments import ArgumentStream

_USABLE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_BEFORE_VALUES = (":", "[", ",")
LONGEST_NAME = 1000
"""Characters of a name. A server that sends its name in pieces without end sends no name."""


@dataclass(slots=True, eq=False)
class CallFragments:
    """One call as it grows. `ready` is argument text that may be sent once the block is open."""

    index: int | None
    id: str = ""
    name: str = ""
    arguments: ArgumentStream = field(default_factory=ArgumentStream)
    ready: list[str] = field(default_factory=list)
    extra: dict[str, JSON] = field(default_factory=dict)
    begun: bool = False
    opened: bool = False
    repeated: bool = False
    """Begun by a name that the call before it had too: without arguments it is no call."""
    _size: int = 0

    @property
    def complete(self) -> bool:
        return self.arguments.complete

    def take(self, fragment: ToolCall) -> None:
        """Add what the fragment brings: an id, a piece of the name, a piece of the arguments."""
        self.id = self.id or fragment.id
        if fragment.extra:
            self.extra.update(fragment.extra)
        if fragment.name and not self.opened and fragment.name != self.name:
            self.name = (self.name + fragment.name)[:LONGEST_NAME]
        if fragment.arguments:
            self.begun = True
            news = self._news(fragment.arguments)
            self._size += len(news)
            self.ready.append(self.arguments.feed(news))

    def _news(self, text: str) -> str:
        """What of a piece is new: some servers send with each all that there is so far. As the rest
        of a document its beginning makes no sense, unless any value may come."""
        if not 1 < self._size <= len(text):
            return text
        known = self.arguments.raw
        return text if known.rstrip().endswith(_BEFORE_VALUES) else text.removeprefix(known)

    def drain(self) -> str:
        text = "".join(self.ready)
        self.ready.clear()
        return text


class CallTracker:
    """All calls of one reply, and the rule by which fragments find theirs."""

    def __init__(self) -> None:
        self.calls: list[CallFragments] = []
        self._by_id: dict[str, CallFragments] = {}
        self._last: dict[int, CallFragments] = {}
        self._at: dict[tuple[int, str], CallFragments] = {}

    def feed(self, fragment: ToolCall) -> CallFragments | None:
        """The call that took the fragment; None when the fragment fits nowhere."""
        call = self._find(fragment)
        if call is None:
            return None
        call.take(fragment)
        if call.id and fragment.id in ("", call.id):
            self._by_id[call.id] = call
            if call.index is not None:
                self._at[call.index, call.id] = call
        return call

    def _find(self, fragment: ToolCall) -> CallFragments | None:
        if fragment.index is not None:
            return self._by_index(fragment, fragment.index)
        if fragment.id:
            known = self._by_id.get(fragment.id)
            return self._new(fragment) if known is None else self._again(fragment, known)
        last = self.calls[-1] if self.calls else None
        if fragment.name and (last is None or last.complete):
            return self._new(fragment)
        return last

    def _by_index(self, fragment: ToolCall, index: int) -> CallFragments:
        last = self._last.get(index)
        if last is None:
            return self._new(fragment)
        known = self._at.get((index, fragment.id))
        if fragment.id and fragment.name and known is None:
            return self._new(fragment)
        if known is not None:
            return self._again(fragment, known)
        return self._next(fragment, last) or last

    def _again(self, fragment: ToolCall, known: CallFragments) -> CallFragments:
        """The call that has this id, or another one to which a server gave the same."""
        if not fragment.name or not known.complete:
            return known
        came, sent = known.arguments.raw.strip(), fragment.arguments.strip()
        has_other_arguments = came != "{}" and sent.startswith("{") and sent != came
        is_other = fragment.name != known.name or has_other_arguments
        return self._new(fragment) if is_other else known

    def _next(self, fragment: ToolCall, last: CallFragments) -> CallFragments | None:
        """A new call, where the fragment names one behind a call that is whole."""
        if not fragment.name or not last.complete:
            return None
        call = self._new(fragment)
        call.repeated = fragment.name == last.name and not fragment.arguments.strip()
        return call

    def _new(self, fragment: ToolCall) -> CallFragments:
        call = CallFragments(fragment.index)
        self.calls.append(call)
        if fragment.index is not None:
            self._last[fragment.index] = call
        return call


def client_id(backend_id: str, used: set[str], mint: Callable[[], str]) -> str:
    """The id that the client sees: the backend's own where it is usable and new, else a fresh one.

    Claude Code leaves a call unrun whose id it has seen before in the session.
    """
    known = _USABLE_ID.fullmatch(backend_id) and backend_id not in used
    chosen = backend_id if known else f"toolu_{mint()}"
    used.add(chosen)
    return chosen
