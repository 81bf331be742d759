"""Stop sequences found by the gateway itself.

Most backends stop at a sequence but do not say which one, and some leave it in the text. So where
the family cannot tell, the sequences are not sent at all, and visible text is watched here. The end
of the text is held back as long as it may be the beginning of a sequence.
"""

from __future__ import annotations

import re
from collections import deque

from bridge.translation.response.deltas import (
    GATEWAY_STOP,
    ContentDelta,
    Done,
    Finish,
    ReportedUsage,
    Text,
)


class StopStage:
    """Deltas in, deltas out up to the first stop sequence in visible text; then only usage."""

    def __init__(self, sequences: tuple[str, ...]) -> None:
        self._matcher = StopMatcher(sequences)
        self.is_through = False

    @property
    def stopped(self) -> bool:
        return self._matcher.matched is not None

    def feed(self, delta: ContentDelta) -> list[ContentDelta]:
        if self.stopped or isinstance(delta, ReportedUsage):
            return [delta] if isinstance(delta, ReportedUsage) else []
        if isinstance(delta, Finish):
            return [delta]  # some servers name a reason with every chunk of text
        if not isinstance(delta, Text):
            return [*self.finish(), delta]
        visible = Text(self._matcher.feed(delta.text))
        if self.stopped:
            return [visible, Finish(GATEWAY_STOP, self._matcher.matched), Done()]
        return [visible]

    def finish(self) -> list[ContentDelta]:
        """No sequence began in what is held."""
        held = self._matcher.finish()
        return [Text(held)] if held else []


class _Node:
    """A beginning of one or more sequences.

    `fallback` is the longest end of this beginning that is a beginning too, `found` the longest
    sequence with which it ends.
    """

    __slots__ = ("depth", "fallback", "found", "following")

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.following: dict[str, _Node] = {}
        self.fallback: _Node | None = None
        self.found: str | None = None


def _automaton(sequences: tuple[str, ...]) -> _Node:
    """All sequences in one automaton (Aho and Corasick): one step for each character of text."""
    root = _Node(0)
    for sequence in sequences:
        node = root
        for character in sequence:
            node = node.following.setdefault(character, _Node(node.depth + 1))
        node.found = sequence
    waiting = deque(root.following.values())
    for node in waiting:
        node.fallback = root
    while waiting:
        parent = waiting.popleft()
        for character, node in parent.following.items():
            node.fallback = _next(parent.fallback or root, character, root)
            node.found = node.found or node.fallback.found
            waiting.append(node)
    return root


def _next(node: _Node, character: str, root: _Node) -> _Node:
    """Where this character leads."""
    at: _Node | None = node
    while at is not None:
        if (following := at.following.get(character)) is not None:
            return following
        at = at.fallback
    return root


class StopMatcher:
    """Text in, text up to the first stop sequence out; then `matched` names it.

    The sequence that is complete first counts, so that the cut of the text decides nothing; of
    two that end together, the longer one.
    """

    def __init__(self, sequences: tuple[str, ...]) -> None:
        self._root = self._at = _automaton(sequences)
        leaders = "".join(re.escape(leader) for leader in self._root.following)
        self._leader = re.compile(f"[{leaders}]") if leaders else None
        self._held: list[str] = []
        self._held_size = 0
        self.matched: str | None = None

    def feed(self, text: str) -> str:
        """Return what is certainly in front of any stop sequence."""
        position = 0
        while position < len(text):
            if self._at is self._root:
                found = self._leader.search(text, position) if self._leader else None
                if found is None:
                    break
                position = found.start()
            self._at = _next(self._at, text[position], self._root)
            position += 1
            if self._at.found:
                self.matched = self._at.found
                return self._cut(text, position - len(self.matched))
        return self._cut(text, len(text) - self._at.depth, hold=True)

    def _cut(self, text: str, end: int, hold: bool = False) -> str:
        """Text up to `end`, counted from this piece: what was held stands in front of it."""
        if hold and end <= -self._held_size:
            self._held.append(text)
            self._held_size += len(text)
            return ""
        whole = "".join((*self._held, text))
        end += self._held_size
        self._held = [whole[end:]] if hold else []
        self._held_size = len(whole) - end if hold else 0
        return whole[:end]

    def finish(self) -> str:
        """The text is over, or something else follows it: no sequence began here after all."""
        text = "".join(self._held)
        self._held, self._held_size, self._at = [], 0, self._root
        return text
