"""Variables that nobody reads, most likely because of a typo."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from difflib import get_close_matches

from bridge.management.doctor.results import CheckResult, ok, warning

LIKENESS = 0.84
"""From this share of common letters on, one name is taken for a typo of the other."""


def check(
    known: Collection[str], given: Collection[str], in_file: Collection[str]
) -> Iterator[CheckResult]:
    """`known`: variables that are read; `given`: those of the environment; `in_file`: of .env."""
    unread = sorted({*given, *in_file}.difference(known))
    found = False
    for name in unread:
        meant = get_close_matches(name, known, 1, LIKENESS)
        if meant:
            text = f"not a setting, so it has no effect; did you mean {meant[0]}?"
            yield warning(name, text, f"write {meant[0]}, or take the variable away")
        elif name in in_file:
            text = "not a setting, and nothing else reads it from .env"
            yield warning(name, text, "see docs/reference/settings.md, or take the line away")
        found = found or bool(meant) or name in in_file
    if not found:
        yield ok("settings", f"{len(known)} variables are read, none looks mistyped")
