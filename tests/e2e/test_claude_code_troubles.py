"""Real Claude Code through the gateway, in front of backends that fail. Optional."""

import json
from pathlib import Path

import pytest

from tests.conftest import Start
from tests.e2e.claude_code import (
    MODEL,
    ClaudeCode,
    check_sent,
    fragments,
    last_words,
    needs_claude_code,
    red_square,
    said_by,
    settle,
    turn,
)
from tests.fakes.backend import FakeBackend
from tests.fakes.chunks import Json, failure, role, text
from tests.fakes.gateway import Gateway
from tests.fakes.replies import End

WINDOW = 131072
LLAMACPP = {
    "code": 400,
    "message": f"request (140000 tokens) exceeds the available context size ({WINDOW} tokens), "
    "try increasing it",
    "type": "exceed_context_size_error",
    "n_prompt_tokens": 140000,
    "n_ctx": WINDOW,
}
VLLM = {
    "message": f"This model's maximum context length is {WINDOW} tokens. However, your prompt "
    f"contains at least {WINDOW + 1} input tokens, which exceeds this limit even without any "
    "output tokens. Please reduce the length of the input prompt. "
    f"(parameter=input_tokens, value={WINDOW + 1})",
    "type": "BadRequestError",
    "param": "input_tokens",
    "code": 400,
}

pytestmark = needs_claude_code


@pytest.fixture
def claude_code(gateway: Gateway, tmp_path: Path) -> ClaudeCode:
    return settle(gateway, tmp_path)


def bash_call() -> list[Json]:
    """The earlier exchange without which nothing can be compacted."""
    given = {"command": "echo one > one.txt", "description": "Write a file"}
    return turn(fragments(0, "call_1", "Bash", given))


@pytest.mark.parametrize("refusal", [LLAMACPP, VLLM], ids=["llamacpp", "vllm"])
def test_conversation_that_grew_too_long_is_compacted_and_goes_on(
    claude_code: ClaudeCode, backend: FakeBackend, refusal: Json
) -> None:
    """wire E4: the client acts on one wording only, whatever the backend's was. S18."""
    backend.on(MODEL).stream(*bash_call()).json({"error": refusal}, 400).stream(
        *last_words("<summary>One file was asked for and written.</summary>")
    ).stream(*last_words("All done."))
    session = claude_code.run("Write one file.")
    session.check_smooth_end("All done.")
    (boundary,) = session.of("system", "compact_boundary")
    assert boundary["compact_metadata"]["trigger"] == "auto"
    assert (claude_code.folder / "one.txt").read_text() == "one\n"
    *_, last = check_sent(backend, 4, claude_code.folder)
    assert "One file was asked for and written." in "".join(said_by(last, "user"))


@pytest.mark.parametrize(
    "ending",
    [[text("All d"), End.RESET], [text("All d"), End.CLOSE], [text("All d"), failure("gone")]],
    ids=["torn down", "closed", "error chunk"],
)
def test_answer_that_was_cut_is_asked_for_again(
    claude_code: ClaudeCode, backend: FakeBackend, ending: list[Json]
) -> None:
    """Observed client: an error event in mid-answer makes it ask again at once, not streamed."""
    backend.on(MODEL).stream(*bash_call()).stream(role(), *ending, done=False).answer(
        *last_words("All done.")
    )
    session = claude_code.run("Write one file.")
    session.check_good_end("All done.")
    assert (claude_code.folder / "one.txt").read_text() == "one\n"
    _, cut, again = backend.calls
    assert cut.body["messages"] == again.body["messages"]


def test_answer_that_never_began_is_asked_for_again(
    claude_code: ClaudeCode, backend: FakeBackend
) -> None:
    """Observed client: before the first word it sees a status, and tries again by itself."""
    backend.on(MODEL).stream(*bash_call()).stream(role(), End.RESET, done=False).stream(
        *last_words("All done.")
    )
    session = claude_code.run("Write one file.")
    session.check_good_end("All done.")
    check_sent(backend, 3, claude_code.folder)


def test_short_wait_is_never_seen_by_the_client(
    claude_code: ClaudeCode, backend: FakeBackend
) -> None:
    """Ours: a 429 that names two seconds is waited for in the gateway."""
    backend.on(MODEL).stream(*bash_call()).error(429, "slow down", {"retry-after": "2"}).stream(
        *last_words("All done.")
    )
    claude_code.run("Write one file.").check_smooth_end("All done.")
    check_sent(backend, 3, claude_code.folder)


def test_client_waits_as_long_as_the_backend_says(
    start_gateway: Start, backend: FakeBackend, tmp_path: Path
) -> None:
    """Observed client: keeps to `retry-after`, so it must come through."""
    claude_code = settle(start_gateway(PROXY_BACKOFF_ON_429="0"), tmp_path)
    backend.on(MODEL).stream(*bash_call()).error(429, "slow down", {"retry-after": "2"}).stream(
        *last_words("All done.")
    )
    session = claude_code.run("Write one file.")
    session.check_good_end("All done.")
    (retry,) = session.retries
    assert retry["error_status"] == 429
    assert retry["retry_delay_ms"] >= 2000
    check_sent(backend, 3, claude_code.folder)


def test_wrong_key_ends_at_once(claude_code: ClaudeCode, backend: FakeBackend) -> None:
    """Observed client: would try a 401 for three minutes unless it is told not to."""
    backend.on(MODEL).error(401, "Unauthorized")
    session = claude_code.run("Hello.")
    assert session.code == 1
    assert session.result["is_error"] is True
    assert session.retries == []
    assert len(backend.calls) == 1


def test_image_that_no_model_takes_is_left_out_the_next_time(
    claude_code: ClaudeCode, backend: FakeBackend
) -> None:
    """wire E5: one wording makes the client drop the image instead of giving up."""
    picture = claude_code.folder / "red.png"
    picture.write_bytes(red_square())
    read = fragments(0, "call_read", "Read", {"file_path": str(picture)})
    backend.on(MODEL).stream(*turn(read)).error(
        500, "image input is not supported - hint: you may need to provide the mmproj"
    ).stream(*last_words("I see nothing."))
    session = claude_code.run("What colour is it?")
    session.check_smooth_end("I see nothing.")
    _, shown, stripped = check_sent(backend, 3, claude_code.folder)
    assert "image_url" in json.dumps(shown)
    assert "image_url" not in json.dumps(stripped)
