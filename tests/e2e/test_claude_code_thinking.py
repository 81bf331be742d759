"""Real Claude Code with thinking off, before servers of models that think by themselves. Optional.

The server's family is what discovery makes of its list, as it is for users.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import starting
from tests.e2e.claude_code import ClaudeCode, last_words, needs_claude_code, settle
from tests.e2e.terminal import AS_INSTALLED, DOWN, ENTER, open_terminal
from tests.fakes.backend import CHAT, FakeBackend
from tests.fakes.chunks import Json
from tests.fakes.replies import Call, Reply, fixed

pytestmark = needs_claude_code

QWEN = "Qwen/Qwen3-8B"
OFF = {"enable_thinking": False, "thinking": False}
ON = {"enable_thinking": True, "thinking": True}
ALT_T = "\x1bt"
SWITCHES: dict[str, tuple[dict[str, str], Json]] = {
    "no tokens for it": ({"MAX_THINKING_TOKENS": "0"}, {}),
    "a variable": ({"CLAUDE_CODE_DISABLE_THINKING": "1"}, {}),
    "a setting": ({}, {"alwaysThinkingEnabled": False}),
}
"""Ways to switch it off: variables, and settings of the client's own."""
FROM_BEFORE_MARCH_2026 = (
    "[{'type': 'literal_error', 'loc': ('body', 'reasoning_effort'), 'msg': \"Input should be "
    "'low', 'medium' or 'high'\", 'input': 'none'}]"
)


@pytest.fixture(params=["vllm", "sglang"])
def server(request: pytest.FixtureRequest) -> Iterator[FakeBackend]:
    """A server of that family with a Qwen model, known by nothing but its list."""
    with FakeBackend() as backend:
        backend.list_models(**{QWEN: {"owned_by": request.param, "max_model_len": 131072}})
        backend.on(QWEN).each(answer)
        yield backend


def answer(call: Call) -> list[Json]:
    return last_words("Gladly.")


@pytest.fixture
def old_server(server: FakeBackend) -> FakeBackend:
    """The same, of before March 2026."""
    server.route("POST", CHAT).each(old_answer)
    return server


def old_answer(call: Call) -> list[Json] | Reply:
    if call.body.get("reasoning_effort") != "none":
        return answer(call)
    refusal = {"object": "error", "message": FROM_BEFORE_MARCH_2026, "code": 400}
    return fixed(json.dumps(refusal).encode(), "application/json", 400)


@pytest.fixture
def client(
    server: FakeBackend, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ClaudeCode]:
    with starting(server, tmp_path_factory) as start:
        yield settle(start("serve"), tmp_path)


def sent(server: FakeBackend) -> list[tuple[Json | None, str | None]]:
    """The switches of each request."""
    bodies = [call.body for call in server.calls]
    return [(body.get("chat_template_kwargs"), body.get("reasoning_effort")) for body in bodies]


def test_thinking_is_on_as_installed(client: ClaudeCode, server: FakeBackend) -> None:
    """The control: else nothing is shown by what follows."""
    client.run("Hello.", model=QWEN).check_smooth_end("Gladly.")
    assert sent(server) == [(ON, "high")]


@pytest.mark.parametrize(("variables", "settings"), SWITCHES.values(), ids=list(SWITCHES))
def test_thinking_that_is_off_reaches_the_server_as_off(
    client: ClaudeCode, server: FakeBackend, variables: dict[str, str], settings: Json
) -> None:
    """H3. Observed client: it says nothing of thinking, and names an effort all the same."""
    options = ("--settings", json.dumps(settings))
    client.run("Hello.", *options, model=QWEN, **variables).check_smooth_end("Gladly.")
    assert sent(server) == [(OFF, "none")]


def test_server_that_knows_no_effort_of_none_is_told_in_its_own_way(
    client: ClaudeCode, old_server: FakeBackend
) -> None:
    """Observed backends: vLLM and SGLang of before March 2026. The client notices nothing."""
    client.run("Hello.", model=QWEN, MAX_THINKING_TOKENS="0").check_smooth_end("Gladly.")
    assert sent(old_server) == [(OFF, "none"), (OFF, "low")]


def test_thinking_that_is_switched_off_in_the_terminal_is_off(
    client: ClaudeCode, server: FakeBackend
) -> None:
    """Observed client: Alt+T opens a choice of two."""
    with open_terminal(client, model=QWEN, **AS_INSTALLED) as terminal:
        terminal.type("Hello.")
        terminal.press(ALT_T)
        terminal.wait_for("Turn thinking on or off for this session")
        terminal.choose("Off", DOWN)
        terminal.wait_for("Thinking off")
        terminal.press(ENTER)
        terminal.wait_for("● Gladly.")
    assert {(str(kwargs), effort) for kwargs, effort in sent(server)} == {(str(OFF), "none")}
