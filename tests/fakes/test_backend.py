"""The fake backend does what it is told. All of this is ours; the gateway's tests lean on it."""

from typing import Any

import httpx
import pytest

from tests.fakes.backend import CHAT, FakeBackend
from tests.fakes.chunks import arguments, call, finish, role, text, usage
from tests.fakes.client import PLAIN, RawClient, leave
from tests.fakes.replies import End, Gate


def ask(model: str = "test/alpha", **fields: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "hi"}], **fields}


def test_unscripted_model_says_hello_in_both_modes(backend: FakeBackend) -> None:
    client = RawClient(backend.base_url)
    assert client.post(CHAT, ask()).json["choices"][0]["message"]["content"] == "Hello"
    streamed = client.post(CHAT, ask(stream=True, stream_options={"include_usage": True})).body
    assert streamed.count(b"data: ") == 5
    assert b'"usage"' in streamed
    assert streamed.endswith(b"data: [DONE]\n\n")
    assert b'"usage"' not in client.post(CHAT, ask(stream=True)).body


def test_replies_come_in_order_and_the_last_one_repeats(backend: FakeBackend) -> None:
    backend.on("test/alpha").error(429, "slow", {"retry-after": "1"}).json({"n": 1}).json({"n": 2})
    client = RawClient(backend.base_url)
    first = client.post(CHAT, ask())
    assert (first.status, first.headers["retry-after"]) == (429, "1")
    assert [client.post(CHAT, ask()).json["n"] for _ in range(3)] == [1, 2, 2]
    assert len(backend.calls) == 4


def test_requests_are_recorded(backend: FakeBackend) -> None:
    RawClient(backend.base_url).post(CHAT + "?a=1", ask(n=3), {"X-Probe": "yes"})
    seen = backend.only_call
    assert (seen.method, seen.path, seen.query, seen.model) == ("POST", CHAT, "a=1", "test/alpha")
    assert (seen.header("x-probe"), seen.header("absent"), seen.body["n"]) == ("yes", None, 3)


def test_calls_are_folded_into_one_completion(backend: FakeBackend) -> None:
    backend.on("test/alpha").answer(
        role(),
        call(0, "c1", "Bash", '{"a":'),
        arguments(0, "1}"),
        call(1, "c2", "Read", "{}"),
        finish("tool_calls"),
        usage(5, 7),
    )
    reply = RawClient(backend.base_url).post(CHAT, ask()).json
    made = [tool["function"] for tool in reply["choices"][0]["message"]["tool_calls"]]
    assert made == [
        {"name": "Bash", "arguments": '{"a":1}'},
        {"name": "Read", "arguments": "{}"},
    ]
    assert reply["choices"][0]["finish_reason"] == "tool_calls"
    assert reply["usage"]["total_tokens"] == 12


def test_gate_holds_the_stream_until_it_opens(backend: FakeBackend) -> None:
    gate = Gate()
    backend.on("test/alpha").stream("data: 1\n\n", gate, "data: 2\n\n", done=False)
    with RawClient(backend.base_url).open("POST", CHAT, ask()) as stream:
        gate.wait_reached()
        assert stream.read_chunk() == b"data: 1\n\n"
        gate.open()
        assert stream.read() == b"data: 1\n\ndata: 2\n\n"
    backend.only_call.wait_answered()
    assert not backend.only_call.left.is_set()


def test_split_stream_keeps_its_bytes(backend: FakeBackend) -> None:
    backend.on("test/alpha").stream(text("\U0001f600"), split=3)
    body = RawClient(backend.base_url).post(CHAT, ask()).body
    assert "\U0001f600" in body.decode()


def test_leaving_client_is_noticed_at_a_gate(backend: FakeBackend) -> None:
    gate = Gate()
    backend.on("test/alpha").json({}, before=gate)
    connection = RawClient(backend.base_url).send("POST", CHAT, ask())
    gate.wait_reached()
    leave(connection)
    backend.only_call.wait_left()


@pytest.mark.parametrize("end", list(End))
def test_connection_ends_inside_the_body(backend: FakeBackend, end: End) -> None:
    backend.on("test/alpha").stream(text("He"), end)
    with pytest.raises(httpx.TransportError):
        httpx.post(backend.chat_url, json=ask(), trust_env=False)


def test_dropped_connection_has_no_answer(backend: FakeBackend) -> None:
    backend.on("test/alpha").drop()
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.post(backend.chat_url, json=ask(), trust_env=False)


def test_connection_is_kept_alive(backend: FakeBackend) -> None:
    with httpx.Client(**PLAIN) as client:
        for _ in range(3):
            assert client.post(backend.chat_url, json=ask()).status_code == 200
    assert len(backend.calls) == 3


def test_models_are_listed_and_found(backend: FakeBackend) -> None:
    backend.list_models("a", b={"max_model_len": 5})
    client = RawClient(backend.base_url)
    assert [entry["id"] for entry in client.get("/v1/models").json["data"]] == ["a", "b"]
    assert client.get("/v1/models/b").json["max_model_len"] == 5
    assert client.get("/v1/models/c").status == 404
    assert client.post(CHAT, ask("c")).status == 404


def test_backend_without_a_list_takes_every_model(backend: FakeBackend) -> None:
    backend.list_models()
    client = RawClient(backend.base_url)
    assert client.get("/v1/models").status == 404
    assert client.post(CHAT, ask("any/thing")).status == 200


def test_other_addresses_can_be_scripted(backend: FakeBackend) -> None:
    backend.route("POST", "/tokenize").json({"count": 5})
    assert RawClient(backend.base_url).post("/tokenize", {}).json == {"count": 5}
    assert backend.wait_for_request("/tokenize").body == {}
