"""What of a prompt the turn before had: its bytes, and its tools."""

from __future__ import annotations

import pytest

from bridge.backends.prefix_cache import BLOCK, MOST, Prefixes, ToolChanges

HERE = ("caller", "session", "main", "model")


def tools(*names: str, **definitions: str) -> list[tuple[str, bytes]]:
    return [(name, definitions.get(name, "x").encode()) for name in names]


@pytest.mark.parametrize(
    ("before", "now", "changes"),
    [
        (tools("a", "b"), tools("a", "b"), ToolChanges()),
        (tools("a"), tools("a", "b", "c"), ToolChanges(added=2)),
        (tools("a"), tools("b", "a"), ToolChanges(added=1)),
        (tools("a", "b"), tools("b"), ToolChanges(removed=1)),
        (tools("a", "b"), tools("a", "b", b="y"), ToolChanges(changed=1)),
        (tools("a", "b", "c"), tools("b", "a", "c"), ToolChanges(changed=2)),
        (tools("a"), tools("b"), ToolChanges(added=1, removed=1)),
        (tools("a", "a"), tools("a", "a"), ToolChanges()),
        (tools(), tools("a"), ToolChanges(added=1)),
    ],
)
def test_changes_of_a_list_of_tools(
    before: list[tuple[str, bytes]], now: list[tuple[str, bytes]], changes: ToolChanges
) -> None:
    prefixes = Prefixes()
    assert prefixes.tool_changes(HERE, before) == ToolChanges()
    assert prefixes.tool_changes(HERE, now) == changes
    assert prefixes.tool_changes(HERE, now) == ToolChanges()


def test_changes_are_told_in_words() -> None:
    assert list(ToolChanges(2, 1, 1).labels()) == [
        "2 tools added",
        "1 tool removed",
        "1 tool changed",
    ]


def test_the_latest_conversations_are_remembered() -> None:
    prefixes = Prefixes()
    prompt = b"x" * (3 * BLOCK)
    for number in range(MOST + 1):
        prefixes.repeated((str(number),), prompt)
        prefixes.tool_changes((str(number),), tools("a"))
    assert prefixes.repeated(("0",), prompt) == 0
    assert prefixes.repeated((str(MOST),), prompt) == 3 * BLOCK
    assert prefixes.tool_changes(("0",), tools("a", "b")) == ToolChanges()
    assert prefixes.tool_changes((str(MOST),), tools("a", "b")) == ToolChanges(added=1)
