"""How a gateway ends: running answers first, then those that take too long, then itself."""

import http.client
import json
import os
import re
import signal
import tempfile
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import Start
from tests.fakes import books, postgres
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import finish, role, text, usage
from tests.fakes.client import KEY, MESSAGES, ask
from tests.fakes.gateway import Gateway
from tests.fakes.replies import Gate
from tests.fakes.wire import Wire, head

RESTARTING = {"type": "overloaded_error", "message": "Gateway is restarting"}
HANGING_SECONDS = 20.0
BETA = "test/beta"
SERVERS = pytest.mark.parametrize("launcher", ["serve", "uvicorn"])


@pytest.fixture
def ending(launcher: str, start_gateway: Start, backend: FakeBackend) -> Gateway:
    """A gateway that may be ended, and that waits a second for running answers."""
    return start_gateway(launcher=launcher, DRAIN_SECONDS="1")


@SERVERS
def test_running_stream_may_finish(ending: Gateway, backend: FakeBackend) -> None:
    """Ours: a restart costs nobody an answer."""
    gate = Gate()
    backend.on(ALPHA).stream(role(), text("one "), gate, text("two"), finish("stop"), usage(5, 2))
    with ending.client.stream() as stream:
        stream.events_until("content_block_delta")
        ending.process.terminate()
        gate.open()
        assert stream.message()["content"] == [{"type": "text", "text": "one two"}]
    assert ending.wait_end() == 0


@SERVERS
def test_stream_that_takes_too_long_is_told_to_come_back(
    ending: Gateway, backend: FakeBackend
) -> None:
    """Observed client: repeats on this error; silence or a cut would lose the turn."""
    gate = Gate()
    backend.on(ALPHA).stream(role(), text("one "), gate)
    with ending.client.stream() as stream:
        stream.events_until("content_block_delta")
        ending.process.terminate()
        error = stream.message()["error"]
    assert error == {"type": "overloaded_error", "message": "Gateway is restarting"}
    backend.only_call.wait_left()
    assert ending.wait_end() == 0


# --- the second signal ---------------------------------------------------------------------------

WAYS = {
    "daphne": {},
    "uvicorn": {"SERVER": "uvicorn"},
    "workers": {"SERVER": "uvicorn", "WORKERS": "2"},
}
EVERY_WAY = pytest.mark.parametrize("way", WAYS)
HINT = "at most 300 s; press Ctrl-C or send SIGTERM again to end them now"
SIGNALS = [
    ("daphne", signal.SIGTERM, signal.SIGTERM),
    pytest.param("daphne", signal.SIGINT, signal.SIGINT, marks=pytest.mark.slow),
    ("uvicorn", signal.SIGTERM, signal.SIGINT),
    ("uvicorn", signal.SIGINT, signal.SIGINT),
    ("workers", signal.SIGTERM, signal.SIGTERM),
    pytest.param("workers", signal.SIGINT, signal.SIGINT, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("way", "first", "second"), SIGNALS)
def test_second_signal_ends_at_once_and_says_so(
    way: str, first: int, second: int, start_gateway: Start, backend: FakeBackend
) -> None:
    """Observed: uvicorn ignored a second SIGTERM, and daphne cut the stream without a word."""
    gateway = start_gateway("serve", DRAIN_SECONDS="300", **WAYS[way])
    gate = Gate()
    backend.on(ALPHA).stream(role(), text("one "), Gate())
    backend.on(BETA).json({}, before=gate)
    plain = gateway.client.send("POST", MESSAGES, ask(model=BETA))
    gate.wait_reached()
    with gateway.client.stream() as stream:
        stream.events_until("content_block_delta")
        gateway.process.send_signal(first)
        gateway.wait_refusing()
        gateway.wait_log(HINT)
        gateway.process.send_signal(second)
        assert stream.message()["error"] == RESTARTING
    with closing(plain):
        answer = plain.getresponse()
        assert (answer.status, json.load(answer)["error"]) == (529, RESTARTING)
    assert gateway.wait_end() == 0
    assert sum(map(int, re.findall(r" waiting for (\d) request", gateway.log))) == 2
    ended = re.findall(r' 529 .*overloaded_error: "Gateway is restarting"', gateway.log)
    assert len(ended) == 2


@EVERY_WAY
def test_front_hears_of_the_end_before_connections_are_refused(
    way: str, start_gateway: Start, backend: FakeBackend
) -> None:
    """Observed: a front whose request meets a closed port fails it, where it has a body."""
    gateway = start_gateway("serve", DRAIN_DELAY_SECONDS="300", **WAYS[way])
    gateway.process.terminate()
    books.until(lambda: gateway.client.get("/health").status, lambda seen: seen == 503, gateway)
    assert gateway.client.messages().status == 200
    gateway.process.terminate()
    assert gateway.wait_end() == 0


# --- connections ---------------------------------------------------------------------------------


def request(connection: http.client.HTTPConnection, path: str) -> http.client.HTTPResponse:
    """One request on a connection that may be used again; the answer, read."""
    connection.request("GET", path)
    response = connection.getresponse()
    response.read()
    return response


def test_workers_take_no_connection_while_they_end(
    start_gateway: Start, backend: FakeBackend
) -> None:
    """Observed: their parent still listened, so that whoever came was accepted, and hung."""
    gateway = start_gateway("serve", DRAIN_SECONDS="300", **WAYS["workers"])
    gate = Gate()
    backend.on(ALPHA).stream(role(), text("one "), gate, text("two"), finish("stop"), usage(5, 2))
    with gateway.client.stream() as stream:
        stream.events_until("content_block_delta")
        gateway.process.terminate()
        gateway.wait_refusing()
        gate.open()
        assert stream.message()["content"] == [{"type": "text", "text": "one two"}]
    assert gateway.wait_end() == 0


@pytest.mark.parametrize("way", ["daphne", "uvicorn"])
def test_kept_connection_gets_one_more_answer(
    way: str, start_gateway: Start, backend: FakeBackend
) -> None:
    """Observed: daphne served it to the very end, as if nothing were."""
    gateway = start_gateway("serve", DRAIN_SECONDS="300", **WAYS[way])
    gate = Gate()
    backend.on(ALPHA).stream(role(), text("one "), gate, text("two"), finish("stop"), usage(5, 2))
    kept, health = (
        http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60) for _ in range(2)
    )
    for connection in (kept, health):
        assert request(connection, "/api/hello").getheader("connection") != "close"
    with gateway.client.stream() as stream:
        stream.events_until("content_block_delta")
        gateway.process.terminate()
        gateway.wait_refusing()
        answer = request(kept, "/api/hello")
        assert (answer.status, answer.getheader("connection")) == (200, "close")
        assert kept.sock is None, "kept open"
        answer = request(health, "/health")
        assert (answer.status, answer.getheader("connection")) == (503, "close")
        gate.open()
        assert stream.message()["content"] == [{"type": "text", "text": "one two"}]
    assert gateway.wait_end() == 0


