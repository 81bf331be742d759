"""What llama.cpp promises of its own `/v1/messages`, kept in front of any llama.cpp, in both modes.

The same requests go through a live server in `tests/live/test_llama_promises.py`.
"""

import pytest

from tests.e2e.conftest import Serve
from tests.fakes.backend import ALPHA, HELLO, FakeBackend
from tests.fakes.chunks import Json, arguments, call, finish, reasoning, role, text, usage
from tests.fakes.client import RawClient, Response
from tests.grammar import parse_sse
from tests.live.llama_promises import ANSWERED, IMAGE, WEATHER, block, user
from tests.shapes import check_error, check_message

BOTH = pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
COUNT = "/v1/messages/count_tokens"
BETA, OTHER = "test/beta", "vendor/name:free"
NO_IMAGES = "image input is not supported - hint: if this is unexpected, you may need mmproj"
TIMINGS = {"timings": {"prompt_n": 5, "predicted_n": 2, "predicted_ms": 40.5}}


@pytest.fixture
def client(serve: Serve) -> RawClient:
    return serve("llamacpp").client


def message_of(response: Response, stream: bool) -> Json:
    assert response.status == 200, response.body
    return response.message if stream else check_message(response.json)


SENT: dict[str, Json] = {
    "top_k": {"top_k": 40},
    "top_p": {"top_p": 0.9},
    "temperature": {"temperature": 0.5},
}
"""What of a request the server gets as it is."""
ROLES: dict[str, list[str]] = {
    "system prompt": ["system", "user"],
    "conversation": ["user", "assistant", "user"],
    "result of a call": ["user", "assistant", "tool"],
    "text before a result": ["user", "assistant", "tool", "user"],
    "result of a failed call": ["user", "assistant", "tool"],
}
"""Whose messages the server gets: a result is a message of the tool, not a part of the user's."""


@BOTH
@pytest.mark.parametrize("promise", list(ANSWERED))
def test_request_is_answered_with_a_whole_message(
    client: RawClient, backend: FakeBackend, promise: str, stream: bool
) -> None:
    """llama.cpp promises type, role, text, a stop reason and every count of each of these."""
    backend.on(ALPHA).answer(*HELLO)
    message = message_of(client.messages(stream=stream, **ANSWERED[promise]), stream)
    assert message["content"] == [{"type": "text", "text": "Hello"}]
    assert (message["role"], message["stop_reason"]) == ("assistant", "end_turn")
    assert message["usage"]["input_tokens"] > 0 and message["usage"]["output_tokens"] > 0
    sent = backend.only_call.body
    assert sent | SENT.get(promise, {}) == sent
    assert [m["role"] for m in sent["messages"]] == ROLES.get(promise, ["user"])


@BOTH
def test_nothing_of_the_servers_own_format_is_in_an_answer(
    client: RawClient, backend: FakeBackend, stream: bool
) -> None:
    """llama.cpp promises no `timings`, and no member of a chat completion."""
    *chunks, last = HELLO
    backend.on(ALPHA).answer(*chunks, last | TIMINGS)
    response = client.messages(stream=stream)
    assert message_of(response, stream)
    whole = [event.data for event in parse_sse(response.body)] if stream else [response.json]
    foreign = {"timings", "choices", "object", "created", "prompt_tokens", "completion_tokens"}
    for part in whole:
        usage_of = part.get("usage") or {}
        assert not foreign & (part.keys() | usage_of.keys() | part.get("message", {}).keys())


def test_stream_opens_with_an_empty_message_and_counts_its_prompt(
    client: RawClient, backend: FakeBackend
) -> None:
    """llama.cpp promises `input_tokens` in message_start, and the six kinds of events."""
    backend.on(ALPHA).answer(*HELLO)
    events = parse_sse(client.messages(stream=True).body)
    begun = events[0].data["message"]
    assert (begun["type"], begun["role"], begun["content"]) == ("message", "assistant", [])
    assert begun["usage"]["input_tokens"] > 0
    kinds = [event.name for event in events if event.name != "ping"]
    assert kinds == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


