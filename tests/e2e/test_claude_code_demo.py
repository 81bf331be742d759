"""The first path of the README: `make run`, the exports of its banner, and the real client."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import starting
from tests.e2e.claude_code import Session, needs_claude_code, settle
from tests.fakes.backend import FakeBackend
from tests.fakes.gateway import Gateway

pytestmark = needs_claude_code
ECHO = "Demo backend here: set BACKEND_URL to reach a real model. You wrote: "


@pytest.fixture(scope="module")
def unconfigured(
    session_backend: FakeBackend, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """A gateway as it is after the first `make run`."""
    with starting(session_backend, tmp_path_factory) as start:
        yield start("serve", demo=True)


def run(gateway: Gateway, folder: Path, prompt: str) -> Session:
    """The client with the variables that the banner prints, and nothing else."""
    variables = dict(re.findall(r"export (\w+)='?(.*?)'?$", gateway.log, re.MULTILINE))
    return settle(gateway, folder).run(prompt, model=variables["ANTHROPIC_MODEL"], **variables)


def test_greeting_is_answered_and_the_client_ends(unconfigured: Gateway, tmp_path: Path) -> None:
    """Observed client: its first tool starts an agent, which called the first tool, and so on."""
    session = run(unconfigured, tmp_path, "Hello there")
    session.check_smooth_end(ECHO + "Hello there")
    assert session.called == []


@pytest.mark.parametrize("tool", ["Bash", "Agent"])
def test_tool_that_the_user_names_is_called_once(
    unconfigured: Gateway, tmp_path: Path, tool: str
) -> None:
    """An agent that ends wakes the client once more: that is a second result."""
    session = run(unconfigured, tmp_path, f"use {tool}")
    assert session.code == 0
    assert {result["subtype"] for result in session.of("result")} == {"success"}
    assert session.called == [tool]
    assert session.of("result")[0]["result"].startswith("The tool answered: ")
