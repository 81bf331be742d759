"""Real Claude Code through the gateway. Optional: set TEST_CLAUDE_CODE, or have `claude` on PATH.

The client runs without the shell's environment, in empty folders, and would retry quietly; so a
good end alone proves little, and the tests look at what both sides saw.
"""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes.backend import FakeBackend
from tests.fakes.chunks import Json, arguments, call, finish, reasoning, role, text, usage
from tests.fakes.client import KEY
from tests.fakes.gateway import Gateway
from tests.fakes.strict import check_chat_request

PROGRAM = os.environ.get("TEST_CLAUDE_CODE") or shutil.which("claude")
MODEL = "zai-org/GLM-4.5-Air"
RUN_SECONDS = 90
WRITTEN = 'a "quoted" line\nélan \U0001f600\n'

pytestmark = pytest.mark.skipif(
    PROGRAM is None, reason="no Claude Code: TEST_CLAUDE_CODE is not set, no `claude` on PATH"
)


@dataclass(frozen=True, slots=True)
class Session:
    """What one run of the client left behind."""

    code: int
    lines: list[Json]
    errors: str

    def of(self, kind: str) -> list[Json]:
        return [line for line in self.lines if line["type"] == kind]

    @property
    def result(self) -> Json:
        (result,) = self.of("result")
        return result

    def blocks(self, speaker: str, kind: str) -> list[Json]:
        """Content blocks of this kind in the conversation as the client keeps it."""
        contents = [line["message"]["content"] for line in self.of(speaker)]
        every = [block for content in contents if isinstance(content, list) for block in content]
        return [block for block in every if block["type"] == kind]


@dataclass(frozen=True, slots=True)
class ClaudeCode:
    """The client, its home, and the folder that it works in."""

    gateway: Gateway
    home: Path
    folder: Path

    def run(self, prompt: str, *options: str, model: str = MODEL) -> Session:
        assert PROGRAM is not None
        fixed = ("--output-format", "stream-json", "--verbose", "--dangerously-skip-permissions")
        ended = subprocess.run(
            [PROGRAM, "-p", prompt, "--model", model, *fixed, *options],
            cwd=self.folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=RUN_SECONDS,
            check=False,
        )
        lines = [json.loads(line) for line in ended.stdout.decode().splitlines()]
        return Session(ended.returncode, lines, ended.stderr.decode())

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "IS_SANDBOX": "1",
            "ANTHROPIC_BASE_URL": self.gateway.url,
            "ANTHROPIC_API_KEY": KEY,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_TELEMETRY": "1",
        }


@pytest.fixture
def claude_code(gateway: Gateway, tmp_path: Path) -> ClaudeCode:
    home, folder = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    folder.mkdir()
    return ClaudeCode(gateway, home, folder)


def fragments(index: int, call_id: str, name: str, given: Json) -> list[Json]:
    """A tool call whose arguments come in pieces of ten characters."""
    whole = json.dumps(given)
    pieces = [whole[start : start + 10] for start in range(0, len(whole), 10)]
    return [call(index, call_id, name), *(arguments(index, piece) for piece in pieces)]


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
    """Observed client: a whole session, as people use it."""
    script_session(backend, claude_code.folder)
    session = claude_code.run("Write two files and read one.")

    assert session.code == 0, session.errors
    assert (session.result["subtype"], session.result["is_error"]) == ("success", False)
    assert session.result["result"] == "Both files are there."
    assert (claude_code.folder / "bash.txt").read_text() == "from bash\n"
    assert (claude_code.folder / "written.txt").read_text() == WRITTEN
    assert not [line for line in session.of("system") if line.get("subtype") == "api_retry"]

    results = session.blocks("user", "tool_result")
    assert len(results) == 3
    assert not [block for block in results if block.get("is_error")]
    thoughts = [block["thinking"] for block in session.blocks("assistant", "thinking")]
    assert thoughts == ["I shall write two files.", "Now read one."]
    assert [block["name"] for block in session.blocks("assistant", "tool_use")] == [
        "Bash",
        "Write",
        "Read",
    ]
    spent = session.result["usage"]
    assert spent["input_tokens"] == 12000 + 12500 + 13000
    assert spent["output_tokens"] == 90 + 40 + 8


def test_backend_sees_nothing_of_the_clients_own(
    claude_code: ClaudeCode, backend: FakeBackend
) -> None:
    """Observed backends: the strictest of them would have taken every request."""
    script_session(backend, claude_code.folder)
    assert claude_code.run("Write two files and read one.").code == 0
    assert len(backend.calls) == 3
    for request in backend.calls:
        body = check_chat_request(request.raw)
        assert body["stream"] is True
        assert body["stream_options"] == {"include_usage": True}
        assert body["messages"][0]["role"] == "system"
        assert request.header("authorization") == f"Bearer {KEY}"
    first, second, third = (request.body for request in backend.calls)
    assert str(claude_code.folder) in json.dumps(first["messages"]), "the environment text is lost"
    assert first["messages"] == third["messages"][: len(first["messages"])]
    assert second["messages"] == third["messages"][: len(second["messages"])]
    assert first["tools"] == third["tools"]


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
