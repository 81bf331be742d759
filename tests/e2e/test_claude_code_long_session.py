"""Real Claude Code makes 600 tool calls in one session. Optional, and minutes long."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.claude_code import MODEL, fragments, last_words, needs_claude_code, settle, turn
from tests.fakes.backend import FakeBackend
from tests.fakes.chunks import Json
from tests.fakes.gateway import Gateway
from tests.fakes.replies import Call

pytestmark = [needs_claude_code, pytest.mark.slow]

CALLS = 600
SECONDS = 1500
"""Three times what it takes when others keep both processors busy."""


def test_session_of_600_tool_calls_comes_to_its_end(
    gateway: Gateway, backend: FakeBackend, tmp_path: Path
) -> None:
    """Observed client: each call is two messages, and all of them come back with each request."""
    client = replace(settle(gateway, tmp_path), seconds=SECONDS)
    notes = client.folder / "notes.txt"
    notes.write_text("zebra\n")

    def agent(call: Call) -> list[Json]:
        made = sum(message["role"] == "tool" for message in call.body["messages"])
        if made == CALLS:
            return last_words(f"Read {made} times.")
        read = {"file_path": str(notes), "offset": 1, "limit": made + 1}
        return turn(fragments(0, f"call_{made}", "Read", read))

    backend.on(MODEL).each(agent)
    session = client.run("Read it over and over.")
    session.check_smooth_end(f"Read {CALLS} times.")
    assert session.called == ["Read"] * CALLS
    assert session.of("system", "compact_boundary") == []
    again = client.run("Once more.", "--continue")
    assert again.result["result"] == f"Read {CALLS} times."
