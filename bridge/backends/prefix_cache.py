"""How much of a prompt the turn before had already: what a prefix cache could have saved.

A prompt is remembered as checksums of its blocks, the last one of each conversation, for a few
thousand conversations. No text is kept.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from zlib import crc32

BLOCK = 1024
"""Bytes that are compared as one."""
MOST = 2000
"""Conversations that are remembered, the latest ones."""

Conversation = tuple[str, ...]


class Prefixes:
    """The last prompt of each conversation."""

    def __init__(self) -> None:
        self._last: OrderedDict[Conversation, array[int]] = OrderedDict()

    def repeated(self, conversation: Conversation, prompt: bytes | memoryview) -> int:
        """Bytes at the start of `prompt` that the conversation's last one had too."""
        sums = _checksums(prompt)
        before = self._last.pop(conversation, None)
        self._last[conversation] = sums
        if len(self._last) > MOST:
            self._last.popitem(last=False)
        return 0 if before is None else _same(before, sums) * BLOCK


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
