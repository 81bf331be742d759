"""Requests that are wrong in form, too large, or strange: each answered, none fatal."""

import json
import zlib
from typing import Any

import pytest

from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.client import MESSAGES, Response, ask
from tests.fakes.gateway import Gateway
from tests.shapes import check_error

COUNT = "/v1/messages/count_tokens"
USER = {"role": "user", "content": "hi"}
LOOK = {"name": "look", "input_schema": {"type": "object"}}
NOT_JSON = "Request body is not valid JSON"


def refusal(response: Response, status: int = 400, kind: str = "invalid_request_error") -> str:
    """The message of an error that has this status and type."""
    assert (response.status, check_error(response.json)["error"]["type"]) == (status, kind)
    return str(response.json["error"]["message"])


def blocks(*content: Any, role: str = "user") -> dict[str, Any]:
    return ask(messages=[{"role": role, "content": list(content)}])


@pytest.mark.parametrize(
    "body",
    [b'{"model":', b"", b"[]", b'"text"', b"null", b"\xff\xfe", b'{"a":1}{"b":2}', b"{'a': 1}"],
)
@pytest.mark.parametrize("path", [MESSAGES, COUNT])
def test_body_that_is_no_json_object_is_refused(gateway: Gateway, path: str, body: bytes) -> None:
    """API documentation: 400 in the envelope. S23."""
    assert refusal(gateway.client.post(path, body)).startswith(NOT_JSON)


def without(name: str) -> dict[str, Any]:
    body = ask()
    del body[name]
    return body


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (without("model"), "model: Field required"),
        (ask(model=""), "model: Field required"),
        (without("messages"), "messages: Field required"),
        (ask(messages=[]), "messages: at least one message is required"),
        (without("max_tokens"), "max_tokens: Field required"),
        (ask(max_tokens=-1), "max_tokens: Input should be greater than or equal to 0"),
        (ask(max_tokens="many"), "max_tokens: Input should be a valid integer"),
        (ask(max_tokens=1.5), "max_tokens: Input should be a valid integer"),
        (
            ask(messages=[USER, {"role": "tool", "content": "x"}]),
            "messages.1.role: Input should be 'user', 'assistant' or 'system'",
        ),
        (
            ask(messages=[{"role": "user", "content": 5}]),
            "messages.0.content: Input should be a string or an array of content blocks",
        ),
        (
            ask(messages=[USER, {"role": "user", "content": None}]),
            "messages.1.content: Input should be a string or an array of content blocks",
        ),
        (
            blocks({"type": "text", "text": "a"}, {"text": "b"}),
            "messages.0.content.1.type: Field required",
        ),
        (ask(tools=[{"input_schema": {}}]), "tools.0.name: Field required"),
        (ask(tools=[LOOK, LOOK]), "tools: Tool names must be unique."),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_first_fault_is_named_with_its_place(
    gateway: Gateway, backend: FakeBackend, body: dict[str, Any], message: str
) -> None:
    """API documentation: the path of the fault; ours: one sentence, nothing sent on. S23."""
    assert refusal(gateway.client.post(MESSAGES, body)) == message
    assert backend.calls == []


