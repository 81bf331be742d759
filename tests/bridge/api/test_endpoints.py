"""The ASGI callables, driven without a server: what is read, what is written, who leaves when."""

import asyncio
import json
import logging
from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest

from bridge.api import endpoints, models
from bridge.api.endpoints import Endpoint
from bridge.ledger.record import Record
from bridge.outcomes import ABANDONED
from bridge.runtime import gateway
from bridge.runtime.gateway import Gateway
from tests.bridge.making import SECRET
from tests.bridge.roads import configure_process
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import role, text
from tests.fakes.client import ask
from tests.fakes.replies import Gate

WAIT = 25.0
Message = MutableMapping[str, Any]


class Connection:
    """One request as a server hands it over. After the body it waits until the client leaves."""

    def __init__(self, method: str = "POST", path: str = "/v1/messages", body: Any = None) -> None:
        raw = b"" if body is None else json.dumps(body).encode()
        self.scope: dict[str, Any] = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": b"",
            "headers": [(b"X-Api-Key", SECRET.encode())],
            "server": ("127.0.0.1", 8080),
        }
        self.incoming: asyncio.Queue[Message] = asyncio.Queue()
        self.incoming.put_nowait({"type": "http.request", "body": raw})
        self.sent: list[Message] = []

    def leave(self) -> None:
        self.incoming.put_nowait({"type": "http.disconnect"})

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    async def meet(self, endpoint: Endpoint) -> None:
        await endpoint(self.scope, self.incoming.get, self.send)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.sent[1:])

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@pytest.fixture(autouse=True)
def in_place(engine: Gateway, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The endpoints find this gateway on their loop."""
    monkeypatch.setattr(gateway, "current", lambda: engine)
    yield


async def met(endpoint: Endpoint, *request: Any) -> Connection:
    connection = Connection(*request)
    await asyncio.wait_for(connection.meet(endpoint), WAIT)
    return connection


# --- POST /v1/messages -------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
async def test_answer_ends_with_an_empty_piece_when_all_is_settled(
    backend: FakeBackend, records: list[Record], stream: bool
) -> None:
    """ASGI: the piece without `more_body` is the last."""
    connection = await met(endpoints.messages, "POST", "/v1/messages", ask(stream=stream))
    assert connection.status == 200
    assert [m.get("more_body", False) for m in connection.sent[1:-1]].count(False) == 0
    assert connection.sent[-1] == {"type": "http.response.body", "body": b""}
    assert len(records) == 1


async def test_client_that_leaves_while_waiting_is_noticed(
    backend: FakeBackend, records: list[Record]
) -> None:
    """Ours: in plain mode too, before a byte was written."""
    gate = Gate()
    backend.on(ALPHA).json({}, before=gate)
    connection = Connection("POST", "/v1/messages", ask())
    meeting = asyncio.create_task(connection.meet(endpoints.messages))
    await asyncio.to_thread(gate.wait_reached)
    connection.leave()
    await asyncio.wait_for(meeting, WAIT)
    await asyncio.to_thread(backend.only_call.wait_left)
    assert connection.sent == []
    assert [record.status for record in records] == [ABANDONED]


async def test_client_that_leaves_a_stream_is_noticed(
    backend: FakeBackend, records: list[Record]
) -> None:
    """wire D2, client gone: no further writes."""
    gate = Gate()
    backend.on(ALPHA).stream(role(), text("He"), gate)
    connection = Connection("POST", "/v1/messages", ask(stream=True))
    meeting = asyncio.create_task(connection.meet(endpoints.messages))
    await asyncio.to_thread(gate.wait_reached)
    connection.leave()
    await asyncio.wait_for(meeting, WAIT)
    await asyncio.to_thread(backend.only_call.wait_left)
    assert all(message.get("more_body", True) for message in connection.sent)
    assert [record.status for record in records] == [ABANDONED]


async def test_client_that_leaves_in_its_own_body_gets_nothing(records: list[Record]) -> None:
    connection = Connection()
    connection.incoming.get_nowait()
    connection.incoming.put_nowait({"type": "http.request", "body": b"{", "more_body": True})
    connection.leave()
    await asyncio.wait_for(connection.meet(endpoints.messages), WAIT)
    assert (connection.sent, records) == ([], [])


async def test_server_that_cancels_is_obeyed(backend: FakeBackend, records: list[Record]) -> None:
    """Ours: only our own cancelling is swallowed; daphne cancels what it has closed."""
    gate = Gate()
    backend.on(ALPHA).json({}, before=gate)
    connection = Connection("POST", "/v1/messages", ask())
    meeting = asyncio.create_task(connection.meet(endpoints.messages))
    await asyncio.to_thread(gate.wait_reached)
    meeting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await meeting
    await asyncio.to_thread(backend.only_call.wait_left)
    assert [record.status for record in records] == [ABANDONED]


async def test_body_above_the_limit_is_refused_unread(engine: Gateway) -> None:
    """wire E1, body too large."""
    configure_process(engine, "bodies", max_body_bytes=10)
    connection = await met(endpoints.messages, "POST", "/v1/messages", ask())
    assert connection.status == 413
    assert connection.json["request_id"] == connection.headers["request-id"]


# --- the others --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("endpoint", "method", "allowed"),
    [
        (endpoints.messages, "GET", "POST"),
        (endpoints.count_tokens, "GET", "POST"),
        (endpoints.models, "POST", "GET, HEAD"),
        (endpoints.schemas, "DELETE", "GET, HEAD"),
        (endpoints.health, "PUT", "GET, HEAD"),
    ],
)
async def test_wrong_method_is_named_with_the_right_ones(
    endpoint: Endpoint, method: str, allowed: str
) -> None:
    """wire E1, wrong method."""
    connection = await met(endpoint, method)
    assert (connection.status, connection.headers["allow"]) == (405, allowed)
    error = connection.json["error"]
    assert error == {"type": "invalid_request_error", "message": "Method not allowed"}


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "OPTIONS"])
async def test_unknown_path_is_not_found(method: str) -> None:
    """wire E1, unknown path; F11."""
    connection = await met(endpoints.not_found, method, "/v1/nope")
    assert (connection.status, connection.headers["x-should-retry"]) == (404, "false")
    assert connection.json["error"] == {"type": "not_found_error", "message": "Not found"}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_head_is_get_without_the_body(method: str) -> None:
    connection = await met(endpoints.health, method, "/health")
    assert connection.status == 200
    assert connection.headers["content-type"] == "application/json"
    assert bool(connection.body) is (method == "GET")


async def test_warm_up_probe_is_empty() -> None:
    """wire A1, /api/hello."""
    connection = await met(endpoints.hello, "HEAD", "/api/hello")
    assert (connection.status, connection.body) == (200, b"")


@pytest.mark.parametrize(
    ("endpoint", "status"),
    [
        (endpoints.models, 401),
        (endpoints.schemas, 401),
        (endpoints.health, 200),
        (endpoints.hello, 200),
    ],
)
async def test_only_names_and_states_are_told_to_everybody(endpoint: Endpoint, status: int) -> None:
    """wire G21."""
    connection = Connection("GET", "/x")
    connection.scope["headers"] = []
    await connection.meet(endpoint)
    assert connection.status == status


async def test_bug_behind_a_page_is_a_500(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """wire E1, last row."""

    def broken(_: object) -> Any:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(models, "health", broken)
    connection = await met(endpoints.health, "GET", "/health")
    assert connection.status == 500
    assert connection.json["error"]["message"] == "Internal gateway error"
    assert [r.levelno for r in caplog.records if r.exc_info] == [logging.ERROR]


async def test_tokens_are_counted_without_a_record_or_a_call(
    backend: FakeBackend, records: list[Record]
) -> None:
    """wire A13, F129, F131: without max_tokens, no backend call."""
    body = ask()
    del body["max_tokens"]
    connection = await met(endpoints.count_tokens, "POST", "/v1/messages/count_tokens", body)
    assert connection.status == 200
    assert list(connection.json) == ["input_tokens"]
    assert connection.json["input_tokens"] >= 1
    assert (backend.calls, records) == ([], [])


async def test_count_tells_what_context_management_would_have_cut() -> None:
    """wire A13: original_input_tokens when context management was asked for."""
    body = ask(context_management={"edits": []})
    connection = await met(endpoints.count_tokens, "POST", "/v1/messages/count_tokens", body)
    counted = connection.json
    edited = counted["context_management"]
    assert edited == {"original_input_tokens": counted["input_tokens"]}


async def test_metrics_do_not_wait_for_the_configuration(
    engine: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """docs, metrics: the state of the process is told whatever else is away."""

    async def away() -> None:
        return None

    configure_process(engine, "access", metrics_access="open")
    engine.store._loaded.clear()
    for totals in (engine.totals, engine.attempt_totals):
        monkeypatch.setattr(totals, "current", away)
    connection = await met(endpoints.prometheus, "GET", "/metrics")
    assert connection.status == 200
    assert b"claude_bridge_ledger_up 0.0\n" in connection.body
    assert b"claude_bridge_requests_running 0.0\n" in connection.body
