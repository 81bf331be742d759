"""Globs over names of models: `*`, `?` and `[abc]`, whatever the case. Pure.

All that is matched by a glob is matched here: aliases, names of tools, prices, and what a key may
use.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase

_SET = re.compile(r"\[[^\]]*\]|[*?]")


def is_glob(pattern: str) -> bool:
    """Whether a pattern may match several names."""
    return any(mark in pattern for mark in "*?[")


def matches(pattern: str, name: str) -> bool:
    """Whether a name or a glob fits a name."""
    return fnmatchcase(name.lower(), pattern.lower())


def matches_any(patterns: Iterable[str], name: str) -> bool:
    """Whether one of these names and globs fits a name."""
    return any(matches(pattern, name) for pattern in patterns)


def match_each(lists: Iterable[Iterable[str]], names: Collection[str]) -> bool:
    """Whether each of these lists of names and globs fits one of the names."""
    return all(any(matches_any(patterns, name) for name in names) for patterns in lists)


def fixed(pattern: str) -> str:
    """The characters of a glob that stand for themselves, in lower case: the more, the narrower."""
    return _SET.sub("", pattern.lower())


def has_open_bracket(pattern: str) -> bool:
    """Whether a bracket is never closed, so that it would be taken literally."""
    start = pattern.find("[")
    while start >= 0:
        # A ] right behind the [, or behind [!, is one of the characters.
        inner = start + 2 if pattern[start + 1 : start + 2] == "!" else start + 1
        end = pattern.find("]", inner + 1)
        if end < 0:
            return True
        start = pattern.find("[", end)
    return False
