"""Real Claude Code goes on after refusals whose wording nobody listed. Optional."""

import json
from pathlib import Path

import pytest

from tests.conftest import Start
from tests.e2e.claude_code import (
    MODEL,
    ClaudeCode,
    fragments,
    last_words,
    needs_claude_code,
    red_square,
    settle,
    turn,
)
from tests.fakes.backend import FakeBackend
from tests.fakes.chunks import Json

pytestmark = needs_claude_code

OVERFLOWS = {
    "longer than it takes": "The request is 141203 tokens long, but this deployment takes no more "
    "than 131072 tokens.",
    "size above window": "Prompt size 141203 exceeds the configured window of 131072 tokens",
    "too many": "Too many tokens in the prompt: 141203 (limit: 131072)",
    "Chinese": "输入长度 141203 超过了模型支持的最大上下文长度 131072",
    "smaller than": "The context window of 131072 tokens is smaller than the 141203 tokens of this "
    "conversation",
}
TOO_MANY_ASKED = {
    "at most": "max_tokens is too large: this model answers with at most 8192 tokens",
    "range": "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]",
}
NO_REASONING = {
    "Kimi": "thinking is enabled but reasoning_content is missing in assistant tool call message "
    "at index 2",
    "DeepSeek": "The `reasoning_content` in the thinking mode must be passed back to the API.",
}
NO_IMAGES = {
    "not multimodal": "zai-org/GLM-4.5-Air is not a multimodal model",
    "type": "unknown variant `image_url`, expected `text`",
}


@pytest.fixture
def claude_code(start_gateway: Start, tmp_path: Path) -> ClaudeCode:
    """A client before a gateway that has learned nothing yet."""
    return settle(start_gateway("serve"), tmp_path)


def refusal(sentence: str) -> Json:
    return {"error": {"message": sentence, "type": "invalid_request_error", "code": 400}}


def bash_call() -> list[Json]:
    given = {"command": "echo one > one.txt", "description": "Write a file"}
    return turn(fragments(0, "call_1", "Bash", given))


@pytest.mark.parametrize("sentence", OVERFLOWS.values(), ids=list(OVERFLOWS))
def test_overflow_in_any_words_is_compacted(
    claude_code: ClaudeCode, backend: FakeBackend, sentence: str
) -> None:
    """U3: the client compacts at one wording only; the session goes on."""
    backend.on(MODEL).stream(*bash_call()).json(refusal(sentence), 400).stream(
        *last_words("<summary>One file was asked for and written.</summary>")
    ).stream(*last_words("All done."))
    session = claude_code.run("Write one file.")
    session.check_smooth_end("All done.")
    (boundary,) = session.of("system", "compact_boundary")
    assert boundary["compact_metadata"]["trigger"] == "auto"


@pytest.mark.parametrize("sentence", TOO_MANY_ASKED.values(), ids=list(TOO_MANY_ASKED))
def test_refused_length_of_the_answer_is_mended(
    claude_code: ClaudeCode, backend: FakeBackend, sentence: str
) -> None:
    """U1: the turn goes on, and later turns ask for what is taken."""
    backend.on(MODEL).json(refusal(sentence), 400).stream(*bash_call()).stream(
        *last_words("All done.")
    )
    claude_code.run("Write one file.").check_smooth_end("All done.")
    refused, *mended = [call.body["max_tokens"] for call in backend.calls]
    assert refused > 8192
    assert mended == [8192, 8192]


@pytest.mark.parametrize("sentence", NO_REASONING.values(), ids=list(NO_REASONING))
def test_refused_history_without_reasoning_is_mended(
    claude_code: ClaudeCode, backend: FakeBackend, sentence: str
) -> None:
    """U6: the second turn of every session on such a backend."""
    backend.on(MODEL).stream(*bash_call()).json(refusal(sentence), 400).stream(
        *last_words("All done.")
    )
    claude_code.run("Write one file.").check_smooth_end("All done.")
    *_, refused, mended = (call.body["messages"] for call in backend.calls)
    assert not any(message.get("reasoning_content") for message in refused)
    assert all(m.get("reasoning_content") for m in mended if m.get("tool_calls"))


@pytest.mark.parametrize("sentence", NO_IMAGES.values(), ids=list(NO_IMAGES))
def test_refused_image_is_left_out(
    claude_code: ClaudeCode, backend: FakeBackend, sentence: str
) -> None:
    """U2: the model is told that an image was there, and the session goes on."""
    picture = claude_code.folder / "red.png"
    picture.write_bytes(red_square())
    read = fragments(0, "call_read", "Read", {"file_path": str(picture)})
    backend.on(MODEL).stream(*turn(read)).json(refusal(sentence), 400).stream(
        *last_words("I see nothing.")
    )
    claude_code.run("What colour is it?").check_smooth_end("I see nothing.")
    *_, shown, stripped = (json.dumps(call.body) for call in backend.calls)
    assert "image_url" in shown
    assert "image_url" not in stripped
