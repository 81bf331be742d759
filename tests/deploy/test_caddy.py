"""The real Caddyfile in a real Caddy, in front of the real gateway and the scriptable backend.

What the front must not do: hold a stream back, hide that a client has left, cut an answer when it
is stopped, or answer in a form that Claude clients do not understand. The backend waits at a gate
that only the test opens, so what has arrived before that moment cannot have been buffered.
"""

import json
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.caddy_front import CADDYFILE, SEVERAL, WAIT_SECONDS, Front, caddy, environment
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import finish, text, usage
from tests.fakes.client import MESSAGES, ask, leave, text_of
from tests.fakes.gateway import Gateway
from tests.fakes.replies import Gate


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


class ComesBack(BaseHTTPRequestHandler):
    """A gateway that hangs up twice, and then serves."""

    before = 2

    def do_GET(self) -> None:
        if ComesBack.before:
            ComesBack.before -= 1
            self.close_connection = True
            return
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


def test_page_waits_for_a_gateway_that_restarts(tmp_path: Path) -> None:
    """As the file says; what has a body cannot be sent again by every release."""
    with HTTPServer(("127.0.0.1", 0), ComesBack) as server:
        serving = threading.Thread(target=server.serve_forever, args=[0.01])
        serving.start()
        with Front(tmp_path, f"127.0.0.1:{server.server_port}") as front:
            answer = front.client.get("/admin/")
        server.shutdown()
        serving.join()
    assert (answer.status, ComesBack.before) == (200, 0)


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


@pytest.mark.parametrize("path", [CADDYFILE, SEVERAL], ids=["one", "several"])
def test_the_caddyfile_has_caddys_own_format(path: Path) -> None:
    result = subprocess.run([caddy(), "fmt", str(path)], capture_output=True, check=False)
    assert result.stdout == path.read_bytes()


def test_the_files_for_one_and_for_several_differ_in_nothing_else() -> None:
    """What holds for the one in the tests of this module holds for the other."""
    one, several = (path.read_text().splitlines() for path in (CADDYFILE, SEVERAL))
    own = {line.split()[0] for line in several if line.strip() and line not in one}
    assert own - {"#"} == {
        "lb_policy",
        "health_uri",
        "health_interval",
        "health_timeout",
        "reverse_proxy",
    }
