"""Connections: what a peer may hold open, how long, and how much of it, on every server."""

import json
import os
import resource
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Start
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import finish, text, usage
from tests.fakes.client import KEY, MESSAGES, ask, leave
from tests.fakes.gateway import Gateway
from tests.fakes.wire import Wire, head

SERVERS = pytest.mark.parametrize(
    "launcher", [pytest.param("daphne", marks=pytest.mark.slow), "serve", "uvicorn"]
)
"""By itself and as the product starts it, daphne takes connections alike."""
KIB = 1024
LARGE = 64 * KIB

Served = Callable[[str], Gateway]


@pytest.fixture(scope="module")
def servers() -> dict[str, Gateway]:
    return {}


@pytest.fixture
def served(launch_gateway: Start, servers: dict[str, Gateway], backend: FakeBackend) -> Served:
    """A gateway with short times, one process per launcher for this file."""

    def serve(launcher: str) -> Gateway:
        if launcher not in servers:
            servers[launcher] = launch_gateway(
                launcher, HEADER_TIMEOUT="0.5", BODY_IDLE_TIMEOUT="0.5", WRITE_TIMEOUT="1"
            )
        return servers[launcher]

    return serve


# --- header blocks ---


@SERVERS
def test_header_block_above_64_kib_is_a_431(served: Served, launcher: str) -> None:
    with Wire(served(launcher).port) as wire:
        wire.send(head("GET", "/health", x_large="x" * LARGE))
        answer = wire.answer()
        assert (answer.status, answer.reason) == (431, "Request Header Fields Too Large")
        assert wire.error["type"] == "invalid_request_error" and "65536" in wire.error["message"]
        wire.wait_closed()


@SERVERS
@pytest.mark.parametrize("start", [b"GET /", b"GET / HTTP/1.1\r\nx-large: ", b"GET / HTTP/1.1\r\n"])
def test_header_block_without_end_is_cut_off(served: Served, launcher: str, start: bytes) -> None:
    """Uvicorn reads on without end, in quadratic time."""
    line = b"a: b\r\n" if start.endswith(b"\n") else b"x"
    with Wire(served(launcher).port) as wire:
        wire.send(start)
        assert wire.send_until_refused(line * 10_000, 64 * KIB * KIB) < 64 * KIB * KIB
    assert served(launcher).client.get("/health").status == 200


@SERVERS
def test_header_block_just_below_the_limit_is_read(served: Served, launcher: str) -> None:
    with Wire(served(launcher).port) as wire:
        wire.send(head("GET", "/health", **{f"x_{i}": "x" * 1000 for i in range(60)}))
        assert wire.answer("GET").status == 200


@SERVERS
def test_malformed_request_is_a_400_in_the_envelope(served: Served, launcher: str) -> None:
    with Wire(served(launcher).port) as wire:
        wire.send(b"nonsense\r\n\r\n")
        assert wire.answer().status == 400
        assert wire.error["type"] == "invalid_request_error"


# --- times ---


@SERVERS
@pytest.mark.parametrize("start", [b"", b"GET /health HTTP/1.1\r\nhost: a"], ids=["silent", "half"])
def test_header_block_that_does_not_come_is_not_waited_for(
    served: Served, launcher: str, start: bytes
) -> None:
    """Else half requests are held for ever."""
    with Wire(served(launcher).port) as wire:
        wire.send(start)
        wire.wait_closed()


@SERVERS
def test_kept_connection_has_the_time_for_each_request_anew(served: Served, launcher: str) -> None:
    with Wire(served(launcher).port) as wire:
        for _ in range(3):
            wire.send(head("GET", "/health"))
            assert wire.answer("GET").status == 200
        wire.send(b"GET /health HTTP/1.1\r\n")
        wire.wait_closed()


@SERVERS
def test_body_that_stops_coming_is_a_408(served: Served, launcher: str) -> None:
    with Wire(served(launcher).port) as wire:
        wire.send(head("POST", MESSAGES, x_api_key=KEY, content_length="1000") + b"{")
        answer = wire.answer()
        assert (answer.status, answer.headers["connection"]) == (408, "close")
        assert "BODY_IDLE_TIMEOUT" in wire.error["message"]
        wire.close()


@SERVERS
def test_reader_that_stops_reading_stops_the_backend_and_is_left(
    served: Served, launcher: str, backend: FakeBackend
) -> None:
    """Daphne by itself takes all of it into memory and counts the request as finished."""
    piece = text("x" * 8000)
    backend.on(ALPHA).stream(*[piece] * 4000, finish("stop"), usage(1, 1))
    gateway = served(launcher)
    before = memory(gateway)
    with Wire(gateway.port, lazy=True) as wire:
        body = encoded(stream=True)
        wire.send(head("POST", MESSAGES, x_api_key=KEY, content_length=str(len(body))) + body)
        assert wire.first_line() == b"HTTP/1.1 200 OK\r\n"
        backend.only_call.wait_left()
        assert memory(gateway) - before < 8 * KIB * KIB


