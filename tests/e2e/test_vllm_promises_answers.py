"""What vLLM promises of the answers of its own `/v1/messages`, kept in front of any vLLM."""

import pytest

from tests.e2e.conftest import Serve
from tests.fakes.backend import ALPHA, HELLO, FakeBackend
from tests.fakes.chunks import Json, arguments, call, delta, failure, finish, role, text, usage
from tests.fakes.client import RawClient, Response
from tests.grammar import parse_sse
from tests.shapes import check_message

BOTH = pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
TOOL: Json = {"name": "look", "input_schema": {"type": "object", "properties": {}}}
END = (finish("tool_calls"), usage(9, 8))


@pytest.fixture
def client(serve: Serve) -> RawClient:
    return serve("vllm").client


def message_of(response: Response, stream: bool) -> Json:
    assert response.status == 200, response.body
    return response.message if stream else check_message(response.json)


def with_call(words: str) -> Json:
    """One delta that carries text and a whole call."""
    function = {"name": "look", "arguments": '{"at":"a"}'}
    fragment = {"index": 0, "id": "call_1", "type": "function", "function": function}
    return delta(content=words, tool_calls=[fragment])


def with_fragment(words: str, fragment: str) -> Json:
    """One delta that carries text and the rest of a call's arguments."""
    return delta(content=words, tool_calls=[{"index": 0, "function": {"arguments": fragment}}])


BEGUN = call(0, "call_1", "look", '{"at":')
ANSWERS: dict[str, tuple[list[Json], list[str]]] = {
    "text in pieces": ([text("Good "), text("day"), finish("stop"), usage(5, 2)], ["text"]),
    "an empty piece first": ([text(""), text("Yes"), finish("stop"), usage(5, 2)], ["text"]),
    "call in pieces": ([BEGUN, arguments(0, '"a"}'), *END], ["tool_use"]),
    "call after reasoning": (
        [delta(reasoning="I look."), BEGUN, arguments(0, '"a"}'), *END],
        ["thinking", "tool_use"],
    ),
    "call beside an empty text": ([with_call(""), *END], ["tool_use"]),
    "call beside a line end": ([with_call("\n"), *END], ["tool_use"]),
    "call beside spaces": ([with_call("   "), *END], ["tool_use"]),
    "call beside text": (
        [delta(reasoning="I look."), with_call("I check. "), *END],
        ["thinking", "text", "tool_use"],
    ),
}
"""Chunks -> the kinds of the blocks, in order."""


@BOTH
@pytest.mark.parametrize(("chunks", "kinds"), list(ANSWERS.values()), ids=list(ANSWERS))
def test_blocks_come_whole_and_in_order(
    client: RawClient, backend: FakeBackend, chunks: list[Json], kinds: list[str], stream: bool
) -> None:
    """vLLM promises that text beside a call loses neither, and that blanks are no obstacle."""
    backend.on(ALPHA).answer(role(), *chunks)
    message = message_of(client.messages(stream=stream, tools=[TOOL]), stream)
    assert [b["type"] for b in message["content"]] == kinds
    calls = [b for b in message["content"] if b["type"] == "tool_use"]
    assert message["stop_reason"] == ("tool_use" if calls else "end_turn")
    assert [(c["name"], c["input"]) for c in calls] == [("look", {"at": "a"})] * len(calls)
    texts = "".join(b["text"] for b in message["content"] if b["type"] == "text")
    pieces = [chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks[:-1]]
    assert texts.strip() == "".join(pieces).strip()


@pytest.mark.parametrize("has_usage", [False, True])
def test_text_in_the_last_delta_of_a_call_ends_neither(
    client: RawClient, backend: FakeBackend, has_usage: bool
) -> None:
    """vLLM promises the arguments whole, the text behind them, and an end without usage."""
    steps = [role(), BEGUN, with_fragment("\nOkay", '"a"}'), finish("tool_calls")]
    backend.on(ALPHA).stream(*steps, *([usage(10, 20)] if has_usage else []))
    message = client.messages(stream=True, tools=[TOOL]).message
    calls = [b["input"] for b in message["content"] if b["type"] == "tool_use"]
    texts = [b["text"].strip() for b in message["content"] if b["type"] == "text"]
    assert (calls, texts, message["stop_reason"]) == ([{"at": "a"}], ["Okay"], "tool_use")


