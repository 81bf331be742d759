"""Stop sequences found by the gateway itself.

Most backends stop at a sequence but do not say which one, and some leave it in the text. So where
the family cannot tell, the sequences are not sent at all, and visible text is watched here. The end
of the text is held back as long as it may be the beginning of a sequence.
"""

from __future__ import annotations

from bridge.translation.response.deltas import GATEWAY_STOP, Done, Finish, ReportedUsage, Said, Text


class StopStage:
    """Deltas in, deltas out up to the first stop sequence in visible text; then only usage."""

    def __init__(self, sequences: tuple[str, ...]) -> None:
        self._matcher = StopMatcher(sequences)

    @property
    def stopped(self) -> bool:
        return self._matcher.matched is not None

    def feed(self, delta: Said) -> list[Said]:
        if self.stopped or isinstance(delta, ReportedUsage):
            return [delta] if isinstance(delta, ReportedUsage) else []
        if not isinstance(delta, Text):
            return [Text(self._matcher.finish()), delta]
        visible = Text(self._matcher.feed(delta.text))
        if self.stopped:
            return [visible, Finish(GATEWAY_STOP, self._matcher.matched), Done()]
        return [visible]


class StopMatcher:
    """Text in, text up to the first stop sequence out; then `matched` names it."""

    def __init__(self, sequences: tuple[str, ...]) -> None:
        self._sequences = sequences
        self._held = ""
        self.matched: str | None = None

    def feed(self, text: str) -> str:
        """Return what is certainly in front of any stop sequence."""
        text = self._held + text
        hits = [(at, s) for s in self._sequences if (at := text.find(s)) >= 0]
        if hits:
            # The one that is complete first, so that the cut of the text decides nothing.
            at, self.matched = min(hits, key=lambda hit: (hit[0] + len(hit[1]), hit[0]))
            self._held = ""
            return text[:at]
        keep = max((overlap(text, s) for s in self._sequences), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def finish(self) -> str:
        """The text is over, or something else follows it: no sequence began here after all."""
        text, self._held = self._held, ""
        return text


def overlap(text: str, sequence: str) -> int:
    """Length of the longest end of `text` with which `sequence` begins."""
    longest = min(len(text), len(sequence) - 1)
    return next((n for n in range(longest, 0, -1) if sequence.startswith(text[-n:])), 0)
