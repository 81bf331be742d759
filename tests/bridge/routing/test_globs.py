"""Globs over names of models: one matcher for aliases, tools' names, prices and keys."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bridge.routing import globs

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("claude-*", "claude-opus-5-5", True),
        ("claude-*", "CLAUDE-OPUS", True),
        ("CLAUDE-*", "claude-opus", True),
        ("claude-*", "my-claude-opus", False),
        ("*haiku*", "claude-haiku-5-5", True),
        ("glm-4.?", "GLM-4.5", True),
        ("glm-4.?", "glm-4", False),
        ("[!a]lpha", "blpha", True),
        ("test/alpha", "test/Alpha", True),
        ("*", "", True),
    ],
)
def test_globs_fit_names_whatever_the_case(pattern: str, name: str, fits: bool) -> None:
    assert globs.matches(pattern, name) is fits
    assert globs.matches_any(("nothing", pattern), name) is fits


def test_no_pattern_fits_nothing() -> None:
    assert not globs.matches_any((), "claude-opus")


@pytest.mark.parametrize(
    ("pattern", "fixed"), [("Claude-*", "claude-"), ("[abc]x?", "x"), ("plain", "plain")]
)
def test_fixed_characters_are_those_outside_of_wildcards(pattern: str, fixed: str) -> None:
    assert globs.fixed(pattern) == fixed
    assert globs.is_glob(pattern) is (pattern != "plain")


@pytest.mark.parametrize(
    ("pattern", "is_open"),
    [("a[bc]", False), ("a[bc", True), ("[]]", False), ("[]", True), ("[!]]", False), ("a", False)],
)
def test_brackets_that_are_never_closed_are_found(pattern: str, is_open: bool) -> None:
    assert globs.has_open_bracket(pattern) is is_open


def test_nothing_else_matches_globs() -> None:
    """Two matchers that differ in case or brackets would let a key use what its page denies."""
    importing = re.compile(r"^\s*(import|from) fnmatch", re.M)
    sources = [*ROOT.glob("bridge/**/*.py"), *ROOT.glob("dashboard/**/*.py")]
    found = {str(p.relative_to(ROOT)) for p in sources if importing.search(p.read_text())}
    assert found == {"bridge/routing/globs.py"}
