"""By which name a session is held to its target: the same one until its conversation is compacted.

A target keeps the prompts that it has seen in a prefix cache, so a session stays where it began.
After a compaction that prefix is of no use to anybody: the session is shared out anew, by weight
like a new one. Kept is a number for each session that was compacted, in this process alone: beside
others, which would not know it, a session stays where it began.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

MOST_SESSIONS = 10_000
"""Compacted sessions that are known; the one that was longest without a request is forgotten."""


@dataclass(slots=True)
class Sessions:
    """How often each session was compacted. A session belongs to one caller.

    is_alone   no other process serves the same sessions, as far as is known
    """

    is_alone: bool = True
    _compactions: OrderedDict[tuple[str, str], int] = field(default_factory=OrderedDict)

    def sticky(self, caller: str, session: str, *, compacted: bool = False) -> str:
        """The name for `ranked`. `compacted`: this is the first request after a compaction."""
        if not session:
            return caller
        key = (caller, session)
        count = self._compactions.get(key, 0) + compacted
        if not count or not self.is_alone:
            return session
        self._compactions[key] = count
        self._compactions.move_to_end(key)
        if len(self._compactions) > MOST_SESSIONS:
            self._compactions.popitem(last=False)
        return f"{session}\n{count}"
