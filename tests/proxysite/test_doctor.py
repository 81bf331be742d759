"""`manage.py doctor` and `help` as an operator runs them, on broken things, without a gateway."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.bridge.ports import closed_port
from tests.fakes import forked
from tests.fakes.backend import FakeBackend
from tests.fakes.gateway import Gateway

SECONDS = 60.0


def manage(folder: Path, *arguments: str, **variables: str) -> tuple[int, str]:
    """The exit code of a command, and what it wrote."""
    home = {"HOME": str(folder), "PATH": "/usr/bin:/bin", "DATA_DIR": str(folder / "data")}
    done = forked.run(["manage.py", *arguments], home | variables, "", SECONDS)
    return done.returncode, done.stdout


def results(output: str) -> dict[str, Any]:
    """Subject -> grade, of a document."""
    return {each["subject"]: each["grade"] for each in json.loads(output)["results"]}


def test_good_installation_is_told_to_be_one(tmp_path: Path, backend: FakeBackend) -> None:
    code, output = manage(tmp_path, "doctor", BACKEND_URL=backend.chat_url, PORT="18947")
    assert (code, output.splitlines()[-1]) == (0, "0 problems, 0 warnings")
    assert {line.split()[0] for line in output.splitlines()[:-1]} == {"ok"}


def test_everything_that_is_away_is_told_at_once_and_no_secret_is(tmp_path: Path) -> None:
    with closed_port() as port:
        code, output = manage(
            tmp_path,
            "doctor",
            "--json",
            DATABASE_URL=f"postgres://gateway:s3cret-1@127.0.0.1:{port}/gateway",
            REDIS_URL=f"redis://:s3cret-2@127.0.0.1:{port}/0",
            BACKEND_URL=f"http://127.0.0.1:{port}/v1",
            CHUTES_API_KEY="s3cret-3",
            BREAKER_FAILURE="s3cret-4",
        )
    found = results(output)
    for subject in ("DATABASE_URL", "REDIS_URL", "backend main"):
        assert found[subject] == "problem", subject
    assert (code, found["BREAKER_FAILURE"]) == (1, "warning")
    assert "s3cret" not in output


def test_gateway_that_runs_is_recognised(gateway: Gateway) -> None:
    document = gateway.manage("doctor", "--json")
    port = [each for each in json.loads(document)["results"] if each["subject"] == "PORT"]
    assert [each["grade"] for each in port] == ["ok"]
    assert "is served by a gateway of version" in port[0]["text"]


@pytest.mark.parametrize("arguments", [(), ("help",), ("--help",)])
def test_help_begins_with_the_commands_of_the_gateway(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    _, output = manage(tmp_path, *arguments)
    own, _, of_django = output.partition("Django's:")
    assert re.search(r"^  doctor +Check settings", own, re.M)
    assert re.search(r"^  usage +\S", own, re.M)
    assert ("flush" in own, "flush" in of_django) == (False, True)


def test_own_commands_show_their_own_options(tmp_path: Path) -> None:
    _, output = manage(tmp_path, "issue_key", "--help")
    assert ("--rpm" in output, "--pythonpath" in output) == (True, False)
    _, output = manage(tmp_path, "migrate", "--help")
    assert "--pythonpath" in output