@SERVERS
def test_slow_reader_gets_all_of_a_long_answer(
    served: Served, launcher: str, backend: FakeBackend
) -> None:
    """Back-pressure holds an answer up and loses nothing of it."""
    backend.on(ALPHA).stream(*[text("x" * 8000)] * 300, finish("stop"), usage(1, 1))
    with served(launcher).client.stream() as stream:
        assert len(stream.message()["content"][0]["text"]) == 300 * 8000


def memory(gateway: Gateway) -> int:
    """Bytes that the process holds in memory."""
    with open(f"/proc/{gateway.process.pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def encoded(**fields: Any) -> bytes:
    return json.dumps(ask(**fields)).encode()


# --- how many ---


@SERVERS
def test_connections_above_the_limit_are_refused_until_one_closes(
    start_gateway: Start, launcher: str
) -> None:
    gateway = start_gateway(launcher, MAX_CONNECTIONS="3")
    held = [Wire(gateway.port) for _ in range(3)]
    refused = gateway.client.get("/health")
    assert (refused.status, refused.json["error"]["type"]) == (529, "overloaded_error")
    assert "MAX_CONNECTIONS" in refused.json["error"]["message"]
    assert refused.headers["retry-after"] == "1"
    for wire in held:
        wire.close()
    while gateway.client.get("/health").status == 529:
        pass


@SERVERS
def test_idle_connections_leave_files_for_the_way_to_the_backend(
    start_gateway: Start, launcher: str, backend: FakeBackend
) -> None:
    """Without files every backend seems dead, and its breaker opens."""
    gateway = start_gateway(launcher)
    body = encoded()
    with Wire(gateway.port) as first:
        resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE, (170, 170))
        idle = [Wire(gateway.port) for _ in range(200)]
        first.send(head("POST", MESSAGES, x_api_key=KEY, content_length=str(len(body))) + body)
        assert first.answer().status == 200
        for wire in idle:
            wire.close()
    while (answer := gateway.client.get("/health")).status == 529:
        pass
    assert answer.json["status"] == "ok"
    assert "Too many open files" not in gateway.log


@SERVERS
def test_connections_of_one_address_do_not_keep_out_another(
    start_gateway: Start, launcher: str
) -> None:
    gateway = start_gateway(launcher, MAX_CONNECTIONS_PER_ADDRESS="3")
    held = [Wire(gateway.port, source="127.0.0.2") for _ in range(3)]
    with Wire(gateway.port, source="127.0.0.2") as wire:
        assert wire.answer().status == 529
        assert "MAX_CONNECTIONS_PER_ADDRESS" in wire.error["message"]
    assert gateway.client.get("/health").status == 200
    for wire in held:
        wire.close()


@SERVERS
def test_answered_and_left_requests_give_their_place_back(
    start_gateway: Start, launcher: str, backend: FakeBackend
) -> None:
    """Of every kind: more of each than there are places."""
    gateway = start_gateway(launcher, MAX_CONNECTIONS="4")
    for _ in range(5):
        assert gateway.client.messages().status == 200
        assert gateway.client.post("/nowhere", {"a": 1}).status == 404
        leave(gateway.client.send("POST", MESSAGES, ask()))
        with Wire(gateway.port) as wire:
            wire.send(socket_upgrade())
            wire.first_line()
    while gateway.client.get("/health").status == 529:
        pass


def socket_upgrade() -> bytes:
    return head(
        "GET",
        "/dashboard/live/socket/",
        connection="upgrade",
        upgrade="websocket",
        sec_websocket_version="13",
        sec_websocket_key="dGhlIHNhbXBsZSBub25jZQ==",
    )


@SERVERS
@pytest.mark.parametrize("protocol", ["h2c", "websocket"])
def test_wish_for_another_protocol_behind_which_a_body_comes_is_ignored(
    served: Served, launcher: str, protocol: str
) -> None:
    """Java's client wishes for h2c with every request. On uvicorn such a body was lost, and one
    that wished for a websocket held its connection for ever, without a key."""
    body = json.dumps(ask()).encode()
    wish = {"connection": "upgrade", "upgrade": protocol, "sec_websocket_key": "dGhl"}
    sized = head("POST", MESSAGES, x_api_key=KEY, content_length=str(len(body)), **wish) + body
    chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    chunked = head("POST", MESSAGES, x_api_key=KEY, transfer_encoding="chunked", **wish) + chunk
    with Wire(served(launcher).port) as wire:
        for request in (sized, chunked, sized):
            wire.send(request)
            assert wire.answer().status == 200
        wire.send(head("POST", MESSAGES, x_api_key=KEY, content_length="0", **wish))
        assert wire.answer().status in (400, 405)


# --- status lines ---


@SERVERS
@pytest.mark.parametrize(("status", "phrase"), [(429, "Too Many Requests"), (529, "Overloaded")])
def test_status_lines_have_their_phrases(
    served: Served, launcher: str, backend: FakeBackend, status: int, phrase: str
) -> None:
    """Daphne and uvicorn know none for one or both. H11."""
    backend.on(ALPHA).error(status if status == 429 else 503)
    backend.on(ALPHA).error(status if status == 429 else 503)
    with Wire(served(launcher).port) as wire:
        body = encoded()
        wire.send(head("POST", MESSAGES, x_api_key=KEY, content_length=str(len(body))) + body)
        answer = wire.answer()
        assert (answer.status, answer.reason) == (status, phrase)
