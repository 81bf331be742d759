"""Messages through the official SDK: plain, streamed, with thinking, with limits."""

import re

import pytest
from anthropic import Anthropic
from anthropic.types import MessageParam
from anthropic.types.beta import BetaMessageParam

from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import Json, finish, reasoning, role, text, usage

HELLO: tuple[Json, ...] = (role(), text("He"), text("llo"), finish("stop"), usage(11, 2))
ASK: list[MessageParam] = [{"role": "user", "content": "Say hello."}]


def test_plain_message_arrives_whole(sdk: Anthropic, backend: FakeBackend) -> None:
    """API documentation: every member that the SDK's model requires. P1, R21, S1, S4."""
    backend.on(ALPHA).answer(*HELLO)
    message = sdk.messages.create(model=ALPHA, max_tokens=100, messages=ASK)
    assert [(block.type, getattr(block, "text", None)) for block in message.content] == [
        ("text", "Hello")
    ]
    assert re.fullmatch(r"msg_[A-Za-z0-9]{24}", message.id)
    assert (message.type, message.role, message.model) == ("message", "assistant", ALPHA)
    assert (message.stop_reason, message.stop_sequence) == ("end_turn", None)
    assert (message.usage.input_tokens, message.usage.output_tokens) == (11, 2)
    assert re.fullmatch(r"req_[A-Za-z0-9_-]{24,}", message._request_id or "")


def test_backend_is_asked_in_its_own_words(sdk: Anthropic, backend: FakeBackend) -> None:
    """Observed backends: a chat completion with nothing foreign in it. P1, R12, R15, R16."""
    history: list[MessageParam] = [*ASK, {"role": "assistant", "content": "Hello"}]
    sdk.messages.create(
        model=ALPHA,
        max_tokens=100,
        system="Be brief.",
        messages=[*history, {"role": "user", "content": [{"type": "text", "text": "Again."}]}],
    )
    body = backend.only_call.body
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Say hello."},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "Again."},
    ]
    assert (body["model"], body["max_tokens"]) == (ALPHA, 100)
    assert not body.get("stream")
    assert not {"tools", "tool_choice", "system", "metadata"} & body.keys()
    assert None not in body.values()


def test_stream_helper_yields_text_and_final_message(sdk: Anthropic, backend: FakeBackend) -> None:
    """API documentation: the helper's text stream and its final message. P17, R21, S1, S3."""
    backend.on(ALPHA).answer(*HELLO)
    with sdk.messages.stream(model=ALPHA, max_tokens=100, messages=ASK) as stream:
        assert list(stream.text_stream) == ["He", "llo"]
        message = stream.get_final_message()
    assert message.content[0].to_dict() == {"type": "text", "text": "Hello"}
    assert (message.stop_reason, message.model) == ("end_turn", ALPHA)
    assert (message.usage.input_tokens, message.usage.output_tokens) == (11, 2)
    assert backend.only_call.body["stream"] is True
    assert backend.only_call.body["stream_options"] == {"include_usage": True}


def test_beta_stream_helper_reads_the_same(sdk: Anthropic, backend: FakeBackend) -> None:
    """Observed client: the beta twin sends a query and further headers to the same path."""
    backend.on(ALPHA).answer(*HELLO)
    ask: list[BetaMessageParam] = [{"role": "user", "content": "Say hello."}]
    with sdk.beta.messages.stream(model=ALPHA, max_tokens=100, messages=ask) as stream:
        message = stream.get_final_message()
    assert message.content[0].to_dict() == {"type": "text", "text": "Hello"}


def test_iterated_stream_has_every_event_once(sdk: Anthropic, backend: FakeBackend) -> None:
    """API documentation: the order of events. P2, S2."""
    backend.on(ALPHA).answer(*HELLO)
    events = sdk.messages.create(model=ALPHA, max_tokens=100, messages=ASK, stream=True)
    assert [event.type for event in events if event.type != "content_block_delta"] == [
        "message_start",
        "content_block_start",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_becomes_a_thinking_block(
    sdk: Anthropic, backend: FakeBackend, field: str
) -> None:
    """Observed backends: two names for the field; API documentation: thinking before text. S11."""
    backend.on(ALPHA).answer(
        role(),
        reasoning("Let me ", field),
        reasoning("see.", field),
        text("42"),
        finish("stop"),
        usage(11, 9),
    )
    plain = sdk.messages.create(model=ALPHA, max_tokens=100, messages=ASK)
    with sdk.messages.stream(model=ALPHA, max_tokens=100, messages=ASK) as stream:
        streamed = stream.get_final_message()
    for message in (plain, streamed):
        thinking, answer = message.content
        assert thinking.type == "thinking" and thinking.thinking == "Let me see."
        assert thinking.signature
        assert answer.type == "text" and answer.text == "42"


def test_thinking_may_be_sent_back(sdk: Anthropic, backend: FakeBackend) -> None:
    """API documentation: clients return thinking blocks unchanged."""
    backend.on(ALPHA).answer(role(), reasoning("Hm."), text("42"), finish("stop"), usage(11, 9))
    first = sdk.messages.create(
        model=ALPHA, max_tokens=2000, messages=ASK, thinking={"type": "adaptive"}
    )
    again: list[MessageParam] = [
        *ASK,
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": "Sure?"},
    ]
    sdk.messages.create(model=ALPHA, max_tokens=2000, messages=again)
    sent = backend.calls[1].body["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "user"]
    assert sent[1]["content"] == "42"
    assert "gw1." not in backend.calls[1].raw.decode()


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("length", "max_tokens"), ("content_filter", "refusal"), ("stop", "end_turn")],
)
def test_finish_reason_becomes_stop_reason(
    sdk: Anthropic, backend: FakeBackend, reason: str, expected: str
) -> None:
    """API documentation of both sides. S2."""
    backend.on(ALPHA).answer(role(), text("So"), finish(reason), usage(11, 2))
    plain = sdk.messages.create(model=ALPHA, max_tokens=100, messages=ASK)
    with sdk.messages.stream(model=ALPHA, max_tokens=100, messages=ASK) as stream:
        streamed = stream.get_final_message()
    assert (plain.stop_reason, streamed.stop_reason) == (expected, expected)


def test_stop_sequence_cuts_the_text(sdk: Anthropic, backend: FakeBackend) -> None:
    """API documentation: the text ends before the sequence, which is named."""
    backend.on(ALPHA).stream(role(), text("one E"), text("ND two"), finish("stop"), usage(11, 5))
    with sdk.messages.stream(
        model=ALPHA, max_tokens=100, messages=ASK, stop_sequences=["END"]
    ) as stream:
        message = stream.get_final_message()
    assert message.content[0].to_dict() == {"type": "text", "text": "one "}
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "END")


def test_cached_tokens_are_told_apart(sdk: Anthropic, backend: FakeBackend) -> None:
    """API documentation: the three input counts add up to the whole prompt."""
    cached = usage(100, 5, prompt_tokens_details={"cached_tokens": 80})
    backend.on(ALPHA).answer(role(), text("So"), finish("stop"), cached)
    plain = sdk.messages.create(model=ALPHA, max_tokens=100, messages=ASK)
    with sdk.messages.stream(model=ALPHA, max_tokens=100, messages=ASK) as stream:
        streamed = stream.get_final_message()
    for message in (plain, streamed):
        assert message.usage.input_tokens == 20
        assert message.usage.cache_read_input_tokens == 80
        assert message.usage.output_tokens == 5
