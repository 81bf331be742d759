"""Real Claude Code through the gateway: what it asks beside the conversation. Optional."""

import json
import re
from pathlib import Path

import pytest

from tests.conftest import Start
from tests.e2e.claude_code import (
    MODEL,
    ClaudeCode,
    check_sent,
    fragments,
    last_words,
    names_of_tools,
    needs_claude_code,
    settle,
    turn,
)
from tests.fakes.backend import FakeBackend
from tests.fakes.gateway import Gateway

SMALL = "test/beta"
NAMES = json.dumps({"*haiku*": SMALL, "claude-*": MODEL})
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "people": {"type": "integer"}},
    "required": ["city", "people"],
    "additionalProperties": False,
}

pytestmark = needs_claude_code


@pytest.fixture
def claude_code(gateway: Gateway, tmp_path: Path) -> ClaudeCode:
    return settle(gateway, tmp_path)


def test_hard_coded_names_are_caught_by_globs(
    start_gateway: Start, backend: FakeBackend, tmp_path: Path
) -> None:
    """Observed client: its own model names arrive whatever `--model` says. P19."""
    claude_code = settle(start_gateway(MODEL_MAP=NAMES), tmp_path)
    errand = {
        "description": "Look around",
        "prompt": "Say what you see.",
        "subagent_type": "general-purpose",
        "model": "haiku",
        "run_in_background": False,
    }
    backend.on(MODEL).stream(*turn(fragments(0, "call_1", "Agent", errand))).stream(
        *last_words("The errand is done.")
    )
    backend.on(SMALL).stream(*last_words("I see a folder."))
    session = claude_code.run("Send somebody.", model="sonnet")
    session.check_smooth_end("The errand is done.")
    bodies = check_sent(backend, 3, claude_code.folder)
    assert [body["model"] for body in bodies] == [MODEL, SMALL, MODEL]
    assert "I see a folder." in json.dumps(bodies[2]["messages"])


def test_answer_by_a_schema_is_taken(claude_code: ClaudeCode, backend: FakeBackend) -> None:
    """Observed client: `--json-schema` is a tool, and the answer is what it was called with."""
    answer = {"city": "Łódź", "people": 670000}
    backend.on(MODEL).stream(*turn(fragments(0, "call_1", "StructuredOutput", answer))).stream(
        *last_words("Done.")
    )
    session = claude_code.run("Name a city.", "--json-schema", json.dumps(SCHEMA))
    assert session.code == 0, session.errors
    assert session.result["structured_output"] == answer
    assert session.retries == []
    first, *_ = backend.calls
    assert "StructuredOutput" in names_of_tools(first.body)


def test_context_is_counted_without_the_backend(
    claude_code: ClaudeCode, backend: FakeBackend
) -> None:
    """Observed client: two dozen counts at once, each tried again when it fails. P19."""
    before = len(claude_code.gateway.log)
    session = claude_code.run("/context")
    assert session.code == 0, session.errors
    assert "Estimated usage by category" in session.result["result"]
    counted = re.findall(r'count_tokens\?beta=true" (\d+)', claude_code.gateway.log[before:])
    assert len(counted) >= 20
    assert set(counted) == {"200"}
    assert backend.calls == []


def test_search_without_an_engine_ends_in_one_turn(
    claude_code: ClaudeCode, backend: FakeBackend
) -> None:
    """Observed client: its WebSearch is a request of its own, which a 400 would repeat."""
    backend.on(MODEL).stream(
        *turn(fragments(0, "call_1", "WebSearch", {"query": "zebras"}))
    ).stream(*last_words("I could not search."))
    session = claude_code.run("Search for zebras.")
    assert session.result["result"] == "I could not search."
    assert session.retries == []
    (result,) = session.blocks("user", "tool_result")
    assert "unavailable" in json.dumps(result)
    assert len(backend.calls) == 2


def test_picker_lists_open_models(gateway: Gateway, tmp_path: Path, backend: FakeBackend) -> None:
    """Observed client: keeps what it read of the list in a file of its own."""
    claude_code = settle(gateway, tmp_path)
    backend.on(MODEL).stream(*last_words("Hello."))
    switches = {
        "CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "",
    }
    claude_code.run("Hello.", **switches).check_smooth_end("Hello.")
    kept = claude_code.home / ".claude" / "cache" / "gateway-models.json"
    assert f"anthropic/{MODEL}" in kept.read_text("utf-8")
