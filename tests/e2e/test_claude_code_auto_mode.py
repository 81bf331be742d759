"""Real Claude Code in auto mode, with and without a judge behind the gateway. Optional.

What it does depends on its telemetry too: without it, it sends no checks of its own, so that a call
that nobody judged is denied. A judge makes auto mode work in both cases.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
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
    judgements,
    own_checks,
)
from tests.e2e.claude_code import (
    MODEL,
    Session,
    fragments,
    last_words,
    needs_claude_code,
    settle,
    turn,
)
from tests.fakes.backend import FakeBackend
from tests.fakes.gateway import Gateway
from tests.fakes.judge import verdicts
from tests.fakes.replies import Gate

pytestmark = needs_claude_code


@pytest.fixture(scope="module")
def gateway(
    session_backend: FakeBackend, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    with starting(session_backend, tmp_path_factory) as start:
        gateway = start(JUDGE_SECONDS="1")
        gateway.configure(aliases=ALIASES)
        yield gateway


def work(
    gateway: Gateway, backend: FakeBackend, folder: Path, model: str, environment: dict[str, str]
) -> tuple[Session, bool]:
    """One session in auto mode, and whether its call ran."""
    backend.on(MODEL).each(agent)
    client = replace(settle(gateway, folder), permissions=("--permission-mode", "auto"))
    session = client.run("Make the file.", model=model, **environment)
    assert session.result["result"] == "Done.", session.errors
    assert NOTICE not in json.dumps(session.lines)
    return session, (client.folder / "m").exists()


def denial(session: Session) -> str:
    """What the client told its model of the call that did not run."""
    (result,) = session.blocks("user", "tool_result")
    assert result["is_error"]
    return str(result["content"])


def test_without_a_judge_the_client_checks_by_itself(
    gateway: Gateway, backend: FakeBackend, tmp_path: Path
) -> None:
    """Observed client: and shows no notice."""
    _, ran = work(gateway, backend, tmp_path, "unjudged", WITH_TELEMETRY)
    assert (ran, judgements(backend)) == (True, 0)
    assert own_checks(backend) >= 1


def test_without_a_judge_and_telemetry_the_client_denies_what_it_would_check(
    gateway: Gateway, backend: FakeBackend, tmp_path: Path
) -> None:
    """Observed client: so auto mode needs a judge there."""
    session, ran = work(gateway, backend, tmp_path, "unjudged", WITHOUT_TELEMETRY)
    assert (ran, own_checks(backend), judgements(backend)) == (False, 0, 0)
    assert "gave no verdict" in denial(session)


@TELEMETRY
def test_call_that_the_judge_passes_runs(
    gateway: Gateway, backend: FakeBackend, tmp_path: Path, environment: dict[str, str]
) -> None:
    """Observed client: without any check of its own."""
    backend.on(JUDGE).each(verdicts("not_flagged"))
    session, ran = work(gateway, backend, tmp_path, "judged", environment)
    assert (ran, own_checks(backend), judgements(backend)) == (True, 0, 1)
    session.check_smooth_end("Done.")


@TELEMETRY
def test_call_that_the_judge_flags_is_denied_with_its_reason(
    gateway: Gateway, backend: FakeBackend, tmp_path: Path, environment: dict[str, str]
) -> None:
    """Observed client: its model reads the explanation."""
    backend.on(JUDGE).each(verdicts({"outcome": "flagged", "explanation": REASON}))
    session, ran = work(gateway, backend, tmp_path, "judged", environment)
    assert (ran, own_checks(backend), judgements(backend)) == (False, 0, 1)
    assert REASON in denial(session)


@TELEMETRY
def test_silent_judge_leaves_the_check_to_the_client(
    gateway: Gateway, backend: FakeBackend, tmp_path: Path, environment: dict[str, str]
) -> None:
    """Observed client: without telemetry it denies the call and says that the check timed out."""
    backend.on(JUDGE).stream(*last_words("Too late."), before=Gate())
    session, ran = work(gateway, backend, tmp_path, "judged", environment)
    assert judgements(backend) == 1
    if environment is WITH_TELEMETRY:
        assert (ran, own_checks(backend) >= 1) == (True, True)
        return
    assert (ran, own_checks(backend)) == (False, 0)
    assert "timed out" in denial(session)


@TELEMETRY
def test_call_of_a_tool_that_reads_runs_without_a_judge(
    gateway: Gateway, backend: FakeBackend, tmp_path: Path, environment: dict[str, str]
) -> None:
    """Observed client: `skipped` leaves it to the client's own rules, which allow it."""
    (tmp_path / "notes.txt").write_text("zebra")
    read = fragments(0, "call_1", "Read", {"file_path": str(tmp_path / "notes.txt")})
    backend.on(MODEL).stream(*turn(read)).stream(*last_words("Done."))
    client = replace(settle(gateway, tmp_path), permissions=("--permission-mode", "auto"))
    session = client.run("Read the notes.", model="judged", **environment)
    session.check_smooth_end("Done.")
    assert (own_checks(backend), judgements(backend)) == (0, 0)


@TELEMETRY
def test_call_that_the_users_rule_allows_runs_without_a_judge(
    gateway: Gateway, backend: FakeBackend, tmp_path: Path, environment: dict[str, str]
) -> None:
    """Observed client: it sends its rules, and decides by them when the call is skipped."""
    touch = fragments(0, "call_1", "Bash", {"command": "mkfifo m", "description": "Make it"})
    backend.on(MODEL).stream(*turn(touch)).stream(*last_words("Done."))
    client = replace(settle(gateway, tmp_path), permissions=("--permission-mode", "auto"))
    rules = json.dumps({"permissions": {"allow": ["Bash(mkfifo:*)"]}})
    session = client.run("Make it.", "--settings", rules, model="judged", **environment)
    session.check_smooth_end("Done.")
    assert (own_checks(backend), judgements(backend)) == (0, 0)
    assert (client.folder / "m").exists()
