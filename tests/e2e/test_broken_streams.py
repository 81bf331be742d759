"""Streams and replies that break: cut, failing in the middle, unreadable. Never taken for whole."""

import json

import pytest

from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import Json, call, failure, reasoning, role, text
from tests.fakes.client import Stream
from tests.fakes.gateway import Gateway
from tests.fakes.replies import End, Gate, Loose

TOOLS = [{"name": "Bash", "input_schema": {"type": "object"}}]


def failed(stream: Stream) -> Json:
    """The error that ends this stream; everything before it is checked too."""
    with stream:
        assert stream.status == 200
        message = stream.message()
    assert message["type"] == "error", message
    error: Json = message["error"]
    return error


def test_error_as_the_first_chunk_is_an_ordinary_reply(
    gateway: Gateway, backend: FakeBackend
) -> None:
    """Observed backends: answer 200 and fail then; clients retry on a status only."""
    backend.on(ALPHA).stream(role(), failure("overloaded", 503))
    with gateway.client.stream() as stream:
        assert stream.status == 529
        assert json.loads(stream.read())["error"]["type"] == "overloaded_error"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (503, "overloaded_error"),
        (500, "api_error"),
        (429, "rate_limit_error"),
        (400, "invalid_request_error"),
    ],
)
def test_error_after_text_ends_the_stream(
    gateway: Gateway, backend: FakeBackend, code: int, kind: str
) -> None:
    """Observed backends: an error chunk in mid-stream; never dressed up as an end. S8, F95."""
    backend.on(ALPHA).stream(role(), text("He"), failure("failed here", code))
    error = failed(gateway.client.stream())
    assert error["type"] == kind
    assert "failed here" in error["message"]


@pytest.mark.parametrize("end", [End.CLOSE, End.RESET, None], ids=["closed", "reset", "ended"])
@pytest.mark.parametrize(
    "last",
    [text("llo"), reasoning("Hm"), call(0, "call_1", "Bash", '{"command":')],
    ids=["in text", "in reasoning", "in a call"],
)
def test_cut_stream_is_an_error_never_an_end(
    gateway: Gateway, backend: FakeBackend, end: End | None, last: Json
) -> None:
    """Observed backends: vanish in mid-answer; clients must not take half for whole.

    S8, F93, F94.
    """
    gate = Gate()
    steps: list[Loose] = [role(), text("He"), last, gate, *([] if end is None else [end])]
    backend.on(ALPHA).stream(*steps, done=False)
    stream = gateway.client.stream(tools=TOOLS)
    stream.events_until("content_block_delta")
    gate.open()
    error = failed(stream)
    assert error["type"] == "api_error"
    assert error["message"] == "Backend closed the stream before finishing"


@pytest.mark.parametrize("steps", [(), (role(),), (": comment\n\n",)])
def test_stream_that_ends_without_a_word_is_an_ordinary_error(
    gateway: Gateway, backend: FakeBackend, steps: tuple[Json | str, ...]
) -> None:
    """Observed backends: some refuse with an empty stream; clients retry on a status only."""
    backend.on(ALPHA).stream(*steps, done=False)
    with gateway.client.stream() as stream:
        assert stream.status == 529
        assert json.loads(stream.read())["error"]["type"] == "overloaded_error"


def test_backend_that_hangs_up_is_unreachable(gateway: Gateway, backend: FakeBackend) -> None:
    """Observed backends: restart; the message names no address."""
    backend.on(ALPHA).drop()
    for response in (gateway.client.messages(), gateway.client.messages(stream=True)):
        assert response.status == 502
        assert response.json["error"] == {
            "type": "api_error",
            "message": "Could not reach the backend",
        }


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("<html><h1>Bad gateway</h1></html>", "text/html"),
        ('{"choices": [', "application/json"),
        ('{"choices": []}', "application/json"),
        ("", "application/json"),
        ("[]", "application/json"),
    ],
    ids=["HTML", "cut", "no choices", "empty", "a list"],
)
def test_unreadable_reply_is_an_error(
    gateway: Gateway, backend: FakeBackend, streamed: bool, body: str, kind: str
) -> None:
    """Observed proxies in front of backends; an error never travels with status 200."""
    backend.on(ALPHA).raw(body, kind)
    response = gateway.client.messages(stream=streamed)
    assert (response.status, response.json["error"]["type"]) == (502, "api_error")


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
def test_error_with_status_200_gets_its_own_status(
    gateway: Gateway, backend: FakeBackend, streamed: bool
) -> None:
    """Observed backends: errors of a provider behind them come with 200."""
    backend.on(ALPHA).json({"error": {"code": 429, "message": "slow down"}})
    response = gateway.client.messages(stream=streamed)
    assert (response.status, response.json["error"]["type"]) == (429, "rate_limit_error")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirect_is_never_followed(gateway: Gateway, backend: FakeBackend, status: int) -> None:
    """Ours: requests and keys go to the configured address and nowhere else."""
    backend.on(ALPHA).json({}, status, {"location": f"{backend.base_url}/elsewhere"})
    response = gateway.client.messages()
    assert (response.status, response.json["error"]["message"]) == (502, "Backend redirected")
    assert backend.requests_for("/elsewhere") == []
