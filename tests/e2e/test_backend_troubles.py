"""Backends in trouble, and a gateway in trouble of its own: on both servers, in two processes."""

from __future__ import annotations

import gzip
import http.client
import json
import re
import resource
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.bridge.ports import closed_port, deaf_port
from tests.conftest import Start
from tests.fakes.backend import ALPHA, HELLO, MODELS, FakeBackend
from tests.fakes.chunks import role, text
from tests.fakes.client import KEY, ask
from tests.fakes.gateway import Gateway
from tests.fakes.replies import fixed

SERVERS = pytest.mark.parametrize("launcher", ["serve", "uvicorn"])
LARGE = pytest.mark.parametrize(
    "launcher", ["serve", pytest.param("uvicorn", marks=pytest.mark.slow)]
)
"""What a backend sends is unpacked before any server sees it."""
WAIT = 25.0
MEMORY = 400 * 1024
"""KiB that a process may ever have taken."""
GZIP_HEADER = b"\x1f\x8b\x08" + bytes(7)
Pair = tuple[Gateway, Gateway]


def until(happened: Callable[..., bool], gateway: Gateway) -> None:
    """Wait for a condition, with a deadline."""
    deadline = time.monotonic() + WAIT
    while not happened():
        assert time.monotonic() < deadline, gateway.tail()
        time.sleep(0.05)


def peak(gateway: Gateway) -> int:
    """The most memory that the process has had, in KiB."""
    status = Path(f"/proc/{gateway.process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+)", status)
    assert found is not None
    return int(found[1])


def state(gateway: Gateway, name: str = "main") -> Any:
    return gateway.client.get("/health").json["backends"][name]


@pytest.fixture
def pair(start_gateway: Start, tmp_path: Path) -> Pair:
    """Two servers of their own folders, on one database."""
    shared = {
        "DATABASE_URL": f"sqlite:///{tmp_path / 'shared.sqlite3'}",
        "BACKEND_CONNECT_TIMEOUT": "1",
        "BREAKER_SECONDS": "300",
        "LOG_FORMAT": "json",
    }
    return start_gateway("serve", **shared), start_gateway("uvicorn", **shared)


# --- replies that would not fit -----------------------------------------------------------------


@cache
def zeros(megabytes: int) -> bytes:
    """So many, compressed: blocks that need nothing of what stands before them, all alike."""
    megabyte = b"\0" * 1_000_000
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = packer.compress(megabyte) + packer.flush(zlib.Z_FULL_FLUSH)
    last = packer.flush(zlib.Z_FINISH)
    checksum = 0
    for _ in range(megabytes):
        checksum = zlib.crc32(megabyte, checksum)
    trailer = struct.pack("<LL", checksum, megabytes * len(megabyte))
    return GZIP_HEADER + block * megabytes + last + trailer


def test_what_unpacks_to_gigabytes_is_sound() -> None:
    """Or it would be refused for what is wrong with it."""
    assert gzip.decompress(zeros(3)) == b"\0" * 3_000_000


@LARGE
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_reply_in_nested_encodings_is_refused(
    start_gateway: Start, backend: FakeBackend, launcher: str, stream: bool
) -> None:
    """Observed: three kilobytes became four gigabytes."""
    gateway = start_gateway(launcher)
    bomb = gzip.compress(zeros(200), 9)
    headers = {"content-encoding": "gzip, gzip"}
    backend.on(ALPHA).each(lambda _: fixed(bomb, "application/json", headers=headers))
    response = gateway.client.messages(stream=stream)
    assert response.status == 502
    assert response.json["error"]["message"] == "Backend returned an unreadable reply"
    assert "nested content encodings" in gateway.log
    assert peak(gateway) < MEMORY


@LARGE
def test_reply_that_unpacks_to_gigabytes_is_refused(
    start_gateway: Start, backend: FakeBackend, launcher: str
) -> None:
    gateway = start_gateway(launcher)
    headers = {"content-encoding": "gzip"}
    backend.on(ALPHA).each(lambda _: fixed(zeros(300), "application/json", headers=headers))
    response = gateway.client.messages()
    assert response.status == 502
    assert peak(gateway) < MEMORY


@LARGE
def test_stream_without_end_for_a_plain_request_is_cut(
    start_gateway: Start, backend: FakeBackend, launcher: str
) -> None:
    """Observed: everything was collected until BACKEND_TIMEOUT, at 78 MB a second."""
    gateway = start_gateway(launcher)
    backend.on(ALPHA).stream(role(), *[text("x" * 1_000_000)] * 80)
    response = gateway.client.messages()
    assert response.status == 502
    assert response.json["error"]["message"] == "Backend sent a reply that is too large"
    assert peak(gateway) < MEMORY


# --- a gateway without file descriptors ---------------------------------------------------------


@contextmanager
def no_descriptors(gateway: Gateway) -> Iterator[None]:
    """The process can open nothing more."""
    pid = gateway.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