CACHES: dict[str, tuple[Json, tuple[int, int, int]]] = {
    "a hit": ({"cached_tokens": 80, "created_cache_tokens": 10}, (10, 80, 10)),
    "no hit": ({"cached_tokens": 0, "created_cache_tokens": 0}, (100, 0, 0)),
    "all of it": ({"cached_tokens": 100, "created_cache_tokens": 0}, (1, 100, 0)),
    "nothing reported": ({}, (100, 0, 0)),
}
"""Details of 100 tokens of prompt -> input, cache read, cache creation."""


@BOTH
@pytest.mark.parametrize(("details", "counts"), list(CACHES.values()), ids=list(CACHES))
def test_cached_tokens_are_no_part_of_the_input(
    client: RawClient,
    backend: FakeBackend,
    details: Json,
    counts: tuple[int, int, int],
    stream: bool,
) -> None:
    """vLLM promises that the three counts make up the prompt. Of one that was cached as a whole it
    reports an input of 0; here an input that was read is at least 1."""
    reported = usage(100, 5, prompt_tokens_details=details)
    backend.on(ALPHA).answer(role(), text("Hi"), finish("stop"), reported)
    used = message_of(client.messages(stream=stream), stream)["usage"]
    names = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    assert tuple(used[name] for name in names) == counts
    assert used["output_tokens"] == 5


STOPS = [("</tool>", "stop_sequence", "</tool>"), (None, "end_turn", None), (7, "end_turn", None)]


@BOTH
@pytest.mark.parametrize(("matched", "reason", "sequence"), STOPS, ids=["text", "none", "token"])
def test_stop_sequence_that_matched_is_named(
    client: RawClient,
    backend: FakeBackend,
    matched: str | int | None,
    reason: str,
    sequence: str | None,
    stream: bool,
) -> None:
    """vLLM promises the string that its choice names; a token's number is an ordinary end."""
    last = finish("stop")
    last["choices"][0]["stop_reason"] = matched
    whole = {"message": {"role": "assistant", "content": "Hi"}, "index": 0}
    if stream:
        backend.on(ALPHA).stream(role(), text("Hi"), last, usage(5, 2))
    else:
        choice = whole | {"finish_reason": "stop", "stop_reason": matched}
        backend.on(ALPHA).json({"choices": [choice], "usage": usage(5, 2)["usage"]})
    message = message_of(client.messages(stream=stream, stop_sequences=["</tool>"]), stream)
    assert (message["stop_reason"], message["stop_sequence"]) == (reason, sequence)


@BOTH
def test_id_of_an_answer_is_of_the_messages_api_and_its_own(
    client: RawClient, backend: FakeBackend, stream: bool
) -> None:
    """vLLM promises `msg_` where the chat completion says `chatcmpl-`."""
    backend.on(ALPHA).answer(*HELLO)
    ids = {message_of(client.messages(stream=stream), stream)["id"] for _ in range(3)}
    assert len(ids) == 3 and all(name.startswith("msg_") for name in ids)


@BOTH
def test_answer_of_nothing_is_a_message_with_one_text(
    client: RawClient, backend: FakeBackend, stream: bool
) -> None:
    """vLLM promises a block of text, be it empty."""
    backend.on(ALPHA).answer(role(), finish("stop"), usage(10, 0))
    (only,) = message_of(client.messages(stream=stream), stream)["content"]
    assert only["type"] == "text"


@pytest.mark.parametrize("begun", [False, True], ids=["before the text", "within the text"])
def test_failure_in_a_stream_is_an_error_in_the_servers_words(
    client: RawClient, backend: FakeBackend, begun: bool
) -> None:
    """vLLM promises its own message, not one about a chunk that cannot be read."""
    steps = [role(), text("Good")] if begun else []
    backend.on(ALPHA).stream(*steps, failure("The engine stopped", 500))
    response = client.messages(stream=True)
    last = parse_sse(response.body)[-1].data if begun else response.json
    assert last["type"] == "error" and "The engine stopped" in last["error"]["message"]


def test_usage_stands_at_both_ends_of_a_stream(client: RawClient, backend: FakeBackend) -> None:
    """vLLM promises counts in message_start, none of them of output, and in message_delta."""
    backend.on(ALPHA).answer(*HELLO)
    events = {event.name: event.data for event in parse_sse(client.messages(stream=True).body)}
    first, last = events["message_start"]["message"]["usage"], events["message_delta"]["usage"]
    assert first["input_tokens"] > 0 and last["input_tokens"] > 0
    assert last["output_tokens"] == 2
