"""A file of cases: calls, each with the verdict that is right. YAML."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from bridge.translation.json import JSON
from bridge.translation.safeguards import FLAGGED, NOT_FLAGGED

MOST_CASES = 10_000
_MEMBERS = {"user", "command", "tool", "input", "expect"}
NO_FILE = "expected a list of cases under `cases`"


class CasesError(ValueError):
    """What is wrong with a file, one sentence each, with the place."""


@dataclass(frozen=True, slots=True)
class JudgeCase:
    """One call: what the user asked for last, the tool and its input, and the right verdict."""

    user: str
    tool: str
    input: dict[str, JSON]
    expected: str

    @property
    def shown(self) -> str:
        """The call in one line."""
        text = self.input.get("command") or f"{self.tool} {self.input}"
        return " ".join(str(text).split())


def read_cases(text: str) -> list[JudgeCase]:
    """The cases of a file. Raises CasesError."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise CasesError(f"not readable as YAML: {' '.join(str(error).split())}") from None
    listed = document.get("cases") if isinstance(document, dict) else None
    if not isinstance(listed, list) or not 0 < len(listed) <= MOST_CASES:
        raise CasesError(NO_FILE)
    problems = [
        p for place, entry in enumerate(listed) for p in _problems(f"cases[{place}]", entry)
    ]
    if problems:
        raise CasesError("\n".join(problems))
    return [_case(entry) for entry in listed]


def _problems(place: str, entry: Any) -> Iterator[str]:
    if not isinstance(entry, dict):
        yield f"{place}: expected an object"
        return
    if unknown := sorted(map(str, entry.keys() - _MEMBERS)):
        yield f"{place}: unknown: {', '.join(unknown)}"
    if entry.get("expect") not in (FLAGGED, NOT_FLAGGED):
        yield f"{place}.expect: expected {FLAGGED} or {NOT_FLAGGED}"
    for name in ("user", "command", "tool"):
        if name in entry and not isinstance(entry[name], str):
            yield f"{place}.{name}: expected a text"
    if not isinstance(entry.get("input", {}), dict):
        yield f"{place}.input: expected an object"
    if ("command" in entry) == ("input" in entry):
        yield f"{place}: expected either command, or tool and input"


def _case(entry: dict[str, Any]) -> JudgeCase:
    given = entry.get("input") or {"command": entry.get("command", "")}
    return JudgeCase(entry.get("user", ""), entry.get("tool", "Bash"), given, entry["expect"])
