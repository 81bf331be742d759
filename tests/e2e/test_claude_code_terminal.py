"""Real Claude Code in a terminal: the first answer, and the choice of a model. Optional."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import starting
from tests.e2e.claude_code import MODEL, ClaudeCode, last_words, needs_claude_code, settle
from tests.e2e.terminal import AS_INSTALLED, open_terminal
from tests.fakes.backend import FakeBackend
from tests.fakes.gateway import Gateway

pytestmark = needs_claude_code

SMALL = "test/beta"


@pytest.fixture
def claude_code(gateway: Gateway, tmp_path: Path) -> ClaudeCode:
    return settle(gateway, tmp_path)


@pytest.fixture(scope="module")
def unconfigured(
    session_backend: FakeBackend, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """A gateway as it is after the first `make run`."""
    with starting(session_backend, tmp_path_factory) as start:
        yield start("serve", demo=True)


def banner(gateway: Gateway) -> dict[str, str]:
    """The variables that the start prints, and nothing else."""
    return AS_INSTALLED | dict(re.findall(r"export (\w+)='?(.*?)'?$", gateway.log, re.MULTILINE))


def test_demo_answers_and_its_tool_call_runs(unconfigured: Gateway, tmp_path: Path) -> None:
    """README: the first minute, in the mode that the client starts in, which checks each call."""
    with open_terminal(settle(unconfigured, tmp_path), **banner(unconfigured)) as terminal:
        terminal.ask("Hello there")
        terminal.wait_for("set BACKEND_URL to reach a real model. You wrote: Hello there")
        terminal.ask("use Bash")
        terminal.wait_for("● The tool answered: ")
        terminal.wait_for("demo: command not found")
        assert terminal.screen.holds("auto mode on")
        assert not terminal.screen.holds("API Error")


def test_demo_blocks_a_call_with_an_argument_of_the_users(
    unconfigured: Gateway, tmp_path: Path
) -> None:
    """Ours: it cannot tell whether that is safe, and says so."""
    with open_terminal(settle(unconfigured, tmp_path), **banner(unconfigured)) as terminal:
        terminal.ask("use Bash Reboot")
        terminal.wait_for("The demo backend passes none but its own calls")
        assert terminal.screen.holds("Blocked by auto mode")


def test_open_model_is_chosen_from_the_picker(
    claude_code: ClaudeCode, backend: FakeBackend
) -> None:
    """Observed client: shows their short names, and what a line says of them."""
    discovery = AS_INSTALLED | {"CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY": "1"}
    backend.on(SMALL).answer(*last_words("From the small one."))
    with open_terminal(claude_code, **discovery) as terminal:
        terminal.ask("/model")
        terminal.wait_for("Select model")
        for shown in ("GLM-4.5-Air 131k tokens", "small 4.1k tokens", "name:free"):
            terminal.wait_for(shown)
        terminal.choose("beta")
        terminal.wait_for("Set model to beta")
        terminal.ask("Hello.")
        terminal.wait_for("From the small one.")
    assert [call.model for call in backend.calls if call.body.get("tools")] == [SMALL]


def test_open_model_is_chosen_by_its_name(claude_code: ClaudeCode, backend: FakeBackend) -> None:
    """Observed client: asks it for one token first."""
    backend.on(SMALL).answer(*last_words("From the small one."))
    with open_terminal(claude_code) as terminal:
        terminal.ask(f"/model {SMALL}")
        terminal.wait_for("Set model to")
        terminal.ask("Hello.")
        terminal.wait_for("From the small one.")
    probe, asked = backend.calls
    assert (probe.model, probe.body["max_tokens"]) == (SMALL, 1)
    assert (asked.model, asked.body["stream"]) == (SMALL, True)


def test_unknown_name_leaves_the_model_as_it_was(
    claude_code: ClaudeCode, backend: FakeBackend
) -> None:
    """Observed client: it asks for one token first, and takes the 404 for an answer."""
    backend.on(MODEL).answer(*last_words("Still here."))
    with open_terminal(claude_code) as terminal:
        terminal.ask("/model test/nowhere")
        terminal.wait_for("not found")
        terminal.ask("Hello.")
        terminal.wait_for("Still here.")
