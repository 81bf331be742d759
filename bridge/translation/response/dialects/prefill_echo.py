"""A backend that repeats the prefill before it goes on (llama.cpp does).

The client already has those words; it gets what comes behind them.
"""

from __future__ import annotations

from bridge.translation.response.deltas import ContentDelta, Finish, ReportedUsage, Text


class PrefillEcho:
    """Deltas in, deltas out without the repeated beginning; an answer without it just passes."""

    def __init__(self, prefill: str) -> None:
        self._prefill = prefill
        self._seen = 0
        self._awaited = bool(prefill)

    @property
    def is_through(self) -> bool:
        return not self._awaited

    def feed(self, delta: ContentDelta) -> list[ContentDelta]:
        if not self._awaited or isinstance(delta, (ReportedUsage, Finish)):
            return [delta]
        if not isinstance(delta, Text):
            return [*self.finish(), delta]
        new = delta.text[: len(self._prefill) - self._seen]
        if not self._prefill.startswith(new, self._seen):
            return [*self.finish(), delta]
        self._seen += len(new)
        if self._seen < len(self._prefill):
            return []
        self._awaited = False
        return [Text(delta.text[len(new) :])]

    def finish(self) -> list[ContentDelta]:
        """What was held as the possible beginning of the repetition is none."""
        held = self._prefill[: self._seen] if self._awaited else ""
        self._awaited = False
        return [Text(held)] if held else []
