"""A session in Claude Code's auto mode with one call to check, and who checked it."""

import json

import pytest

from tests.e2e.claude_code import MODEL, fragments, last_words, turn
from tests.fakes.backend import FakeBackend
from tests.fakes.chunks import Json
from tests.fakes.replies import Call

JUDGE = "test/beta"
TARGETS = [{"backend": "main", "model": MODEL}]
ALIASES: list[Json] = [
    {"pattern": "unjudged", "targets": TARGETS},
    {"pattern": "off", "targets": TARGETS, "safeguards": "off"},
    {"pattern": "judged", "targets": TARGETS, "safeguards": f"judge: {JUDGE}"},
]
COMMAND = "python3 -c 'open(chr(109), chr(119))'"
"""Makes the file `m`. No rule of the client's own allows it."""
REASON = "It runs code that nobody has read."
NOTICE = "which isn't compatible with this update"
WITH_TELEMETRY = {"DISABLE_TELEMETRY": "", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": ""}
WITHOUT_TELEMETRY = WITH_TELEMETRY | {"DISABLE_TELEMETRY": "1"}
TELEMETRY = pytest.mark.parametrize(
    "environment", [WITH_TELEMETRY, WITHOUT_TELEMETRY], ids=["telemetry", "no telemetry"]
)


def agent(call: Call) -> list[Json]:
    """Makes one call, then ends; and passes what the client's own check asks about."""
    if not call.body.get("tools"):
        return last_words("<block>no</block>")
    if any(message["role"] == "tool" for message in call.body["messages"]):
        return last_words("Done.")
    return turn(fragments(0, "call_1", "Bash", {"command": COMMAND, "description": "Make it"}))


def own_checks(backend: FakeBackend) -> int:
    """Requests by which the client checks a call itself."""
    return len([call for call in backend.calls if call.model == MODEL and is_check(call)])


def judgements(backend: FakeBackend) -> int:
    return len([call for call in backend.calls if call.model == JUDGE])


def is_check(call: Call) -> bool:
    """Whether the client asks its model to check a call."""
    return not call.body.get("tools") and "</transcript>" in json.dumps(call.body["messages"][-1])
