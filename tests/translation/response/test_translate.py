"""A backend's answer of either kind -> message events: the stages joined."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bridge.translation.errors.api_error import ApiError
from bridge.translation.errors.from_backend import ErrorContext
from bridge.translation.response import translate
from bridge.translation.response.events import ContentBlockDelta, InputJsonDelta, frames
from bridge.translation.response.message_stream import CUT_SHORT
from bridge.translation.response.translate import SLICE, Answer
from tests.grammar import check_stream
from tests.shapes import Json
from tests.translation.playbook import briefs, make_terms

SSE, JSON = "text/event-stream; charset=utf-8", "application/json"
START = ["start", "ping"]


def make(content_type: str = SSE, **options: Any) -> Answer:
    return Answer(make_terms(**options), ErrorContext(model="X"), content_type)


def chunk(finish: str | None = None, **delta: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":11,"completion_tokens":2}}\n\n'
DONE = b"data: [DONE]\n\n"
REPLY = json.dumps(
    {"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]}
).encode()


def test_stream_passes_through_its_phases() -> None:
    """The specification, D2: what the pump asks on the way."""
    answer = make()

    def state() -> tuple[bool, bool, bool, bool]:
        return answer.begun, answer.finishing, answer.complete, answer.over

    assert (answer.feed(chunk(role="assistant", content="")), state()) == ([], (False,) * 4)
    assert briefs(answer.feed(chunk(content="Hello"))) == [*START, "open 0 text", "add 0 Hello"]
    assert state() == (True, False, False, False)
    assert (answer.feed(chunk("stop")), state()) == ([], (True, True, False, False))
    assert (answer.feed(USAGE), state()) == ([], (True, True, True, False))
    assert briefs(answer.finish()) == ["close 0", "end end_turn", "stop"]
    assert (answer.begun, answer.finishing, answer.over) == (True, False, True)
    assert answer.feed(chunk(content="more")) == answer.finish() == []


def test_plain_reply_says_everything_at_its_end() -> None:
    """F99: the same events, whatever the backend made of `stream`."""
    answer = make(JSON)
    assert answer.feed(REPLY[:20]) == answer.feed(REPLY[20:]) == []
    assert not answer.begun
    assert briefs(answer.finish())[2:] == [
        "open 0 text", "add 0 Hello", "close 0", "end end_turn", "stop"
    ]  # fmt: skip


MISLABELLED: list[tuple[str, str, list[bytes]]] = [
    ("a stream as JSON", JSON, [chunk(content="Hello"), chunk("stop")]),
    (
        "a stream as text, a comment first",
        "text/plain",
        [b": hi\n\n", chunk(content="Hello"), chunk("stop")],
    ),
    (
        "a stream without a type, an event first",
        "",
        [b"event: x\n", chunk(content="Hello"), chunk("stop")],
    ),
    ("a stream as JSON, blanks first", JSON, [b"\n", b"\n", chunk(content="Hello"), chunk("stop")]),
    (
        "a stream as JSON, in bytes",
        JSON,
        [bytes([b]) for b in chunk(content="Hello") + chunk("stop")],
    ),
    ("a stream behind a mark", JSON, [b"\xef\xbb\xbf", chunk(content="Hello"), chunk("stop")]),
    ("another field first", SSE, [b"retry: 5\n\n", chunk(content="Hello"), chunk("stop")]),
    ("JSON as a stream", SSE, [REPLY]),
    ("JSON as a stream, blanks first", SSE, [b"\n\n", REPLY]),
    ("JSON as HTML", "text/html", [REPLY]),
]


@pytest.mark.parametrize(
    ("content_type", "pieces"), [m[1:] for m in MISLABELLED], ids=[m[0] for m in MISLABELLED]
)
def test_first_character_tells_a_stream_from_a_document(
    content_type: str, pieces: list[bytes]
) -> None:
    """B9: servers mislabel both."""
    answer = make(content_type)
    said = [event for piece in pieces for event in answer.feed(piece)] + answer.finish()
    assert check_stream(frames(said))["content"] == [{"type": "text", "text": "Hello"}]


UNDECIDED: list[tuple[str, str, bytes, str]] = [
    ("nothing as JSON", JSON, b"", "Backend returned an unreadable reply"),
    ("blanks as JSON", JSON, b" \n", "Backend returned an unreadable reply"),
    ("half a word as JSON", JSON, b"dat", "Backend returned an unreadable reply"),
    ("nothing as a stream", SSE, b"", CUT_SHORT),
    ("blanks as a stream", SSE, b"\n\n", CUT_SHORT),
    ("half a word as a stream", SSE, b"dat", CUT_SHORT),
]


@pytest.mark.parametrize(
    ("content_type", "body", "message"), [u[1:] for u in UNDECIDED], ids=[u[0] for u in UNDECIDED]
)
def test_body_that_ends_before_it_says_anything_is_an_error(
    content_type: str, body: bytes, message: str
) -> None:
    """G17, E2: never an empty message."""
    answer = make(content_type)
    assert answer.feed(body) == []
    with pytest.raises(ApiError, match=message):
        answer.finish()


def test_event_without_its_blank_line_counts() -> None:
    """F91: the last one, at the end of the body."""
    answer = make()
    said = answer.feed(chunk(content="Hello") + chunk("stop").rstrip()) + answer.finish()
    assert briefs(said)[-2:] == ["end end_turn", "stop"]


ERROR = {"error": {"code": 503, "message": "x"}}


def test_f95_error_before_anything_is_raised_and_later_told() -> None:
    """F95: worded with what is known of the request."""
    data = b"data: " + json.dumps(ERROR).encode() + b"\n\n"
    with pytest.raises(ApiError) as caught:
        make().feed(data)
    assert (caught.value.status, caught.value.type) == (529, "overloaded_error")
    answer = make()
    said = answer.feed(chunk(content="He") + data + chunk(content="llo"))
    last = "error overloaded_error: Backend is overloaded or loading: x"
    assert briefs(said) == [*START, "open 0 text", "add 0 He", last]
    assert answer.over and answer.finish() == []


def test_unreadable_stream_ends_in_an_error_event() -> None:
    """B9: what came out before stays in front of it."""
    said = make().feed(chunk(content="He") + b"data: a\n\ndata: b\n\ndata: c\n\n")
    assert briefs(said)[-1] == "error api_error: Backend sent an unreadable stream"


def test_connection_that_breaks_is_told() -> None:
    """D7: raised while nothing was shown."""
    answer = make()
    answer.feed(chunk(content="He"))
    assert briefs(answer.fail(ApiError(504, "late"))) == ["error timeout_error: late"]
    with pytest.raises(ApiError, match="late"):
        make().fail(ApiError(504, "late"))


def test_reply_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours: memory is bounded whatever a backend sends."""
    monkeypatch.setattr(translate, "MAX_REPLY_BYTES", 10)
    answer = make(JSON)
    assert answer.feed(b"{" * 10) == []
    with pytest.raises(ApiError, match="Backend sent a reply that is too large"):
        answer.feed(b"{")


