"""Bodies of requests: nobody's is read before there is a key, and none lands in a file."""

import json
from pathlib import Path

import pytest

from tests.conftest import Start
from tests.fakes.backend import FakeBackend
from tests.fakes.client import KEY, MESSAGES, ask
from tests.fakes.gateway import Gateway
from tests.fakes.wire import Wire, head

SERVERS = pytest.mark.parametrize("launcher", ["daphne", "uvicorn"])
COUNT = "/v1/messages/count_tokens"
ENDLESS = str(100 * 1024**3)
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def servers() -> dict[str, Gateway]:
    return {}


@pytest.fixture
def port(
    launcher: str, launch_gateway: Start, servers: dict[str, Gateway], backend: FakeBackend
) -> int:
    """Where a gateway listens; one process per server for this file."""
    if launcher not in servers:
        servers[launcher] = launch_gateway(launcher)
    return servers[launcher].port


def message() -> bytes:
    return json.dumps(ask()).encode()


@SERVERS
@pytest.mark.parametrize(
    ("method", "path", "key", "status"),
    [
        ("POST", MESSAGES, "", 401),
        ("POST", COUNT, "", 401),
        ("POST", MESSAGES, "gwk_unknown", 401),
        ("POST", COUNT, "gwk_unknown", 401),
        ("POST", "/nowhere", KEY, 404),
        ("PUT", MESSAGES, KEY, 405),
        ("POST", "/v1/models", KEY, 405),
        ("POST", "/api/hello", "", 200),
        ("POST", MESSAGES, KEY, 413),
    ],
)
def test_answer_comes_before_a_byte_of_a_body_that_nobody_wants(
    port: int, launcher: str, method: str, path: str, key: str, status: int
) -> None:
    """Else strangers fill memory or disk."""
    named = {"x_api_key": key} if key else {}
    with Wire(port) as wire:
        wire.send(head(method, path, content_length=ENDLESS, **named))
        answer = wire.answer()
        assert (answer.status, answer.headers["connection"]) == (status, "close")


@SERVERS
def test_client_that_sends_all_of_an_unwanted_body_gets_to_see_why(
    port: int, launcher: str
) -> None:
    """A connection that is closed with bytes unread is reset, and the answer is lost with it."""
    with Wire(port) as wire:
        wire.send(head("POST", MESSAGES, content_length=str(20 * MIB)))
        assert wire.send_until_refused(b"x" * MIB, 20 * MIB) == 20 * MIB
        assert wire.answer().status == 401


@SERVERS
def test_unwanted_body_is_not_taken_without_end(port: int, launcher: str) -> None:
    with Wire(port) as wire:
        wire.send(head("POST", "/nowhere", content_length=ENDLESS))
        assert wire.send_until_refused(b"x" * MIB, 200 * MIB) < 200 * MIB


@SERVERS
def test_body_that_waits_to_be_invited_is_invited_with_a_key_only(
    port: int, launcher: str, backend: FakeBackend
) -> None:
    """RFC 9110, expect: 100-continue."""
    body = message()
    asking = {"expect": "100-continue", "content_length": str(len(body))}
    with Wire(port) as wire:
        wire.send(head("POST", MESSAGES, **asking))
        assert wire.answer().status == 401
    with Wire(port) as wire:
        wire.send(head("POST", MESSAGES, x_api_key=KEY, **asking))
        assert wire.first_line() == b"HTTP/1.1 100 Continue\r\n"
        assert wire.first_line() == b"\r\n"
        wire.send(body)
        assert wire.answer().status == 200
    assert len(backend.calls) == 1


@SERVERS
def test_connection_serves_on_after_a_body(port: int, launcher: str, backend: FakeBackend) -> None:
    """Whole, in chunks, and the next request in the same piece."""
    body = message()
    whole = head("POST", MESSAGES, x_api_key=KEY, content_length=str(len(body))) + body
    chunked = head("POST", MESSAGES, x_api_key=KEY, transfer_encoding="chunked")
    with Wire(port) as wire:
        for request in (whole, chunked + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)):
            wire.send(request)
            assert wire.answer().status == 200
        wire.send(whole + whole)
        assert [wire.answer().status for _ in range(1)] == [200]


@SERVERS
def test_no_body_lies_in_a_file(start_gateway: Start, launcher: str, tmp_path: Path) -> None:
    """Twisted would make one of every body above 100 KB."""
    gateway = start_gateway(launcher, TMPDIR=str(tmp_path))
    with Wire(gateway.port) as wire:
        wire.send(head("POST", MESSAGES, x_api_key=KEY, content_length=str(30 * MIB)))
        wire.send(b" " * 20 * MIB)
        assert gateway.client.get("/health").status == 200
        opened = [_target(entry) for entry in Path(f"/proc/{gateway.process.pid}/fd").iterdir()]
        assert [name for name in opened if name.startswith(str(tmp_path))] == []


def _target(entry: Path) -> str:
    try:
        return str(entry.readlink())
    except OSError:
        return ""


@SERVERS
def test_bodies_that_are_held_count_against_the_memory(start_gateway: Start, launcher: str) -> None:
    """However many come, and however slowly."""
    gateway = start_gateway(launcher, MAX_BODY_MEMORY=str(2 * MIB))
    with Wire(gateway.port) as wire:
        wire.send(head("POST", MESSAGES, x_api_key=KEY, content_length=str(3 * MIB)))
        wire.send(b" " * 2 * MIB + b" ")
        assert wire.answer().status == 529
        assert "MAX_BODY_MEMORY" in wire.error["message"]
    assert gateway.client.messages().status == 200


@SERVERS
@pytest.mark.parametrize("path", ["/admin/login/", "/my/", "/nowhere/"])
def test_pages_take_no_more_than_a_form(port: int, launcher: str, path: str) -> None:
    """Django would spool a body of any size."""
    with Wire(port) as wire:
        wire.send(head("POST", path, content_length=ENDLESS, accept="text/html"))
        wire.send_until_refused(b"x" * MIB, 100 * MIB)
        assert wire.answer().status in (404, 413)


@SERVERS
@pytest.mark.parametrize("encoding", ["gzip, gzip", "gzip, identity", "br"])
def test_encodings_in_each_other_are_refused_unread(
    port: int, launcher: str, encoding: str
) -> None:
    with Wire(port) as wire:
        asking = {"content_encoding": encoding, "content_length": "1000"}
        wire.send(head("POST", MESSAGES, x_api_key=KEY, **asking))
        assert wire.answer().status == 400
        code = wire.error["details"]["error_code"]
        assert code == "request_body_encoding_unsupported"
