"""The real Caddyfile in a real Caddy, in front of the real gateway and the scriptable backend.

What the front must not do: hold a stream back, hide that a client has left, cut an answer when it
is stopped, or answer in a form that Claude clients do not understand. The backend waits at a gate
that only the test opens, so what has arrived before that moment cannot have been buffered.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import finish, text, usage
from tests.fakes.client import MESSAGES, RawClient, ask, leave, text_of
from tests.fakes.gateway import Gateway
from tests.fakes.ports import reserve_port
from tests.fakes.replies import Gate

CADDYFILE = Path(__file__).resolve().parents[2] / "deploy" / "Caddyfile"
WAIT_SECONDS = 60.0


def caddy() -> str:
    """Caddy from this environment or from the system; skips the test where there is none."""
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    path = shutil.which("caddy", path=places)
    if path is None:
        pytest.skip("caddy is not installed (package `caddy` in Debian)")
    return path


def environment(home: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """Caddy keeps certificates and its last configuration below HOME."""
    return {"PATH": os.environ["PATH"], "HOME": str(home), **variables}


class Front:
    """A running Caddy; `client` talks through it."""

    def __init__(self, home: Path, upstream: str) -> None:
        port = reserve_port()
        self.client = RawClient(f"http://127.0.0.1:{port}")
        self._log: list[str] = []
        self._logged = threading.Condition()
        self.process = subprocess.Popen(
            [caddy(), "run", "--config", str(CADDYFILE), "--adapter", "caddyfile"],
            env=environment(
                home, {"CADDY_DOMAIN": f"http://127.0.0.1:{port}", "CADDY_UPSTREAM": upstream}
            ),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()

    def wait_logged(self, words: str) -> None:
        """Return once Caddy has said this."""
        with self._logged:
            said = self._logged.wait_for(
                lambda: any(words in line for line in self._log), WAIT_SECONDS
            )
        assert said, "".join(self._log)

    def stop(self) -> int:
        self.process.terminate()
        try:
            return self.process.wait(WAIT_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait(WAIT_SECONDS)

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._logged:
                self._log.append(line)
                self._logged.notify_all()

    def __enter__(self) -> Self:
        self.wait_logged("serving initial configuration")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        self._reader.join(WAIT_SECONDS)
        assert self.process.stderr is not None
        self.process.stderr.close()


@pytest.fixture
def front(gateway: Gateway, tmp_path: Path) -> Iterator[Front]:
    with Front(tmp_path, f"127.0.0.1:{gateway.port}") as running:
        yield running


def test_a_streamed_answer_comes_through_caddy_chunk_by_chunk(
    front: Front, backend: FakeBackend
) -> None:
    first, second = Gate(), Gate()
    backend.on(ALPHA).stream(
        text("One "), first, text("two "), second, text("three"), finish("stop"), usage(3, 3)
    )
    with front.client.stream() as stream:
        assert text_of(stream.events_until("content_block_delta")) == "One "
        first.open()
        assert text_of(stream.events_until("content_block_delta")) == "two "
        second.open()
        assert text_of(stream.rest()) == "three"
        assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"


def test_a_client_that_leaves_a_stream_ends_it_behind_caddy(
    front: Front, backend: FakeBackend
) -> None:
    """Ours: nothing is generated for nobody, and the front must not hide that nobody listens."""
    backend.on(ALPHA).stream(text("One "), Gate(), text("two"), finish("stop"))
    with front.client.stream() as stream:
        stream.events_until("content_block_delta")
        stream.leave()
        backend.only_call.wait_left()


def test_a_client_that_leaves_a_plain_answer_ends_it_behind_caddy(
    front: Front, backend: FakeBackend
) -> None:
    """Caddy 2.6 was seen to fail this one, and the one before, with `flush_interval -1`."""
    backend.on(ALPHA).json({}, before=Gate())
    connection = front.client.send("POST", MESSAGES, ask())
    backend.wait_for_calls()
    leave(connection)
    backend.only_call.wait_left()


def test_a_stopping_caddy_lets_a_running_answer_finish(front: Front, backend: FakeBackend) -> None:
    gate = Gate()
    backend.on(ALPHA).stream(text("One "), gate, text("two"), finish("stop"), usage(3, 2))
    with front.client.stream() as stream:
        stream.events_until("content_block_delta")
        front.process.terminate()
        front.wait_logged("SIGTERM")
        gate.open()
        assert text_of(stream.rest()) == "two"
    assert front.process.wait(WAIT_SECONDS) == 0


def test_limits_are_those_of_the_gateway(adapted: Callable[..., Any]) -> None:
    """Without them endless bodies pass, and half a header block is held."""
    (server,) = adapted().values()
    assert (server["max_header_bytes"], server["read_header_timeout"]) == (64_000, 30 * 10**9)
    assert "read_timeout" not in server
    assert '"max_size": 33554432' in json.dumps(server)


@pytest.fixture
def mute_upstream() -> Iterator[str]:
    """A server that takes connections and closes each one without an answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_hang_up_on_everyone, args=[server])
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join(WAIT_SECONDS)


def _hang_up_on_everyone(server: socket.socket) -> None:
    while True:
        try:
            server.accept()[0].close()
        except OSError:
            return


def test_an_error_of_caddy_itself_has_the_form_of_the_api(
    mute_upstream: str, tmp_path: Path
) -> None:
    """Documented: clients read `error.message` of an envelope, whatever stands before the API."""
    with Front(tmp_path, mute_upstream) as front:
        reply = front.client.messages()
    assert (reply.status, reply.headers["content-type"]) == (502, "application/json")
    assert reply.json["type"] == "error"
    assert reply.json["error"]["type"] == "api_error"


@pytest.fixture
def adapted(tmp_path: Path) -> Callable[..., Any]:
    """The HTTP servers that the Caddyfile describes in this environment."""

    def adapt(**variables: str) -> Any:
        result = subprocess.run(
            [caddy(), "adapt", "--validate", "--config", str(CADDYFILE), "--adapter", "caddyfile"],
            env=environment(tmp_path, variables),
            capture_output=True,
            timeout=WAIT_SECONDS,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)["apps"]["http"]["servers"]

    return adapt


def test_without_a_domain_caddy_listens_on_port_80_only(adapted: Callable[..., Any]) -> None:
    (server,) = adapted().values()
    assert server["listen"] == [":80"]
    assert '"dial": "proxy:8080"' in json.dumps(server)


def test_with_a_domain_caddy_serves_https_for_it(adapted: Callable[..., Any]) -> None:
    (server,) = adapted(CADDY_DOMAIN="claude.example.org").values()
    assert server["listen"] == [":443"]
    assert server["routes"][0]["match"] == [{"host": ["claude.example.org"]}]


def test_the_caddyfile_has_caddys_own_format() -> None:
    result = subprocess.run([caddy(), "fmt", str(CADDYFILE)], capture_output=True, check=False)
    assert result.stdout == CADDYFILE.read_bytes()