# --- stop sequences ---------------------------------------------------------------------------

STOPS: Json = {"stop_sequences": ("END",), "gateway_stops": ("END",)}


def test_f86_stop_sequence_ends_the_answer_here() -> None:
    """F86: the backend has no say any more, but its usage counts."""
    answer = make(**STOPS)
    assert not answer.stopped
    said = answer.feed(chunk(content="a E") + chunk(content="ND b"))
    assert briefs(said) == [*START, "open 0 text", "add 0 a "]
    assert answer.stopped and answer.complete
    said += answer.feed(chunk(content="c") + USAGE + DONE) + answer.finish()
    assert briefs(said)[-3:] == ["close 0", "end stop_sequence END", "stop"]
    message = check_stream(frames(said))
    assert (message["content"], message["usage"]["output_tokens"]) == (
        [{"type": "text", "text": "a "}],
        2,
    )


HELD: list[tuple[str, bytes]] = [
    ("a call", chunk(tool_calls=[{"index": 0, "function": {"name": "A", "arguments": "{}"}}])),
    ("reasoning", chunk(reasoning="r")),
    ("the end mark", DONE),
]


@pytest.mark.parametrize("data", [h[1] for h in HELD], ids=[h[0] for h in HELD])
def test_held_text_goes_out_in_front_of_what_follows(data: bytes) -> None:
    """C8: it was not the beginning of a sequence."""
    answer = make(**STOPS)
    assert briefs(answer.feed(chunk(content="a EN"))) == [*START, "open 0 text", "add 0 a "]
    assert briefs(answer.feed(data))[0] == "add 0 EN"