@BOTH
def test_call_is_a_block_with_id_name_and_an_object(
    client: RawClient, backend: FakeBackend, stream: bool
) -> None:
    """llama.cpp promises stop_reason tool_use, and indexes without gaps, text or not before it."""
    calling = (
        call(0, "c1", "weather_at", '{"city":'),
        arguments(0, ' "Oslo"}'),
        call(1, "c2", "weather_at", '{"city": "Rome"}'),
    )
    end = (finish("tool_calls"), usage(9, 8))
    backend.on(ALPHA).answer(role(), *calling, *end).answer(role(), text("I look."), *calling, *end)
    for begin in ([], ["text"]):
        message = message_of(client.messages(stream=stream, tools=[WEATHER]), stream)
        assert [b["type"] for b in message["content"]] == [*begin, "tool_use", "tool_use"]
        calls = message["content"][len(begin) :]
        assert [c["input"] for c in calls] == [{"city": "Oslo"}, {"city": "Rome"}]
        assert {c["name"] for c in calls} == {"weather_at"} and all(c["id"] for c in calls)
        assert message["stop_reason"] == "tool_use"


def test_blocks_of_a_stream_have_indexes_without_gaps(
    client: RawClient, backend: FakeBackend
) -> None:
    """llama.cpp promises that stops name the indexes of starts."""
    backend.on(ALPHA).answer(
        role(), text("Now."), call(0, "c1", "weather_at", "{}"), finish("tool_calls"), usage(9, 8)
    )
    events = parse_sse(client.messages(stream=True, tools=[WEATHER]).body)
    for kind in ("content_block_start", "content_block_stop"):
        assert [event.data["index"] for event in events if event.name == kind] == [0, 1]


@BOTH
def test_reasoning_is_a_signed_block_before_the_text(
    client: RawClient, backend: FakeBackend, stream: bool
) -> None:
    """llama.cpp promises thinking at index 0 with a signature, text at index 1."""
    backend.on(ALPHA).answer(
        role(), reasoning("Two and "), reasoning("two."), text("4"), finish("stop"), usage(9, 8)
    )
    response = client.messages(
        stream=stream, max_tokens=2000, thinking={"type": "enabled", "budget_tokens": 1024}
    )
    thought, answer = message_of(response, stream)["content"]
    assert (thought["type"], thought["thinking"]) == ("thinking", "Two and two.")
    assert thought["signature"]
    assert answer == {"type": "text", "text": "4"}


def test_count_of_tokens_is_a_number_alone(client: RawClient, backend: FakeBackend) -> None:
    """llama.cpp promises `input_tokens` and nothing else, without `max_tokens` in the request."""
    asked: Json = {"model": ALPHA, "messages": [{"role": "user", "content": "Good day"}]}
    plain = client.post(COUNT, asked).json
    longer = client.post(COUNT, asked | {"system": "You answer briefly."}).json
    assert plain.keys() == longer.keys() == {"input_tokens"}
    assert 0 < plain["input_tokens"] < longer["input_tokens"]


@BOTH
def test_image_is_passed_to_a_model_that_reads_it(
    client: RawClient, backend: FakeBackend, stream: bool
) -> None:
    """llama.cpp promises to read an image in base64."""
    backend.on(ALPHA).answer(*HELLO)
    asked = [user(IMAGE, block("What is this?"))]
    assert message_of(client.messages(stream=stream, messages=asked), stream)["content"]
    image, question = backend.only_call.body["messages"][0]["content"]
    assert image["image_url"]["url"] == f"data:image/png;base64,{IMAGE['source']['data']}"
    assert question == {"type": "text", "text": "What is this?"}


@pytest.mark.parametrize(("stream", "model"), [(False, BETA), (True, OTHER)])
def test_image_for_a_model_without_eyes_does_not_end_the_session(
    client: RawClient, backend: FakeBackend, stream: bool, model: str
) -> None:
    """llama.cpp promises a 500 with these words; a session would hang on it for good."""
    backend.on(model).error(500, NO_IMAGES).answer(*HELLO)
    asked = [user(IMAGE, block("What is this?"))]
    response = client.messages(stream=stream, model=model, messages=asked)
    assert message_of(response, stream)["content"]
    assert response.headers["x-gateway-dropped"] == "image"


@BOTH
@pytest.mark.parametrize("fields", [{"messages": None}, {"messages": []}], ids=["none", "empty"])
def test_request_without_a_message_is_refused(
    client: RawClient, backend: FakeBackend, fields: Json, stream: bool
) -> None:
    """llama.cpp promises an error without `messages`; on an empty list, which it takes, the
    Messages API's refusal goes before."""
    response = client.messages(stream=stream, **fields)
    error = check_error(response.json)["error"]
    assert (response.status, error["type"]) == (400, "invalid_request_error")
    assert error["message"].startswith("messages: ")
    assert not backend.calls
