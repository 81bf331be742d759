"""How much of a prompt the turn before had already: what a prefix cache could have saved.

A prompt is remembered as checksums of its blocks, the last one of each conversation, for a few
thousand conversations, and so is its list of tools. No text is kept.

Chat templates put tools in front of all messages: where the list of tools is another than in the
turn before, a cache has nothing of what stands behind them.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from zlib import crc32

BLOCK = 1024
"""Bytes that are compared as one."""
MOST = 2000
"""Conversations that are remembered, the latest ones."""

Conversation = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ToolChanges:
    """How a list of tools differs from that of the turn before, in numbers of tools.

    changed   those with another definition; where the lists hold the same, those that moved
    """

    added: int = 0
    removed: int = 0
    changed: int = 0

    def labels(self) -> Iterator[str]:
        """Each kind of change in words."""
        numbers = {"added": self.added, "removed": self.removed, "changed": self.changed}
        for change, number in numbers.items():
            if number:
                yield f"{number} {'tool' if number == 1 else 'tools'} {change}"


SAME = ToolChanges()


class Prefixes:
    """The last prompt of each conversation, and its tools."""

    def __init__(self) -> None:
        self._last: OrderedDict[Conversation, array[int]] = OrderedDict()
        self._tools: OrderedDict[Conversation, array[int]] = OrderedDict()

    def repeated(self, conversation: Conversation, prompt: bytes | memoryview) -> int:
        """Bytes at the start of `prompt` that the conversation's last one had too."""
        sums = _checksums(prompt)
        before = _exchanged(self._last, conversation, sums)
        return 0 if before is None else _same(before, sums) * BLOCK

    def tool_changes(
        self, conversation: Conversation, tools: Iterable[tuple[str, bytes]]
    ) -> ToolChanges:
        """How these tools, as names and definitions, differ from the conversation's last ones."""
        sums = array("I")
        for name, definition in tools:
            sums.extend((crc32(name.encode()), crc32(definition)))
        before = _exchanged(self._tools, conversation, sums)
        return SAME if before is None or before == sums else _compared(before, sums)


def _exchanged(
    remembered: OrderedDict[Conversation, array[int]], conversation: Conversation, now: array[int]
) -> array[int] | None:
    """What was remembered of this conversation, which `now` takes the place of."""
    before = remembered.pop(conversation, None)
    remembered[conversation] = now
    if len(remembered) > MOST:
        remembered.popitem(last=False)
    return before


def _compared(before: array[int], now: array[int]) -> ToolChanges:
    """Of two lists that are not the same: names and definitions take turns in each."""
    old = dict(zip(before[::2], before[1::2], strict=True))
    new = dict(zip(now[::2], now[1::2], strict=True))
    common = old.keys() & new.keys()
    changed = sum(old[name] != new[name] for name in common)
    changes = ToolChanges(len(new) - len(common), len(old) - len(common), changed)
    if changes != SAME:
        return changes
    return ToolChanges(changed=sum(a != b for a, b in zip(old, new, strict=True)))


def _checksums(prompt: bytes | memoryview) -> array[int]:
    view = memoryview(prompt)
    whole = len(prompt) // BLOCK * BLOCK
    return array("L", (crc32(view[at : at + BLOCK]) for at in range(0, whole, BLOCK)))


def _same(before: array[int], now: array[int]) -> int:
    """How many blocks both begin with."""
    for i, (left, right) in enumerate(zip(before, now, strict=False)):
        if left != right:
            return i
    return min(len(before), len(now))