@SERVERS
def test_gateway_without_descriptors_blames_no_backend(
    start_gateway: Start, backend: FakeBackend, launcher: str
) -> None:
    """Observed: a client that held many connections opened the breaker for everybody."""
    gateway = start_gateway(launcher)
    backend.on(ALPHA).answer(*HELLO).close_behind()
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=WAIT)

    def send() -> tuple[int, Any]:
        headers = {"x-api-key": KEY, "content-type": "application/json"}
        connection.request("POST", "/v1/messages", json.dumps(ask()).encode(), headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())

    assert send()[0] == 200
    with no_descriptors(gateway):
        answers = [send() for _ in range(7)]
    for status, body in answers:
        assert status == 529
        assert body["error"]["message"].endswith(": Too many open files")
    assert state(gateway)["circuit_breaker"] == "closed"
    assert state(gateway)["consecutive_failures"] == 0
    assert send()[0] == 200
    assert "shortage on the gateway's machine: Too many open files" in gateway.log
    connection.close()


# --- two processes ------------------------------------------------------------------------------


def test_corrected_address_is_used_at_once_by_both(pair: Pair, backend: FakeBackend) -> None:
    """Observed: 529 for half a minute after a typo was mended."""
    one, two = pair
    models = [{"pattern": "fast", "targets": [{"backend": "typo", "model": ALPHA}]}]
    with closed_port() as port:
        wrong = {"name": "typo", "url": f"http://127.0.0.1:{port}/v1"}
        one.configure(backends=[wrong], aliases=models)
        for _ in range(5):
            assert one.client.messages(model="fast").status == 502
        for gateway in pair:
            until(lambda g=gateway: state(g, "typo")["circuit_breaker"] == "open", gateway)
    one.configure(backends=[wrong | {"url": f"{backend.base_url}/v1"}])
    for gateway in pair:
        until(lambda g=gateway: state(g, "typo")["circuit_breaker"] == "closed", gateway)
        assert gateway.client.messages(model="fast").status == 200
        assert state(gateway, "typo")["consecutive_failures"] == 0


def test_rest_after_a_429_is_kept_by_both(
    pair: Pair, backend: FakeBackend, spare: FakeBackend
) -> None:
    one, two = pair
    targets = [
        {"backend": "main", "model": ALPHA},
        {"backend": "spare", "model": ALPHA, "position": 1},
    ]
    one.configure(
        backends=[{"name": "spare", "url": f"{spare.base_url}/v1", "position": 1}],
        aliases=[{"pattern": "fast", "targets": targets}],
    )
    until(lambda: "spare" in two.client.get("/health").json["backends"], two)
    until(lambda: "fast" in two.names(), two)
    backend.on(ALPHA).error(429, "slow down", {"retry-after": "600"})
    assert one.client.messages(model="fast").status == 200
    until(lambda: two.client.messages(model="fast").status == 200 and rests(two), two)
    calls = len(backend.calls)
    for gateway in pair:
        assert gateway.client.messages(model="fast").status == 200
    assert len(backend.calls) == calls


def rests(gateway: Gateway) -> bool:
    """Whether its last request passed the first backend over."""
    return any("main: asked to wait for" in step for step in gateway.last_record()["route"])


def test_host_that_swallows_packets_is_known_to_both(pair: Pair, backend: FakeBackend) -> None:
    """Discovery is the first to notice; no request waits for the host, and every page says so."""
    one, two = pair
    targets = [
        {"backend": "hole", "model": ALPHA},
        {"backend": "main", "model": ALPHA, "position": 1},
    ]
    with deaf_port() as port:
        one.configure(
            backends=[{"name": "hole", "url": f"http://127.0.0.1:{port}/v1"}],
            aliases=[{"pattern": "fast", "targets": targets}],
        )
        for gateway in pair:
            until(lambda g=gateway: "hole" in g.client.get("/health").json["backends"], gateway)
            until(lambda g=gateway: state(g, "hole")["state"] == "unreachable", gateway)
            assert gateway.client.messages(model="fast").status == 200
            assert gateway.last_record()["attempts"] == 1
            assert "no answer to the connection attempt" in gateway.log


def test_key_of_a_caller_is_shown_where_its_request_goes(
    start_gateway: Start, backend: FakeBackend, spare: FakeBackend
) -> None:
    """Observed: every backend whose list needs a key got the first caller's."""
    spare.route("GET", MODELS).error(401, "no key")
    gateway = start_gateway()
    gateway.configure(backends=[{"name": "spare", "url": f"{spare.base_url}/v1", "position": 1}])
    until(lambda: spare.requests_for(MODELS) != [], gateway)
    assert gateway.client.messages().status == 200
    assert gateway.client.get("/v1/models").status == 200
    assert {call.header("authorization") for call in spare.requests} == {None}
    assert {call.header("x-api-key") for call in spare.requests} == {None}