@pytest.mark.parametrize(
    ("fields", "start"),
    [
        ({"model": 5}, "model"),
        ({"messages": {"role": "user"}}, "messages"),
        ({"messages": ["hi"]}, "messages.0"),
        ({"messages": [{"content": "hi"}]}, "messages.0.role"),
        ({"messages": [{"role": "user"}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": [None]}]}, "messages.0.content.0"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages.0.content.0"),
        ({"system": 5}, "system"),
        ({"tools": "look"}, "tools"),
        ({"tools": ["look"]}, "tools.0"),
        ({"tools": [LOOK], "tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"tools": [LOOK], "tool_choice": {"type": "tool", "name": "x"}}, "tool_choice.name"),
        ({"tool_choice": "auto"}, "tool_choice"),
        ({"stream": "yes"}, "stream"),
        ({"temperature": "hot"}, "temperature"),
        ({"stop_sequences": "END"}, "stop_sequences"),
        ({"thinking": "adaptive"}, "thinking"),
        ({"mcp_servers": [{"type": "url"}]}, "mcp_servers: not supported by this gateway"),
        ({"compaction": {"type": "summarize"}}, "compaction: not supported by this gateway"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_type_is_named_with_its_place(
    gateway: Gateway, fields: dict[str, Any], start: str
) -> None:
    """Ours: a wrong type is the caller's error, never a failure of the gateway."""
    assert refusal(gateway.client.messages(**fields)).startswith(start)


def test_thread_is_refused_with_the_code_that_clients_understand(gateway: Gateway) -> None:
    """Observed client: goes on without threads on exactly this code."""
    response = gateway.client.messages(thread={"type": "create"})
    assert refusal(response) == "thread: not supported by this gateway"
    assert response.json["error"]["details"]["error_code"] == "thread_unsupported_request"


DEPTH = 100_000
NESTED = b"[" * DEPTH + b"]" * DEPTH


@pytest.mark.parametrize("field", ["metadata", "messages", "system", "unknown"])
def test_deep_nesting_is_refused_and_survived(gateway: Gateway, field: str) -> None:
    """Ours: a limit, not a crash."""
    body = json.dumps(without(field) if field in ask() else ask()).encode()
    response = gateway.client.post(MESSAGES, body[:-1] + b', "%b": %b}' % (field.encode(), NESTED))
    refusal(response)
    assert gateway.client.messages().status == 200


@pytest.mark.parametrize("path", [MESSAGES, COUNT])
def test_body_is_measured_to_the_byte(strict_gateway: Gateway, path: str) -> None:
    """API documentation: 413; ours: the message names the limit and its setting."""
    small = json.dumps(ask()).encode()
    assert strict_gateway.client.post(path, small.ljust(20000)).status == 200
    message = refusal(
        strict_gateway.client.post(path, small.ljust(20001)), 413, "request_too_large"
    )
    assert "20000" in message and "MAX_BODY_BYTES" in message


def test_content_has_a_limit_of_its_own(strict_gateway: Gateway) -> None:
    """Ours, kept from earlier gateways: text counts, media do not."""
    assert strict_gateway.client.messages(text="x" * 9900).status == 200
    message = refusal(strict_gateway.client.messages(text="x" * 10001), 413, "request_too_large")
    assert "10000" in message and "MAX_CONTENT_BYTES" in message


def test_number_of_messages_has_a_limit(strict_gateway: Gateway) -> None:
    """Ours, kept from earlier gateways."""
    assert strict_gateway.client.messages(messages=[USER] * 5).status == 200
    message = refusal(strict_gateway.client.messages(messages=[USER] * 6))
    assert message == "messages: too many messages (6 > 5; setting MAX_MESSAGES)"


def test_unknown_fields_and_blocks_do_no_harm(gateway: Gateway, backend: FakeBackend) -> None:
    """Observed clients: send new ones every month; backends see the block as text."""
    body = blocks({"type": "hologram", "shape": "cube"}) | {"never_heard_of": {"a": 1}}
    assert gateway.client.post(MESSAGES, body).status == 200
    sent = backend.only_call.body
    assert "cube" in sent["messages"][0]["content"]
    assert "never_heard_of" not in sent


def test_characters_that_no_backend_takes_are_removed(
    gateway: Gateway, backend: FakeBackend
) -> None:
    """Observed clients: tool output with NUL or half of a surrogate pair."""
    body = json.dumps(ask("a\0b\ud800c\U0001f600"))
    assert "\\ud800c" in body
    assert gateway.client.post(MESSAGES, body.encode()).status == 200
    assert backend.only_call.body["messages"][0]["content"] == "abc\U0001f600"


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
def test_lone_surrogate_of_the_backend_is_replaced(
    gateway: Gateway, backend: FakeBackend, streamed: bool
) -> None:
    """Observed client: cannot write such a character down again."""
    chunk = b'{"choices":[{"index":0,"%b":{"content":"a\\ud83d b"},"finish_reason":"stop"}]}'
    if streamed:
        backend.on(ALPHA).stream((b"data: " + chunk % b"delta" + b"\n\n").decode())
        message = gateway.client.post(MESSAGES, ask(stream=True)).message
    else:
        backend.on(ALPHA).raw(chunk % b"message", "application/json")
        message = gateway.client.messages().json
    assert message["content"] == [{"type": "text", "text": "a\ufffd b"}]


@pytest.mark.parametrize("name", ["nope\0", "nope\ud800", "n" * 256, "../../etc/passwd", "*"])
def test_strange_model_name_is_not_found(gateway: Gateway, backend: FakeBackend, name: str) -> None:
    """Ours: a name is only ever compared."""
    refusal(gateway.client.messages(model=name), 404, "not_found_error")
    assert backend.calls == []


def test_model_name_without_end_is_refused(gateway: Gateway, backend: FakeBackend) -> None:
    refusal(gateway.client.messages(model="n" * 5000), 400, "invalid_request_error")
    assert backend.calls == []


def test_compressed_body_is_read_or_refused_by_name(gateway: Gateway) -> None:
    """API documentation: the error code for an encoding that is not supported."""
    squeezed = zlib.compress(json.dumps(ask()).encode(), wbits=31)
    response = gateway.client.post(MESSAGES, squeezed, {"content-encoding": "gzip"})
    if response.status != 200:
        refusal(response)
        code = response.json["error"]["details"]["error_code"]
        assert code == "request_body_encoding_unsupported"


def test_body_in_chunks_is_read_whole(gateway: Gateway, backend: FakeBackend) -> None:
    """HTTP: a body may come without its length."""
    whole = json.dumps(ask("in pieces")).encode()
    pieces = [whole[start : start + 9] for start in range(0, len(whole), 9)]
    chunked = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in [*pieces, b""])
    headers = {"transfer-encoding": "chunked"}
    assert gateway.client.post(MESSAGES, chunked, headers).status == 200
    assert backend.only_call.body["messages"][0]["content"] == "in pieces"


def test_no_tokens_asked_for_means_no_call(gateway: Gateway, backend: FakeBackend) -> None:
    """API documentation: max_tokens 0 warms a cache and generates nothing. F59."""
    plain = gateway.client.messages(max_tokens=0)
    assert (plain.json["content"], plain.json["stop_reason"]) == ([], "max_tokens")
    streamed = gateway.client.post(MESSAGES, ask(max_tokens=0, stream=True)).message
    assert (streamed["content"], streamed["stop_reason"]) == ([], "max_tokens")
    assert backend.calls == []
