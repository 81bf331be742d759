"""Message events -> one message."""

from __future__ import annotations

import json

import pytest

from bridge.translation.errors.api_error import ApiError
from bridge.translation.json import encode
from bridge.translation.response.deltas import (
    ContentDelta,
    Finish,
    Reasoning,
    ReportedUsage,
    Text,
    ToolCall,
)
from bridge.translation.response.events import (
    ContentBlockDelta,
    ContentBlockStart,
    ContentBlockStop,
    Event,
    MessageDelta,
    MessageStop,
    Stop,
    TextBlock,
    TextDelta,
    ThinkingBlock,
    ThinkingDelta,
)
from bridge.translation.response.events import Usage as Counts
from bridge.translation.response.fold import fold
from tests.shapes import Json, check_message
from tests.translation.playbook import Playbook

STOP = Finish("stop")


def everything() -> Playbook:
    """A stream with every kind of block."""
    calls = [ToolCall(0, "c1", "A", '{"a":'), ToolCall(0, "", "", "[1]}"), ToolCall(1, "c2", "B")]
    thought: list[ContentDelta] = [Reasoning("h"), Reasoning("m"), Text("He"), Text("llo")]
    return Playbook().feed(*thought, *calls, STOP, ReportedUsage(11, 2)).finish()


def folded(stream: list[Event]) -> Json:
    message: Json = json.loads(encode(fold(stream)))
    return check_message(message)


def test_plain_answer_is_the_folded_stream() -> None:
    """Ours: one machine for both; F106."""
    book = everything()
    assert folded(book.events) == book.message
    assert [block.get("input") for block in book.message["content"]] == [None, None, {"a": [1]}, {}]


def test_folding_changes_nothing() -> None:
    """Ours: inputs are never changed."""
    book = everything()
    assert folded(book.events) == folded(book.events)


def test_refusal_and_context_edits_are_kept() -> None:
    """F84, F60."""
    book = Playbook(context_management=True).feed(Text("no"), Finish("content_filter")).finish()
    message = folded(book.events)
    assert message["stop_details"] == {"type": "refusal", "category": None, "explanation": None}
    assert message["context_management"] == {"applied_edits": []}


INPUTS: list[tuple[str, ToolCall, Finish, Json]] = [
    ("F108 a list", ToolCall(0, "c", "A", "[1]"), STOP, {"value": [1]}),
    (
        "F79 cut",
        ToolCall(0, "c", "A", '{"a": "x'),
        Finish("length"),
        {"__unparsedToolInput": {"raw": '{"a": "x', "len": 8}},
    ),
    (
        "broken",
        ToolCall(0, "c", "A", '{"a": tru!}'),
        STOP,
        {"__unparsedToolInput": {"raw": '{"a": tru!}', "len": 11}},
    ),
]


@pytest.mark.parametrize(
    ("call", "finish", "value"), [i[1:] for i in INPUTS], ids=[i[0] for i in INPUTS]
)
def test_input_of_a_plain_answer_is_always_an_object(
    call: ToolCall, finish: Finish, value: Json
) -> None:
    """F108 and the specification, D4."""
    book = Playbook().feed(call, finish)
    assert folded(book.finish().events)["content"][0]["input"] == value


UNFINISHED: list[tuple[str, list[Event]]] = [
    ("nothing", []),
    ("only a beginning", Playbook().open().events),
    ("text", Playbook().feed(Text("a")).events),
    ("an error", Playbook().feed(Text("a")).fail(ApiError(500, "x")).events),
    (
        "no beginning",
        [
            ContentBlockStart(0, TextBlock()),
            ContentBlockDelta(0, TextDelta("a")),
            ContentBlockStop(0),
            MessageDelta(Stop("end_turn"), Counts(1, 1)),
            MessageStop(),
        ],
    ),
]


@pytest.mark.parametrize("stream", [u[1] for u in UNFINISHED], ids=[u[0] for u in UNFINISHED])
def test_stream_that_did_not_finish_is_no_message(stream: list[Event]) -> None:
    """Ours: half an answer is never given for a whole one."""
    with pytest.raises(ApiError, match="Backend did not finish its answer"):
        fold(stream)


def test_delta_of_another_kind_is_ignored() -> None:
    """Ours: as clients do."""
    stream = Playbook().open().events
    stream += [
        ContentBlockStart(0, TextBlock()),
        ContentBlockDelta(0, ThinkingDelta("x")),
        ContentBlockDelta(0, TextDelta("a")),
        ContentBlockStop(0),
        ContentBlockStart(1, ThinkingBlock()),
        ContentBlockDelta(1, TextDelta("x")),
        ContentBlockStop(1),
        MessageDelta(Stop("end_turn"), Counts(1, 1)),
    ]
    assert fold(stream).content == [TextBlock("a"), ThinkingBlock()]
