"""Streams on the wire: chunk by chunk, cut, failing, and in forms that nobody asked for."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import Json, arguments, call, finish, fold, reasoning, role, text, usage
from tests.fakes.client import RawClient, text_of
from tests.fakes.gateway import Gateway
from tests.fakes.replies import Gate
from tests.shapes import check_message

TOOLS = [{"name": "Bash", "input_schema": {"type": "object"}}]
EVERYTHING: tuple[Json, ...] = (
    role(),
    reasoning("Hm, \U0001f914"),
    text("Voilà\u2028"),
    text(" \U0001f600"),
    call(0, "call_1", "Bash"),
    arguments(0, '{"command":'),
    arguments(0, '"ls é"}'),
    finish("tool_calls"),
    usage(11, 9),
)
CONTENT = [
    {"type": "thinking", "thinking": "Hm, \U0001f914"},
    {"type": "text", "text": "Voilà\u2028 \U0001f600"},
    {"type": "tool_use", "name": "Bash", "input": {"command": "ls é"}},
]


def content_of(message: Json) -> list[Json]:
    """The content without what differs from run to run."""
    private = ("id", "signature", "citations")
    return [
        {name: value for name, value in block.items() if name not in private}
        for block in message["content"]
    ]


@pytest.mark.parametrize("split", [None, 1, 7])
def test_stream_says_the_same_however_it_is_cut(
    gateway: Gateway, backend: FakeBackend, split: int | None
) -> None:
    """Observed backends: chunk borders fall anywhere, also inside a character."""
    backend.on(ALPHA).stream(*EVERYTHING, split=split)
    with gateway.client.stream(tools=TOOLS) as stream:
        message = stream.message()
    assert content_of(message) == CONTENT
    assert message["usage"]["input_tokens"] == 11
    assert message["usage"]["output_tokens"] == 9


def test_plain_answer_is_the_folded_stream(gateway: Gateway, backend: FakeBackend) -> None:
    """Ours: one answer, whichever way it is asked for. R1."""
    backend.on(ALPHA).answer(*EVERYTHING)
    message = check_message(gateway.client.messages(tools=TOOLS).json)
    assert content_of(message) == CONTENT
    assert message["stop_reason"] == "tool_use"
    assert message["usage"]["input_tokens"] == 11


def test_every_piece_is_passed_on_at_once(gateway: Gateway, backend: FakeBackend) -> None:
    """Observed clients: show text as it comes; nothing may wait for what follows it."""
    gates = [Gate(), Gate(), Gate()]
    backend.on(ALPHA).stream(
        role(),
        text("one "),
        gates[0],
        text("two "),
        gates[1],
        call(0, "call_1", "Bash", '{"command":"'),
        gates[2],
        arguments(0, 'ls"}'),
        finish("tool_calls"),
        usage(5, 5),
    )
    with gateway.client.stream(tools=TOOLS) as stream:
        assert text_of(stream.events_until("content_block_delta")) == "one "
        gates[0].open()
        assert text_of(stream.events_until("content_block_delta")) == "two "
        gates[1].open()
        started = stream.events_until("content_block_start")[-1].data["content_block"]
        assert (started["type"], started["name"]) == ("tool_use", "Bash")
        gates[2].open()
        assert stream.message()["stop_reason"] == "tool_use"


def test_start_comes_before_the_text_does(gateway: Gateway, backend: FakeBackend) -> None:
    """API documentation: the start carries an estimate, the end the true numbers."""
    backend.on(ALPHA).stream(role(), text("So"), finish("stop"), usage(321, 2))
    with gateway.client.stream(text="word " * 300) as stream:
        start = stream.next_event().data["message"]["usage"]
        message = stream.message()
    # of 1,500 bytes; how many make a token, the gateway may have learnt in tests before this one
    assert 75 <= start["input_tokens"] <= 1000
    assert start["output_tokens"] == 1
    assert (message["usage"]["input_tokens"], message["usage"]["output_tokens"]) == (321, 2)


def test_stream_without_done_line_ends_well(gateway: Gateway, backend: FakeBackend) -> None:
    """Observed backends: close after the finish reason."""
    backend.on(ALPHA).stream(role(), text("Hello"), finish("stop"), done=False)
    with gateway.client.stream() as stream:
        assert stream.message()["stop_reason"] == "end_turn"


@pytest.mark.parametrize(
    "noise",
    [": keep-alive\n\n", "data: [DONE]\n\n", "event: x\nid: 1\nretry: 5\n\n", "\r\n\r\n", "\n\n\n"],
)
def test_noise_around_the_chunks_is_ignored(
    gateway: Gateway, backend: FakeBackend, noise: str
) -> None:
    """Observed backends: comments, other fields, a second end."""
    leading = "" if "DONE" in noise else noise
    backend.on(ALPHA).stream(leading, role(), leading, text("Hello"), finish("stop"), noise)
    with gateway.client.stream() as stream:
        assert content_of(stream.message()) == [{"type": "text", "text": "Hello"}]


def test_plain_reply_to_a_stream_request_is_replayed(
    gateway: Gateway, backend: FakeBackend
) -> None:
    """Observed backends: some ignore `stream`."""
    backend.on(ALPHA).json(fold(EVERYTHING, ALPHA))
    with gateway.client.stream(tools=TOOLS) as stream:
        message = stream.message()
    assert content_of(message) == CONTENT
    assert message["usage"]["output_tokens"] == 9


def test_stream_in_reply_to_a_plain_request_is_folded(
    gateway: Gateway, backend: FakeBackend
) -> None:
    """Observed backends: some always stream."""
    backend.on(ALPHA).stream(*EVERYTHING)
    message = check_message(gateway.client.messages(tools=TOOLS).json)
    assert content_of(message) == CONTENT


def test_several_streams_do_not_wait_for_each_other(gateway: Gateway, backend: FakeBackend) -> None:
    """Ours: one slow answer holds up nobody."""
    gate = Gate()
    backend.on(ALPHA).stream(role(), text("slow"), gate, finish("stop"), usage(1, 1))
    client = RawClient(gateway.url)
    with client.stream() as slow, client.stream(model="test/beta") as quick:
        slow.events_until("content_block_delta")
        assert content_of(quick.message()) == [{"type": "text", "text": "Hello"}]
        gate.open()
        assert content_of(slow.message()) == [{"type": "text", "text": "slow"}]


def test_many_streams_at_once_do_not_mix(gateway: Gateway, backend: FakeBackend) -> None:
    """Ours: every caller gets its own answer, whole and in order."""
    names = [f"stream {number}" for number in range(16)]
    gate = Gate()
    for half in ("test/beta", ALPHA):
        backend.on(half).stream(role(), text(half), gate, finish("stop"), usage(1, 1))

    def ask_for(name: str) -> Json:
        model = ALPHA if int(name.split()[1]) % 2 else "test/beta"
        with gateway.client.stream(model=model, text=name) as stream:
            return stream.message()

    with ThreadPoolExecutor(len(names)) as pool:
        answers = [pool.submit(ask_for, name) for name in names]
        backend.wait_for_calls(len(names))
        gate.open()
        messages = [answer.result() for answer in answers]
    assert [message["content"][0]["text"] for message in messages] == ["test/beta", ALPHA] * 8
    assert len({message["id"] for message in messages}) == len(names)


def test_long_stream_loses_nothing(gateway: Gateway, backend: FakeBackend) -> None:
    """Ours: three thousand chunks that come faster than they can be passed on."""
    pieces = [f"{number} " for number in range(3000)]
    backend.on(ALPHA).stream(role(), *map(text, pieces), finish("stop"), usage(1, 3000))
    with gateway.client.stream() as stream:
        assert stream.message()["content"] == [{"type": "text", "text": "".join(pieces)}]


def test_large_request_and_large_answer_pass(gateway: Gateway, backend: FakeBackend) -> None:
    """Observed client: sends a whole repository's worth of text."""
    long = "\u4e2d" * 1_400_000
    backend.on(ALPHA).answer(text(long), finish("stop"), usage(5, 5))
    response = gateway.client.messages(text=long)
    assert backend.only_call.body["messages"][0]["content"] == long
    assert response.json["content"][0]["text"] == long