@EVERY_WAY
def test_idle_connection_keeps_no_process_from_ending(way: str, start_gateway: Start) -> None:
    gateway = start_gateway("serve", DRAIN_SECONDS="300", **WAYS[way])
    with closing(http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60)) as idle:
        request(idle, "/api/hello")
        assert gateway.stop() == 0


@SERVERS
def test_upload_that_does_not_end_is_waited_for_no_longer_than_the_rest(
    ending: Gateway,
) -> None:
    """Observed: five seconds more than told, and a traceback of forty lines."""
    with Wire(ending.port) as wire:
        wire.send(head("POST", MESSAGES, content_length="1000", x_api_key=KEY) + b"{")
        ending.client.get("/api/hello")
        ending.process.terminate()
        wire.wait_closed()
    assert ending.wait_end() == 0


# --- what hangs ----------------------------------------------------------------------------------


@pytest.mark.skipif(postgres.programs() is None, reason="no PostgreSQL server")
@pytest.mark.parametrize(
    "way",
    ["daphne", *(pytest.param(way, marks=pytest.mark.slow) for way in ("uvicorn", "workers"))],
)
def test_database_that_hangs_keeps_no_process_from_ending(way: str, start_gateway: Start) -> None:
    """Observed: killed a minute after SIGTERM."""
    # Not below pytest's own folder: its parents are closed to the user that the server runs as.
    with tempfile.TemporaryDirectory() as place, postgres.serving(Path(place)) as database:
        gateway = start_gateway("serve", DATABASE_URL=database.url, DRAIN_SECONDS="1", **WAYS[way])
        with database.hanging():
            if way != "workers":  # one of them may not have come to its first configuration
                assert gateway.client.messages().status == 200
            gateway.process.terminate()
            assert gateway.process.wait(HANGING_SECONDS) == 0


def test_dead_workers_are_replaced(start_gateway: Start, backend: FakeBackend) -> None:
    """By others, which answer, and end with their parent as the first ones do."""
    gateway = start_gateway("serve", **WAYS["workers"])
    for dead in gateway.workers:
        os.kill(dead, signal.SIGKILL)
    assert gateway.client.messages().status == 200
    assert gateway.stop() == 0


def test_workers_end_with_their_parent(start_gateway: Start) -> None:
    """Observed: they went on to serve, and kept the port from the next start."""
    gateway = start_gateway("serve", DRAIN_SECONDS="1", **WAYS["workers"])
    workers = gateway.workers
    gateway.process.kill()
    gateway.wait_refusing()
    deadline = time.monotonic() + HANGING_SECONDS
    while any(Path(f"/proc/{pid}/stat").exists() and not is_zombie(pid) for pid in workers):
        assert time.monotonic() < deadline, "still there"
        time.sleep(0.05)


def is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
