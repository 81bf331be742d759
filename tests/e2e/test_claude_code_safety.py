"""Real Claude Code runs no tool call that was cut or only quoted. Optional."""

from pathlib import Path

import pytest

from tests.e2e.claude_code import MODEL, ClaudeCode, last_words, needs_claude_code, settle
from tests.fakes.backend import FakeBackend
from tests.fakes.chunks import Json, arguments, call, finish, role, text, usage
from tests.fakes.gateway import Gateway
from tests.fakes.replies import End

pytestmark = needs_claude_code

CUT = '{"command": "rm -rf build'
"""The beginning of `rm -rf build/cache`."""

ENDINGS: dict[str, list[Json | End]] = {
    "length": [finish("length"), usage(12000, 20)],
    "tool_calls": [finish("tool_calls"), usage(12000, 20)],
    "closed": [End.CLOSE],
    "torn down": [End.RESET],
}

HERMES = '<tool_call>\n{"name": "Bash", "arguments": {"command": "rm -rf build"}}\n</tool_call>'
QUOTED = {
    "fence": f"Models write calls like this:\n\n```\n{HERMES}\n```\n\nThat is all.",
    "backquotes": 'They write `<tool_call>{"name": "Bash", "arguments": {"command": '
    '"rm -rf build"}}</tool_call>` and nothing else.',
    "sentence": f"The words {HERMES} would delete the folder.",
}


@pytest.fixture
def claude_code(gateway: Gateway, tmp_path: Path) -> ClaudeCode:
    """The client in a folder with something to lose."""
    client = settle(gateway, tmp_path)
    (client.folder / "build" / "cache").mkdir(parents=True)
    (client.folder / "build" / "kept.txt").write_text("kept\n")
    return client


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=list(ENDINGS))
def test_call_that_was_cut_is_not_run(
    claude_code: ClaudeCode, backend: FakeBackend, ending: list[Json | End]
) -> None:
    """wire H1: what the client would run is not what the model meant. It refuses open input."""
    is_whole = not isinstance(ending[-1], End)
    backend.on(MODEL).stream(
        role(), call(0, "call_1", "Bash"), arguments(0, CUT), *ending, done=is_whole
    ).answer(*last_words("All done."))
    session = claude_code.run("Clean the cache.")
    assert session.result["result"] == "All done."
    assert all(result["is_error"] for result in session.blocks("user", "tool_result"))
    assert (claude_code.folder / "build" / "kept.txt").read_text() == "kept\n"


@pytest.mark.parametrize("words", QUOTED.values(), ids=list(QUOTED))
def test_call_that_is_quoted_is_not_run(
    claude_code: ClaudeCode, backend: FakeBackend, words: str
) -> None:
    """wire H2: an example in an answer is text, to the character."""
    pieces = [text(words[at : at + 7]) for at in range(0, len(words), 7)]
    backend.on(MODEL).stream(role(), *pieces, finish("stop"), usage(12000, 20))
    session = claude_code.run("How do models call tools?")
    session.check_smooth_end(words)
    assert session.called == []
    assert (claude_code.folder / "build" / "kept.txt").read_text() == "kept\n"
