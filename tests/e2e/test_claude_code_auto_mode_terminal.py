"""Real Claude Code in auto mode in a terminal: what runs, and what its user reads. Optional.

Auto mode is what the terminal starts in, so nothing here asks for it.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import starting
from tests.e2e.auto_mode import (
    ALIASES,
    JUDGE,
    NOTICE,
    REASON,
    TELEMETRY,
    WITH_TELEMETRY,
    WITHOUT_TELEMETRY,
    agent,
    is_check,
    judgements,
    own_checks,
)
from tests.e2e.claude_code import MODEL, last_words, needs_claude_code, settle
from tests.e2e.terminal import open_terminal
from tests.fakes.backend import FakeBackend
from tests.fakes.chunks import Json
from tests.fakes.gateway import Gateway
from tests.fakes.judge import verdicts
from tests.fakes.replies import Call, Gate, Reply, fixed

pytestmark = needs_claude_code

CANNOT_CHECK = "Auto mode can't check actions in this session"
OVERFLOW = json.dumps(
    {
        "error": {
            "code": 400,
            "message": "request (36300 tokens) exceeds the available context size (32768 tokens), "
            "try increasing it",
            "type": "exceed_context_size_error",
            "n_prompt_tokens": 36300,
            "n_ctx": 32768,
        }
    }
).encode()
NO_ANSWER = "auto mode's check had no usable answer"


@pytest.fixture(scope="module")
def gateway(
    session_backend: FakeBackend, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    with starting(session_backend, tmp_path_factory) as start:
        gateway = start(JUDGE_SECONDS="1")
        gateway.configure(aliases=ALIASES)
        yield gateway


def work(
    gateway: Gateway,
    backend: FakeBackend,
    folder: Path,
    model: str,
    environment: dict[str, str],
    shown: str,
) -> bool:
    """One session whose user reads this at its end; whether its call ran."""
    backend.on(MODEL).each(agent)
    client = settle(gateway, folder)
    with open_terminal(client, model=model, **environment) as terminal:
        terminal.ask("Make the file.")
        terminal.wait_for("● Done.")
        terminal.wait_for(shown)
        assert terminal.screen.holds("auto mode on")
        assert not terminal.screen.holds(NOTICE)
        assert not terminal.screen.holds(CANNOT_CHECK)
    return (client.folder / "m").exists()


@TELEMETRY
def test_call_that_the_judge_passes_runs(
    gateway: Gateway, backend: FakeBackend, tmp_path: Path, environment: dict[str, str]
) -> None:
    """Observed client: without any check of its own."""
    backend.on(JUDGE).each(verdicts("not_flagged"))
    shown = "Allowed by auto mode" if environment is WITH_TELEMETRY else "Ran 1 shell command"
    assert work(gateway, backend, tmp_path, "judged", environment, shown)
    assert (own_checks(backend), judgements(backend)) == (0, 1)


@TELEMETRY
def test_call_that_the_judge_flags_is_blocked_and_its_reason_is_shown(
    gateway: Gateway, backend: FakeBackend, tmp_path: Path, environment: dict[str, str]
) -> None:
    """Observed client: the judge's words stand below the call."""
    backend.on(JUDGE).each(verdicts({"outcome": "flagged", "explanation": REASON}))
    shown = f"Auto mode: {REASON}"
    assert not work(gateway, backend, tmp_path, "judged", environment, shown)
    assert (own_checks(backend), judgements(backend)) == (0, 1)


def test_without_a_judge_the_client_checks_by_itself(
    gateway: Gateway, backend: FakeBackend, tmp_path: Path
) -> None:
    """Observed client: and shows no notice."""
    shown = "Allowed by auto mode"
    assert work(gateway, backend, tmp_path, "unjudged", WITH_TELEMETRY, shown)
    assert own_checks(backend) >= 1
    assert judgements(backend) == 0


def test_without_a_judge_and_telemetry_the_call_does_not_run(
    gateway: Gateway, backend: FakeBackend, tmp_path: Path
) -> None:
    """Observed client: and its user reads why."""
    assert not work(gateway, backend, tmp_path, "unjudged", WITHOUT_TELEMETRY, NO_ANSWER)
    assert (own_checks(backend), judgements(backend)) == (0, 0)


@TELEMETRY
def test_silent_judge_leaves_the_check_to_the_client(
    gateway: Gateway, backend: FakeBackend, tmp_path: Path, environment: dict[str, str]
) -> None:
    """Observed client: without telemetry it has no check of its own."""
    backend.on(JUDGE).stream(*last_words("Too late."), before=Gate())
    checks = environment is WITH_TELEMETRY
    shown = "Allowed by auto mode" if checks else NO_ANSWER
    assert work(gateway, backend, tmp_path, "judged", environment, shown) is checks
    assert (own_checks(backend) >= 1) is checks
    assert judgements(backend) == 1


def test_check_that_does_not_fit_the_window_leaves_the_call_unrun(
    gateway: Gateway, backend: FakeBackend, tmp_path: Path
) -> None:
    """Observed client: with telemetry, in a small window. It compacts again and again as well."""

    def small(call: Call) -> list[Json] | Reply:
        return fixed(OVERFLOW, "application/json", 400) if is_check(call) else agent(call)

    backend.on(MODEL).each(small)
    client = settle(gateway, tmp_path)
    with open_terminal(client, model="unjudged", **WITH_TELEMETRY) as terminal:
        terminal.ask("Make the file.")
        terminal.wait_for(NO_ANSWER)
    assert not (client.folder / "m").exists()


@TELEMETRY
def test_without_an_answer_to_auto_mode_the_user_is_stopped(
    gateway: Gateway, backend: FakeBackend, tmp_path: Path, environment: dict[str, str]
) -> None:
    """The control, `SAFEGUARDS=off`: what the user would read without the gateway's answer."""
    backend.on(MODEL).each(agent)
    with open_terminal(settle(gateway, tmp_path), model="off", **environment) as terminal:
        terminal.ask("Make the file.")
        if environment is WITH_TELEMETRY:
            terminal.wait_for(NOTICE)
            terminal.confirm("Enter to continue · Esc to cancel")
            terminal.wait_for("Allowed by auto mode")
        else:
            terminal.wait_for(CANNOT_CHECK)
            terminal.confirm("Enter to stay in auto mode")
            terminal.wait_for("so this one needs your approval")
