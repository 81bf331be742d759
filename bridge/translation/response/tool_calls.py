"""Which tool call does a fragment belong to?

Chat completions number the calls of a reply by `index`, and half of the servers get it wrong:
missing, null, or 0 for every parallel call. What tells calls apart then is a new id together with
a new name. Ids and names may be repeated on every fragment, names may be split over two.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from bridge.translation.response.deltas import ToolCall
from bridge.translation.response.tool_arguments import ArgumentStream

_USABLE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(slots=True, eq=False)
class CallFragments:
    """One call as it grows. `ready` is argument text that may be sent once the block is open."""

    index: int | None
    id: str = ""
    name: str = ""
    arguments: ArgumentStream = field(default_factory=ArgumentStream)
    ready: str = ""
    begun: bool = False
    opened: bool = False

    @property
    def complete(self) -> bool:
        return self.arguments.complete

    def take(self, fragment: ToolCall) -> None:
        """Add what the fragment brings: an id, a piece of the name, a piece of the arguments."""
        self.id = self.id or fragment.id
        if fragment.name and not self.opened and fragment.name != self.name:
            self.name += fragment.name
        if fragment.arguments:
            self.begun = True
            self.ready += self.arguments.feed(fragment.arguments)

    def drain(self) -> str:
        text, self.ready = self.ready, ""
        return text


class CallTracker:
    """All calls of one reply, and the rule by which fragments find theirs."""

    def __init__(self) -> None:
        self.calls: list[CallFragments] = []

    def feed(self, fragment: ToolCall) -> CallFragments | None:
        """The call that took the fragment; None when the fragment fits nowhere."""
        call = self._find(fragment)
        if call is None:
            return None
        call.take(fragment)
        return call

    def _find(self, fragment: ToolCall) -> CallFragments | None:
        if fragment.index is not None:
            return self._by_index(fragment)
        if fragment.id:
            known = next((c for c in self.calls if c.id == fragment.id), None)
            return known or self._new(fragment)
        last = self.calls[-1] if self.calls else None
        if fragment.name and (last is None or last.complete):
            return self._new(fragment)
        return last

    def _by_index(self, fragment: ToolCall) -> CallFragments:
        same = [c for c in self.calls if c.index == fragment.index]
        if not same:
            return self._new(fragment)
        if fragment.id and fragment.name and all(c.id != fragment.id for c in same):
            return self._new(fragment)
        return next((c for c in same if fragment.id and c.id == fragment.id), same[-1])

    def _new(self, fragment: ToolCall) -> CallFragments:
        call = CallFragments(fragment.index)
        self.calls.append(call)
        return call


def client_id(backend_id: str, used: set[str], mint: Callable[[], str]) -> str:
    """The id that the client sees: the backend's own where it is usable and new, else a fresh one.

    Claude Code leaves a call unrun whose id it has seen before in the session.
    """
    known = _USABLE_ID.fullmatch(backend_id) and backend_id not in used
    chosen = backend_id if known else f"toolu_{mint()}"
    used.add(chosen)
    return chosen
