"""A backend that repeats the prefill before it goes on (llama.cpp does).

The client already has those words; it gets what comes behind them.
"""

from __future__ import annotations

from bridge.translation.response.deltas import ReportedUsage, Said, Text


class PrefillEcho:
    """Deltas in, deltas out without the repeated beginning; an answer without it just passes."""

    def __init__(self, prefill: str) -> None:
        self._awaited = prefill
        self._held = ""

    def feed(self, delta: Said) -> list[Said]:
        if not self._awaited or isinstance(delta, ReportedUsage):
            return [delta]
        if not isinstance(delta, Text):
            held, self._held, self._awaited = self._held, "", ""
            return [Text(held), delta]
        self._held += delta.text
        if self._awaited.startswith(self._held) and self._held != self._awaited:
            return []
        rest, self._held = self._held.removeprefix(self._awaited), ""
        self._awaited = ""
        return [Text(rest)]