def test_finish_reason_on_every_chunk_hides_no_stop_sequence() -> None:
    """U10, C8: only what follows it shows whether the text was over."""
    answer = make(**STOPS)
    said = answer.feed(chunk("stop", content="a E") + chunk("stop", content="ND c"))
    assert briefs(said + answer.finish())[3:] == [
        "add 0 a ",
        "close 0",
        "end stop_sequence END",
        "stop",
    ]


def test_usage_does_not_release_held_text() -> None:
    """C8: usage on every chunk says nothing about text."""
    answer = make(**STOPS)
    report: Json = {"choices": [{"delta": {"content": "E"}}], "usage": {"prompt_tokens": 1}}
    answer.feed(b"data: " + json.dumps(report).encode() + b"\n\n")
    said = answer.feed(chunk(content="ND")) + answer.finish()
    assert briefs(said)[-2] == "end stop_sequence END"


# --- the other stages -------------------------------------------------------------------------

NOW = '<tool_call>{"name": "now"}</tool_call>'
STAGES: list[tuple[str, Json, list[bytes], list[str]]] = [
    (
        "F41 a repeated prefill",
        {"prefill": "It is "},
        [chunk(content="It"), chunk(content=" is 5"), chunk("stop")],
        ["open 0 text", "add 0 5"],
    ),
    (
        "F100 thinking in tags",
        {"inline_thinking": "tags"},
        [chunk(content="<think>a</th"), chunk(content="ink>b"), chunk("stop")],
        ["open 0 thinking", "add 0 a", "sign 0", "close 0", "open 1 text", "add 1 b"],
    ),
    (
        "F100 thinking that the template opened",
        {"inline_thinking": "open"},
        [chunk(content="a</think>b"), chunk("stop")],
        ["open 0 thinking", "add 0 a", "sign 0", "close 0", "open 1 text", "add 1 b"],
    ),
    (
        "a call in the text",
        {"written_calls": {"now": {}}},
        [chunk(content=NOW[:9]), chunk(content=NOW[9:]), chunk("stop")],
        ["open 0 tool_use now toolu_*", "add 0 {}"],
    ),
    (
        "a call in the thinking in tags",
        {"inline_thinking": "tags", "written_calls": {"now": {}}},
        [chunk(content=f"<think>a\n{NOW}</think>"), chunk("stop")],
        [
            "open 0 thinking",
            "add 0 a\n",
            "sign 0",
            "close 0",
            "open 1 tool_use now toolu_*",
            "add 1 {}",
        ],
    ),
    (
        "what is held when the body ends",
        {"inline_thinking": "tags"},
        [chunk("stop"), chunk(content="<thi")],
        ["open 0 text", "add 0 <thi"],
    ),
]


@pytest.mark.parametrize(
    ("options", "pieces", "lines"), [s[1:] for s in STAGES], ids=[s[0] for s in STAGES]
)
def test_stages_work_one_behind_the_other(
    options: Json, pieces: list[bytes], lines: list[str]
) -> None:
    """C4.9, D1.4, D3, and calls that a backend has not read."""
    answer = make(**options)
    said = [event for piece in pieces for event in answer.feed(piece)] + answer.finish()
    assert briefs(said)[2:-3] == lines
    check_stream(frames(said))


def test_h2_held_text_goes_out_when_the_body_breaks_off() -> None:
    """H2: what looked like a call of an answer without an end was text."""
    answer = make(written_calls={"now": {}})
    said = answer.feed(chunk(content=f"a\n{NOW}")) + answer.fail(ApiError.bad_gateway("gone"))
    assert briefs(said)[2:] == ["open 0 text", "add 0 a\n", f"add 0 {NOW}", "error api_error: gone"]


def test_long_work_comes_in_steps() -> None:
    """Ours: one event of a megabyte lets others in between."""
    answer = make()
    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": '{"a":"' + "x" * 10**6}}
    batches = list(answer.steps(chunk(tool_calls=[call])))
    assert len(batches) > 50
    assert (
        max(
            len(event.delta.partial_json)
            for batch in batches
            for event in batch
            if isinstance(event, ContentBlockDelta) and isinstance(event.delta, InputJsonDelta)
        )
        <= SLICE
    )
