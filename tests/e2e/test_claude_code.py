"""Real Claude Code through the gateway: whole sessions. Optional, see `claude_code.py`."""

from pathlib import Path

import pytest

from tests.conftest import Start
from tests.e2e.claude_code import (
    MODEL,
    ClaudeCode,
    check_sent,
    fragments,
    needs_claude_code,
    settle,
)
from tests.fakes.backend import FakeBackend
from tests.fakes.chunks import finish, reasoning, role, text, usage
from tests.fakes.client import KEY
from tests.fakes.gateway import Gateway
from tests.fakes.strict import check_chat_request

WRITTEN = 'a "quoted" line\nélan \U0001f600\n'

pytestmark = needs_claude_code


@pytest.fixture
def claude_code(gateway: Gateway, tmp_path: Path) -> ClaudeCode:
    return settle(gateway, tmp_path)


def script_session(backend: FakeBackend, folder: Path) -> None:
    """Think and call two tools at once; read what was written; say the end."""
    bash = {"command": "echo from bash > bash.txt && cat bash.txt", "description": "Write a file"}
    write = {"file_path": str(folder / "written.txt"), "content": WRITTEN}
    backend.on(MODEL).stream(
        role(),
        reasoning("I shall write "),
        reasoning("two files."),
        text("Two files at once."),
        *fragments(0, "call_bash", "Bash", bash),
        *fragments(1, "call_write", "Write", write),
        finish("tool_calls"),
        usage(12000, 90),
    ).stream(
        role(),
        reasoning("Now read one."),
        *fragments(0, "call_read", "Read", {"file_path": str(folder / "written.txt")}),
        finish("tool_calls"),
        usage(12500, 40),
    ).stream(role(), text("Both files "), text("are there."), finish("stop"), usage(13000, 8))


def test_session_with_thinking_and_parallel_tools(
    claude_code: ClaudeCode, backend: FakeBackend
) -> None:
    """Observed client: a whole session, as people use it. R21."""
    script_session(backend, claude_code.folder)
    session = claude_code.run("Write two files and read one.")

    session.check_smooth_end("Both files are there.")
    assert (claude_code.folder / "bash.txt").read_text() == "from bash\n"
    assert (claude_code.folder / "written.txt").read_text() == WRITTEN
    assert len(session.blocks("user", "tool_result")) == 3
    thoughts = [block["thinking"] for block in session.blocks("assistant", "thinking")]
    assert thoughts == ["I shall write two files.", "Now read one."]
    assert session.called == ["Bash", "Write", "Read"]
    spent = session.result["usage"]
    assert spent["input_tokens"] == 12000 + 12500 + 13000
    assert spent["output_tokens"] == 90 + 40 + 8


def test_backend_sees_nothing_of_the_clients_own(
    claude_code: ClaudeCode, backend: FakeBackend
) -> None:
    """Observed backends: the strictest of them would have taken every request."""
    script_session(backend, claude_code.folder)
    assert claude_code.run("Write two files and read one.").code == 0
    first, second, third = check_sent(backend, 3, claude_code.folder)
    assert all(body["messages"][0]["role"] == "system" for body in (first, second, third))
    assert {request.header("authorization") for request in backend.calls} == {f"Bearer {KEY}"}
    assert first["messages"] == third["messages"][: len(first["messages"])]
    assert second["messages"] == third["messages"][: len(second["messages"])]
    assert first["tools"] == third["tools"]


def test_thinking_goes_back_to_a_backend_that_insists_on_it(
    start_gateway: Start, backend: FakeBackend, tmp_path: Path
) -> None:
    """wire B1, F38: DeepSeek answers 400 to a tool turn without its reasoning."""
    claude_code = settle(start_gateway(BACKEND_DIALECT="deepseek"), tmp_path)
    script_session(backend, claude_code.folder)
    session = claude_code.run("Write two files and read one.")
    session.check_smooth_end("Both files are there.")
    *_, last = check_sent(backend, 3, claude_code.folder)
    turns = [message for message in last["messages"] if message["role"] == "assistant"]
    thoughts = [turn["reasoning_content"] for turn in turns]
    assert thoughts == ["I shall write two files.", "Now read one."]
    assert last["thinking"] == {"type": "enabled"}


def test_session_goes_on_in_a_second_process(claude_code: ClaudeCode, backend: FakeBackend) -> None:
    """Observed client: a resumed conversation has its history from disk."""
    script_session(backend, claude_code.folder)
    assert claude_code.run("Write two files and read one.").code == 0
    backend.reset()
    backend.on(MODEL).stream(role(), text("Gladly."), finish("stop"), usage(14000, 3))
    again = claude_code.run("Thank you.", "--continue")
    assert (again.code, again.result["result"]) == (0, "Gladly.")
    body = check_chat_request(backend.only_call.raw)
    roles = [message["role"] for message in body["messages"]]
    assert roles.count("tool") == 3


def test_unknown_model_ends_at_once(claude_code: ClaudeCode, backend: FakeBackend) -> None:
    """Observed client: takes a 404 as final."""
    session = claude_code.run("Hello.", model="test/nowhere")
    assert session.code == 1
    assert session.result["is_error"] is True
    assert backend.calls == []
