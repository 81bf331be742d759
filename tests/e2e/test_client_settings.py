"""The snippets of the client settings, run as their readers run them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.client_settings.variables import ClientSetup
from bridge.pages.client_settings import curl, python_sdk, typescript_sdk
from bridge.translation.profiles import ModelFacts
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import finish, reasoning, role, text, usage
from tests.fakes.client import KEY
from tests.fakes.gateway import Gateway
from tests.grammar import check_stream, parse_sse

TS_SDK = os.environ.get("TEST_TS_SDK", "")
SECONDS = 60


@pytest.fixture
def connection(gateway: Gateway, backend: FakeBackend) -> ClientSetup:
    """A connection to the gateway, whose backend thinks and then says hello."""
    backend.on(ALPHA).answer(
        role(), reasoning("Hm."), text("Hel"), text("lo."), finish("stop"), usage(11, 3)
    )
    return ClientSetup(gateway.url, ALPHA, ModelFacts(ALPHA, max_output=500), key=KEY)


def output(command: Sequence[str | Path]) -> bytes:
    """What a program prints; it sees no variable of this shell but where programs are."""
    done = subprocess.run(
        command,
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def check_asked(backend: FakeBackend) -> None:
    call = backend.only_call
    assert call.header("authorization") == f"Bearer {KEY}"
    assert (call.body["model"], call.body["max_tokens"]) == (ALPHA, 500)
    assert call.body["messages"] == [{"role": "user", "content": "Hello"}]


def test_python_snippet_prints_the_answer(
    connection: ClientSetup, backend: FakeBackend, tmp_path: Path
) -> None:
    """Ours: what is copied works."""
    program = tmp_path / "snippet.py"
    program.write_text(python_sdk(connection))
    assert output([sys.executable, program]) == b"Hello.\n"
    check_asked(backend)


@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl here")
def test_curl_snippet_streams_the_answer(connection: ClientSetup, backend: FakeBackend) -> None:
    """Ours: what is copied works."""
    message = check_stream(parse_sse(output(["bash", "-c", curl(connection)])))
    assert [block.get("text") for block in message["content"]] == [None, "Hello."]
    check_asked(backend)


@pytest.mark.skipif(not TS_SDK, reason="TEST_TS_SDK does not name a folder with @anthropic-ai/sdk")
@pytest.mark.skipif(not shutil.which("node"), reason="there is no node here")
def test_typescript_snippet_prints_the_answer(
    connection: ClientSetup, backend: FakeBackend, tmp_path: Path
) -> None:
    """Ours: what is copied works."""
    installed = next(Path(TS_SDK).resolve().glob("**/@anthropic-ai/sdk"))
    scope = tmp_path / "node_modules" / "@anthropic-ai"
    scope.mkdir(parents=True)
    (scope / "sdk").symlink_to(installed)
    program = tmp_path / "snippet.mjs"
    program.write_text(typescript_sdk(connection))
    assert output(["node", program]) == b"Hello.\n"
    check_asked(backend)


def test_name_that_nobody_has_is_told_to_the_reader(
    connection: ClientSetup, backend: FakeBackend
) -> None:
    """Ours: the commands do not hide what the gateway answers."""
    said = output(["bash", "-c", curl(replace(connection, model="it's $HOME"))])
    assert b"it's $HOME" in said and b"not_found_error" in said
    assert backend.calls == []
