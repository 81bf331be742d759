"""The rules that tests cite stand in docs/reference/wire-rules.md."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.requirements import AMENDED, WIRE
from tests.sources import nodes

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/reference/wire-rules.md"
RULES = {
    rule: sentence
    for rule, sentence in re.findall(
        r"^\| ([A-H]\d+) \| (.+) \|$", PAGE.read_text(encoding="utf-8"), re.M
    )
}
CITED = re.compile(r"\bwire\b((?:[\s,;]+(?:and |to )?[A-H]\d+)+)", re.I)
RULE = re.compile(r"\b[A-H]\d+\b")


def _docstrings(path: Path) -> list[str]:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return [ast.get_docstring(node) or "" for node in nodes(path) if isinstance(node, kinds)]


def _citations() -> Iterator[tuple[str, str]]:
    """(rule, file) for each citation."""
    folders = ("bridge", "dashboard", "proxysite", "tests")
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        text = "\n".join(_docstrings(path))
        for rule in RULE.findall(" ".join(CITED.findall(text))):
            yield rule, path.relative_to(ROOT).as_posix()


def cited() -> dict[str, set[str]]:
    """Rule -> the files that cite it."""
    places: dict[str, set[str]] = defaultdict(set)
    for rule, place in _citations():
        places[rule].add(place)
    return dict(places)


def test_every_rule_that_is_cited_stands_on_the_page() -> None:
    places = cited()
    assert len(places) > 50, "citations are no longer found"
    missing = {rule: files for rule, files in places.items() if rule not in RULES}
    assert not missing, missing


def test_every_rule_is_one_plain_sentence() -> None:
    for rule, sentence in RULES.items():
        assert sentence.endswith(".") and ". " not in sentence, rule


def test_rules_of_a_part_are_numbered_without_a_gap() -> None:
    first = {"C": 0}
    for part in "ABCDEFGH":
        numbers = [int(rule[1:]) for rule in RULES if rule[0] == part]
        begin = first.get(part, 1)
        assert numbers == list(range(begin, begin + len(numbers))), part


def test_cases_and_amendments_read_as_in_the_requirements() -> None:
    for part, table in (("F", WIRE), ("H", AMENDED)):
        for number, sentence in table.items():
            expected = f"{sentence[0].upper()}{sentence[1:]}."
            assert RULES.get(f"{part}{number}") == expected, f"{part}{number}"
