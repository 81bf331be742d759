"""One model in several places: another backend answers when the first cannot. Ours."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.bridge.ports import closed_port
from tests.conftest import starting
from tests.fakes.backend import ALPHA, HELLO, FakeBackend
from tests.fakes.chunks import failure, reasoning, role, text
from tests.fakes.client import KEY, RawClient
from tests.fakes.gateway import Gateway
from tests.fakes.replies import Gate
from tests.shapes import check_error

BETA = "test/beta"
SESSION = "x-claude-code-session-id"
BOTH = pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])


def target(backend: str, model: str = ALPHA, position: int = 0) -> dict[str, Any]:
    return {"backend": backend, "model": model, "position": position}


def alias(pattern: str, *targets: dict[str, Any], **said: Any) -> dict[str, Any]:
    return {"pattern": pattern, "targets": list(targets), **said}


@pytest.fixture(scope="module")
def module_gateway(
    session_backend: FakeBackend,
    session_spare: FakeBackend,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Gateway]:
    with starting(session_backend, tmp_path_factory) as start, closed_port() as port:
        gateway = start(HEADERS_GRACE="1", FIRST_CHUNK_GRACE="1", LOG_FORMAT="json")
        gateway.configure(
            backends=[
                {"name": "spare", "url": f"{session_spare.base_url}/v1", "position": 1},
                {"name": "gone", "url": f"http://127.0.0.1:{port}/v1", "position": 2},
            ],
            aliases=[
                alias("fast", target("main"), target("spare", position=1)),
                alias("lost", target("gone"), target("spare", position=1)),
                alias("even", target("main", BETA), target("spare", BETA)),
                alias("spare-only", target("spare")),
            ],
        )
        yield gateway


@pytest.fixture
def gateway(module_gateway: Gateway, backend: FakeBackend, spare: FakeBackend) -> Iterator[Gateway]:
    """A gateway before two backends and one that is gone. Its breakers are at rest."""
    yield module_gateway
    backend.reset()
    spare.reset()
    for model in (BETA, "spare-only"):
        assert module_gateway.client.messages(model=model).status == 200


def well(gateway: Gateway, streamed: bool, **fields: Any) -> bool:
    """Whether the whole usual answer came."""
    response = gateway.client.messages(stream=streamed, **fields)
    assert response.status == 200, response.body
    message = response.message if streamed else response.json
    return bool(message["content"] == [{"type": "text", "text": "Hello"}])


@BOTH
@pytest.mark.parametrize(
    ("status", "said"),
    [(404, f"The model `{ALPHA}` does not exist."), (429, "slow down"), (500, "boom")],
)
def test_refusal_of_the_first_backend_is_not_the_clients_affair(
    gateway: Gateway,
    backend: FakeBackend,
    spare: FakeBackend,
    status: int,
    said: str,
    streamed: bool,
) -> None:
    backend.on(ALPHA).error(status, said)
    assert well(gateway, streamed, model="fast")
    assert backend.only_call.raw == spare.only_call.raw
    record = gateway.last_record()
    assert record["route"][:2] == [
        "alias fast fits",
        f"goes to main: {ALPHA}, then spare: {ALPHA}",
    ]
    assert record["route"][2].startswith("main: ")
    assert (record["backend"], record["status"], record["asked_model"]) == ("spare", 200, "fast")


@BOTH
def test_backend_that_refuses_connections_is_passed_over(
    gateway: Gateway, spare: FakeBackend, streamed: bool
) -> None:
    """After the first time it is not even tried; nobody notices that either."""
    for _ in range(7):
        assert well(gateway, streamed, model="lost")
    assert len(spare.calls) == 7
    assert gateway.last_record()["route"][2] == "gone: not reachable when last tried"
    health = gateway.client.get("/health")
    assert (health.status, health.json["status"]) == (200, "degraded")
    assert health.json["backends"]["gone"]["reachable"] is False


def test_error_in_front_of_the_first_word_leads_on(
    gateway: Gateway, backend: FakeBackend, spare: FakeBackend
) -> None:
    backend.on(ALPHA).stream(role(), failure("overloaded", 503))
    assert well(gateway, streamed=True, model="fast")
    assert len(backend.calls) == len(spare.calls) == 1


@pytest.mark.parametrize("settled", ["headers", "first word"])
def test_stream_that_has_begun_is_finished_by_the_next_backend(
    gateway: Gateway, backend: FakeBackend, spare: FakeBackend, settled: str
) -> None:
    """HEADERS_GRACE is over: the client has `message_start`, and no token yet."""
    gate = Gate()
    if settled == "headers":
        backend.on(ALPHA).json({"error": {"message": "boom"}}, 500, before=gate)
    else:
        backend.on(ALPHA).stream(gate, failure("boom", 500))
    with gateway.client.stream(model="fast") as stream:
        assert stream.next_event().name == "message_start"
        assert spare.calls == []
        gate.open()
        message = stream.message()
    assert message["content"] == [{"type": "text", "text": "Hello"}]
    assert message["model"] == "fast"
    assert gateway.last_record()["backend"] == "spare"


@pytest.mark.parametrize("shown", [text("He"), reasoning("Hm")], ids=["text", "thinking"])
def test_stream_that_has_shown_something_is_never_taken_over(
    gateway: Gateway, backend: FakeBackend, spare: FakeBackend, shown: Any
) -> None:
    """Two models must not speak in one message. S8."""
    backend.on(ALPHA).stream(role(), shown, failure("overloaded", 503))
    with gateway.client.stream(model="fast") as stream:
        assert stream.message()["error"]["type"] == "overloaded_error"
    assert spare.calls == []


@BOTH
@pytest.mark.parametrize(("status", "ours"), [(400, 400), (401, 401), (413, 413), (422, 400)])
def test_refusal_of_the_request_is_the_clients_affair(
    gateway: Gateway,
    backend: FakeBackend,
    spare: FakeBackend,
    status: int,
    ours: int,
    streamed: bool,
) -> None:
    """Every backend would refuse it."""
    backend.on(ALPHA).error(status, "no")
    response = gateway.client.messages(model="fast", stream=streamed)
    assert response.status == ours
    check_error(response.json)
    assert spare.calls == []


def test_refused_field_is_left_out_at_the_same_backend(
    gateway: Gateway, backend: FakeBackend, spare: FakeBackend
) -> None:
    """F126: that says nothing of the next one."""
    backend.on("test/small").error(400, "Unrecognized field: stream_options").answer(*HELLO)
    gateway.configure(
        aliases=[
            alias("small", target("main", "test/small"), target("spare", "test/small", position=1))
        ]
    )
    assert well(gateway, streamed=True, model="small")
    assert (len(backend.calls), spare.calls) == (2, [])


def test_all_that_fail_give_the_last_error(
    gateway: Gateway, backend: FakeBackend, spare: FakeBackend
) -> None:
    """wire E1: with its status and its time to come back."""
    backend.on(ALPHA).error(500, "one")
    spare.on(ALPHA).error(429, "two", {"retry-after": "9"})
    response = gateway.client.messages(model="fast")
    assert (response.status, response.headers["retry-after"]) == (429, "9")
    assert response.json["error"]["message"] == "two"


def served(gateway: Gateway, client: RawClient, session: str | None) -> str:
    """The backend that answers."""
    headers = {SESSION: session} if session else {}
    assert client.messages(headers, model="even").status == 200
    return str(gateway.last_record()["backend"])


def test_session_stays_at_one_backend(gateway: Gateway, spare: FakeBackend) -> None:
    """Where its prompt is cached. Observed client: names its session in every request."""
    clients = [gateway.client, gateway.with_key("cpk_another_key_0123456789")]
    places = {s: {served(gateway, client, s) for client in clients} for s in map(str, range(10))}
    assert all(len(place) == 1 for place in places.values())
    assert set.union(*places.values()) == {"main", "spare"}


def test_key_stays_at_one_backend_without_a_session(gateway: Gateway, spare: FakeBackend) -> None:
    """SDKs name none."""
    clients = [gateway.with_key(f"{KEY}-{number}") for number in range(10)]
    places = [{served(gateway, client, None) for _ in range(2)} for client in clients]
    assert all(len(place) == 1 for place in places)
    assert set.union(*places) == {"main", "spare"}


def test_open_breaker_leads_on_without_a_call(
    gateway: Gateway, backend: FakeBackend, spare: FakeBackend
) -> None:
    """wire E2; an operator who closes it by force has it asked again."""
    backend.on(ALPHA).error(500)
    for _ in range(6):
        assert well(gateway, streamed=False, model="fast")
    assert (len(backend.calls), len(spare.calls)) == (5, 6)
    for forced, calls in (("closed", 6), ("open", 6), ("closed", 7)):
        gateway.configure(backends=[{"name": "main", "url": backend.base_url, "breaker": forced}])
        assert well(gateway, streamed=False, model="fast")
        assert len(backend.calls) == calls
