"""Every requirement is claimed by a test, and every claim is of a requirement.

A claim stands in the docstring of a test, at the beginning of a parameter's id (any string that
begins with a claim and a space), or in the title of a case file. Tests against live servers claim
nothing, since they are skipped nearly everywhere.
"""

from __future__ import annotations

import ast
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.requirements import REQUIREMENTS, SOURCES
from tests.sources import nodes

TESTS = Path(__file__).parent
LETTERS = "".join(SOURCES)
ID = re.compile(rf"(?<![\w-])[{LETTERS}]\d+\b")
LEADING = re.compile(rf"(?:[{LETTERS}]\d+,? )+(?=\S)")


def _claims() -> Iterator[tuple[str, str]]:
    """(id, who claims it), for all tests and case files."""
    modules = (path for path in sorted(TESTS.rglob("test_*.py")) if path.parent.name != "live")
    for path in modules:
        for line, text in _claiming(path):
            yield from ((found, f"{path.name}:{line}") for found in ID.findall(text))
    for path in sorted((TESTS / "cases").rglob("*.json")):
        for found in ID.findall(json.loads(_text(path))["case"]):
            yield found, path.name


def _claiming(path: Path) -> Iterator[tuple[int, str]]:
    """(line, text) of the parts of a test's source in which ids are claims."""
    docstrings: set[ast.AST] = set()
    for node in nodes(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Module):
            text = ast.get_docstring(node) or ""
            docstrings.add(getattr(node.body[0], "value", node) if node.body else node)
            if getattr(node, "name", "").startswith("test_"):
                yield getattr(node, "lineno", 0), text
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            leading = LEADING.match(node.value)
            if leading and node not in docstrings:
                yield node.lineno, leading[0]


@cache
def _claimants() -> dict[str, set[str]]:
    claimants: dict[str, set[str]] = defaultdict(set)
    for found, place in _claims():
        claimants[found].add(place)
    return dict(claimants)


def test_every_requirement_is_claimed_by_a_test(capsys: pytest.CaptureFixture[str]) -> None:
    """Ours: so nothing that was promised is lost unseen."""
    claimants = _claimants()
    missing = [f"{key}: {told[1]}" for key, told in REQUIREMENTS.items() if key not in claimants]
    assert not missing, "\n".join(missing)
    with capsys.disabled():
        claims = sum(map(len, claimants.values()))
        print(f"\n{len(REQUIREMENTS)} requirements, claimed {claims} times by tests")


def test_every_claim_is_of_a_requirement() -> None:
    """Ours: a claim of something unknown is a slip, or a requirement that nobody wrote down."""
    unknown = {key: who for key, who in _claimants().items() if key not in REQUIREMENTS}
    assert not unknown, unknown


def test_one_command_runs_all_tests() -> None:
    """R22: whatever a test needs, it starts itself."""
    root = TESTS.parent
    assert re.search(
        r"^test:.*\n\t.*-m pytest -m \"not slow\"( \$\(PARALLEL\))?$",
        _text(root / "Makefile"),
        re.M,
    )
    assert 'testpaths = ["tests"]' in _text(root / "pyproject.toml")


def _text(path: Path) -> str:
    return path.read_text("utf-8")
