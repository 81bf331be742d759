"""How much of a prompt the turn before had too: what a prefix cache could have saved."""

from typing import Any

import pytest

from tests.conftest import Start
from tests.fakes import books
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.client import KEY
from tests.fakes.crowd import SESSION
from tests.fakes.gateway import Gateway

BLOCK = 1024
WORDS = "some words of a file that was read, " * 120
TOOLS = [
    {"name": f"tool_{number}", "description": "Does something. " * 20, "input_schema": {}}
    for number in range(10)
]
TURNS = 6


def turns(count: int) -> list[dict[str, Any]]:
    """A conversation of so many questions, with the answers between them."""
    said: list[dict[str, Any]] = []
    for number in range(count):
        said += [
            {"role": "assistant", "content": f"Answer {number}. {WORDS}"},
            {"role": "user", "content": f"Question {number}. {WORDS}"},
        ]
    return said[1:]


def tool(name: str, text: str = "Does it.") -> dict[str, Any]:
    return {"name": name, "description": text, "input_schema": {}}


def test_tools_that_are_added_are_counted(gateway: Gateway) -> None:
    """clients L8: Claude Code adds tools as it looks them up; a sub-agent has others of its own,
    and a title none."""
    session = {SESSION: "tools"}
    agent = session | {"x-claude-code-agent-id": "agent-1"}
    few, more = [tool("Bash"), tool("Read")], [tool("Bash"), tool("Read"), *TOOLS[:3]]
    asked: list[tuple[dict[str, str], list[dict[str, Any]]]] = [
        (session, few),
        (agent, [tool("Grep")]),
        (session, []),
        (session, few),
        (session, more),
        (agent, [tool("Grep")]),
        (session, more),
        (session, [tool("Bash", "Changed."), *more[2:]]),
        (session, [more[2], tool("Bash", "Changed."), *more[3:]]),
    ]
    for headers, tools in asked:
        fields = {"tools": tools} if tools else {}
        assert gateway.client.messages(headers, **fields).status == 200
    rows = books.until(
        lambda: [row for row in books.rows(gateway) if row["session"] == "tools"],
        lambda found: len(found) == len(asked),
        gateway,
    )
    changes = {place: row.get("tool_changes") for place, row in enumerate(rows)}
    assert {place: words for place, words in changes.items() if words} == {
        4: ["3 tools added"],
        7: ["1 tool removed", "1 tool changed"],
        8: ["2 tools changed"],
    }
    assert [row["tools_added"] for row in rows] == [0, 0, 0, 0, 3, 0, 0, 0, 0]
    assert [row["tool_lists_changed"] for row in rows] == [0, 0, 0, 0, 1, 0, 0, 1, 1]


def ask(gateway: Gateway, session: str, key: str = KEY, turn: int = 1, system: str = "Be.") -> None:
    body = {"messages": turns(turn), "tools": TOOLS, "system": system, "model": ALPHA}
    answer = gateway.with_key(key).messages({SESSION: session}, **body, stream=turn % 2 == 0)
    assert answer.status == 200


@pytest.mark.parametrize("launcher", ["serve", "uvicorn"])
def test_growing_conversation_repeats_the_turn_before(
    start_gateway: Start, backend: FakeBackend, launcher: str
) -> None:
    """field: the whole prompt before, to the block; another session or key shares none."""
    gateway = start_gateway(launcher)
    for turn in range(1, TURNS + 1):
        ask(gateway, "growing", turn=turn)
    ask(gateway, "another", turn=TURNS)
    ask(gateway, "growing", key="cpk_another_0123456789", turn=TURNS)
    ask(gateway, "growing", turn=TURNS, system="Be brief.")
    rows = books.wait_for_rows(gateway, TURNS + 3)
    sizes = [row["prompt_bytes"] for row in rows]
    for number in range(1, TURNS):
        assert sizes[number] > sizes[number - 1] + len(WORDS)
        assert rows[number]["repeated_bytes"] == sizes[number - 1] // BLOCK * BLOCK
    assert [rows[number]["repeated_bytes"] for number in (0, TURNS, TURNS + 1)] == [0, 0, 0]
    tools = rows[-1]["repeated_bytes"]
    assert 0 < tools < sizes[0], "the tools stand in front of the system prompt"
