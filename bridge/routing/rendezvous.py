"""Choosing among several targets: by position, by weight, and the same one for the same caller.

Pure. A backend keeps the prompts that it has seen in a prefix cache, so a conversation is best
served where it began. Each pair of conversation and target gets a score that depends on nothing
else (weighted rendezvous hashing): over many conversations the shares are as the weights say, and
when a target comes or goes, only the conversations move that have to.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from hashlib import blake2b
from typing import Protocol, TypeVar

_UNUSED_BITS = 12
_STEPS = 1 << (64 - _UNUSED_BITS)
"""As many as a float tells apart, with a half between any two."""


class Weighted(Protocol):
    """What is chosen from. Lower positions come first; weight 0 comes last within one."""

    @property
    def position(self) -> int: ...
    @property
    def weight(self) -> int: ...
    @property
    def label(self) -> str: ...


T = TypeVar("T", bound=Weighted)


def ranked(choices: Sequence[T], sticky: str) -> list[T]:
    """The choices, best first, for the conversation that `sticky` names."""
    if len(choices) < 2:
        return list(choices)
    return sorted(choices, key=lambda choice: (choice.position, -_score(choice, sticky)))


def _score(choice: Weighted, sticky: str) -> float:
    digest = blake2b(f"{sticky}\0{choice.label}".encode(), digest_size=8).digest()
    return -choice.weight / math.log(evenly(digest)) if choice.weight else 0.0


def evenly(digest: bytes) -> float:
    """Eight bytes as a number between 0 and 1, which reaches neither."""
    return ((int.from_bytes(digest, "big") >> _UNUSED_BITS) + 0.5) / _STEPS
