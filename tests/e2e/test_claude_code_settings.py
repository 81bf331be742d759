"""Real Claude Code with the variables of the client settings. Optional, see `claude_code.py`."""

from pathlib import Path
from typing import Any

import pytest

from bridge.client_settings.variables import ClientSetup, claude_code
from bridge.pages.client_settings import start_command
from bridge.translation.profiles import ModelFacts
from tests.e2e.claude_code import (
    MODEL,
    ClaudeCode,
    Session,
    fragments,
    last_words,
    needs_claude_code,
    settle,
    turn,
)
from tests.e2e.terminal import AS_INSTALLED, open_terminal
from tests.fakes.backend import FakeBackend
from tests.fakes.chunks import finish, role, text, usage
from tests.fakes.client import KEY
from tests.fakes.gateway import Gateway

SMALL = "test/beta"
OUTPUT = "CLAUDE_CODE_MAX_OUTPUT_TOKENS"

pytestmark = needs_claude_code


@pytest.fixture
def client(gateway: Gateway, tmp_path: Path) -> ClaudeCode:
    return settle(gateway, tmp_path)


def variables(gateway: Gateway, **facts: Any) -> dict[str, str]:
    connection = ClientSetup(gateway.url, MODEL, ModelFacts(MODEL, **facts), SMALL, KEY)
    return {variable.name: variable.value for variable in claude_code(connection)}


@pytest.mark.parametrize(
    ("asked", "served"),
    [("opus", MODEL), ("sonnet", MODEL), ("fable", MODEL), ("default", MODEL), ("haiku", SMALL)],
)
def test_names_of_its_own_lead_to_the_models(
    gateway: Gateway, client: ClaudeCode, backend: FakeBackend, asked: str, served: str
) -> None:
    """Observed client: resolves its short names by the variables; the key goes as a bearer."""
    backend.on(served).stream(*last_words("Gladly."))
    session = client.run("Hello.", model=asked, **variables(gateway, context=131072))
    session.check_smooth_end("Gladly.")
    assert backend.only_call.body["model"] == served
    assert backend.only_call.header("authorization") == f"Bearer {KEY}"


def working(backend: FakeBackend, client: ClaudeCode, tokens: int, **found: str) -> Session:
    """A session whose first turn, with a tool call, took so many tokens."""
    bash = {"command": "echo hi", "description": "Say hi"}
    called = turn(fragments(0, "call_1", "Bash", bash))[:-1]
    ended = [role(), text("Done."), finish("stop"), usage(2000, 9)]
    backend.on(MODEL).stream(*called, usage(tokens, 20)).stream(*ended).stream(*ended)
    session = client.run("Say hi.", **found)
    session.check_good_end("Done.")
    return session


def test_small_window_is_used_in_the_mode_that_asks(
    gateway: Gateway, client: ClaudeCode, backend: FakeBackend
) -> None:
    """Observed client: auto mode would run nothing, for its check of a command does not fit."""
    connection = ClientSetup(gateway.url, MODEL, ModelFacts(MODEL, context=32768), SMALL, KEY)
    program, *options = start_command(connection).split()
    assert program == "claude"
    bash = {"command": "python3 -c 'open(chr(109), chr(119))'", "description": "Make it"}
    backend.on(MODEL).stream(*turn(fragments(0, "call_1", "Bash", bash))).stream(
        *last_words("Made.")
    )
    found = AS_INSTALLED | variables(gateway, context=32768)
    with open_terminal(client, *options, **found) as terminal:
        terminal.ask("Make it.")
        terminal.wait_for("Do you want to proceed?")
        assert not (client.folder / "m").exists()
        terminal.confirm("Do you want to proceed?")
        terminal.wait_for("● Made.")
    assert (client.folder / "m").exists()


def compactions(session: Session) -> int:
    return len(session.of("system", "compact_boundary"))


def test_small_window_leaves_room_to_work(
    gateway: Gateway, client: ClaudeCode, backend: FakeBackend
) -> None:
    """Observed client: without the cap it would compact before anything was done."""
    found = variables(gateway, context=32768)
    assert found.pop(OUTPUT) == "8192"
    assert compactions(working(backend, client, 15000, **found)) == 1
    backend.reset()
    assert compactions(working(backend, client, 15000, **found, **{OUTPUT: "8192"})) == 0
    assert {call.body["max_tokens"] for call in backend.calls} == {8192}


@pytest.mark.parametrize(("context", "expected"), [(131072, 1), (None, 0)])
def test_known_window_makes_it_compact_in_time(
    gateway: Gateway,
    client: ClaudeCode,
    backend: FakeBackend,
    context: int | None,
    expected: int,
) -> None:
    """Observed client: else it waits for a million tokens."""
    session = working(backend, client, 120000, **variables(gateway, context=context))
    assert compactions(session) == expected
