"""What requests are for, from the headers of a client to rows, sums and the command: both modes."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import starting
from tests.fakes import books
from tests.fakes.backend import ALPHA, FakeBackend

SESSION = {"x-claude-code-session-id": "7d0f3c52-5a0e-4d0b-9a54-0c1f5c8f7a11"}
PROMPT = "11111111-aaaa-4000-8000-000000000001"
TOOLS = [{"name": "Bash", "description": "Runs a command. " * 2000, "input_schema": {}}]
KEY = "cpk_9f8e7d6c5b4a.0123456789abcdef"


def hints(**values: str) -> dict[str, str]:
    named = {f"x-claude-code-{name.replace('_', '-')}": text for name, text in values.items()}
    return SESSION | named


NOTHING: dict[str, Any] = {
    "request_class": "",
    "agent_type": "",
    "agent_id": "",
    "parent_agent_id": "",
    "prompt_id": "",
    "compaction": "",
    "compacted": "",
    "tool_milliseconds": {},
}
CASES: dict[str, tuple[dict[str, str], dict[str, Any], dict[str, Any]]] = {
    "main": (
        hints(request_class="main", prompt_id=PROMPT, prev_tool_durations="Bash=742;Read=9"),
        {},
        {
            "request_class": "main",
            "prompt_id": PROMPT,
            "tool_milliseconds": {"Bash": 742, "Read": 9},
        },
    ),
    "sub-agent": (
        hints(
            request_class="subagent",
            agent_type="Plan",
            agent_id="a1",
            parent_agent_id="a0",
            prompt_id=PROMPT,
        ),
        {},
        {
            "request_class": "subagent",
            "agent_type": "Plan",
            "agent_id": "a1",
            "parent_agent_id": "a0",
            "prompt_id": PROMPT,
        },
    ),
    "compaction": (
        hints(request_class="compaction", compaction="auto"),
        {},
        {"request_class": "compaction", "compaction": "auto"},
    ),
    "compacted": (
        hints(request_class="main", context_compacted="auto"),
        {},
        {"request_class": "main", "compacted": "auto"},
    ),
    "agent without hints": (
        hints(agent_id="a2"),
        {},
        {"request_class": "subagent", "agent_id": "a2"},
    ),
    "title without hints": (SESSION, {}, {"request_class": "auxiliary"}),
    "main without hints": (SESSION, {"tools": TOOLS}, {"request_class": "main"}),
    "another client": ({}, {}, {}),
    "refused": (
        hints(request_class="workflow", agent_id="a3"),
        {"model": "no/such"},
        {"request_class": "workflow", "agent_id": "a3", "status": 404},
    ),
    "hostile": (
        hints(
            request_class="<script>",
            agent_type="x" * 500,
            agent_id="<img/onerror=alert(1)>",
            prompt_id=KEY,
            prev_tool_durations=f"%3Cb%3E%00=5;Bash=x;{KEY}=7;=1;Read=" + "9" * 50,
        ),
        {},
        {
            "request_class": "subagent",
            "agent_id": "<img/onerror=alert(1)>",
            "prompt_id": "[redacted]",
            "tool_milliseconds": {"[redacted]": 7},
        },
    ),
}


@pytest.fixture(scope="module", params=["serve", "uvicorn"])
def recorded(
    request: pytest.FixtureRequest,
    session_backend: FakeBackend,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[dict[tuple[str, bool], books.Row], list[dict[str, Any]], str]]:
    """Rows by case and mode, the report by class, and the log, when everything is over."""
    session_backend.reset()
    with starting(session_backend, tmp_path_factory) as start:
        gateway = start(request.param)
        order = []
        for name, (headers, body, _) in CASES.items():
            for streams in (False, True):
                gateway.client.messages(headers, **{"model": ALPHA, **body}, stream=streams)
                order.append((name, streams))
        rows = books.wait_for_rows(gateway, len(order))
        books.check(gateway)
        told = gateway.manage("usage", "--by", "class", "--format", "json")
        yield dict(zip(order, rows, strict=True)), json.loads(told), gateway.log


Recorded = tuple[dict[tuple[str, bool], books.Row], list[dict[str, Any]], str]


@pytest.mark.parametrize("streams", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("name", CASES)
def test_the_row_says_what_the_request_was_for(
    recorded: Recorded, name: str, streams: bool
) -> None:
    row, wanted = recorded[0][(name, streams)], {"status": 200, **NOTHING, **CASES[name][2]}
    assert {member: row[member] for member in wanted} == wanted


def test_sums_by_class_are_those_of_the_rows(recorded: Recorded) -> None:
    rows, told, _ = recorded
    counted: dict[str, int] = {}
    for row in rows.values():
        name = row["request_class"] or "(not known)"
        counted[name] = counted.get(name, 0) + 1
    assert {line["class"]: line["requests"] for line in told} == counted
    tokens = sum(row["output_tokens"] for row in rows.values())
    assert sum(line["output_tokens"] for line in told) == tokens > 0


def test_neither_rows_nor_log_have_the_key_that_stood_there(recorded: Recorded) -> None:
    rows, _, log = recorded
    assert "9f8e7d6c5b4a" not in json.dumps([*rows.values()], default=str) + log
