"""Deltas that are frames at once. That they are the same bytes in any mixture is held by
`tests/properties/test_usual_chunks.py`; here, when they are taken and when not."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.translation.response.events import ContentBlockDelta, TextDelta, frames
from bridge.translation.response.translate import AT_ONCE, Answer
from tests.bridge.making import an_answer, wire
from tests.fakes.chunks import call, finish, reasoning, text, usage


def begun(*before: Any, **terms: Any) -> Answer:
    """An answer that writes, and has shown what came before."""
    answer = an_answer(**terms)
    answer.writes = True
    answer.feed(wire(*before))
    answer.feed(wire(*before[-1:]))  # what stands at the door of a block has gone
    return answer


def test_more_text_is_written() -> None:
    answer = begun(text("Hi"))
    written = answer.more(wire(text(" there")))
    assert written is not None
    assert written.frames == frames([ContentBlockDelta(0, TextDelta(" there"))])


def test_more_thinking_is_written() -> None:
    answer = begun(text("Hi"), reasoning("Hm"))
    assert answer.more(wire(reasoning(" so"))) is not None


def test_all_text_of_one_piece_is_written_together() -> None:
    answer = begun(text("Hi"))
    written = answer.more(wire(*(text(f" {number}") for number in range(5))))
    assert written is not None
    assert written.frames.count(b"event: content_block_delta") == 5


def test_written_text_counts_as_output() -> None:
    written, told = begun(text("Hi")), begun(text("Hi"))
    piece = wire(text(" t\u00e9xt" * 50))
    assert written.more(piece) is not None
    told.feed(piece)
    assert written.usage == told.usage
    assert written.usage.output_tokens > 50


@pytest.mark.parametrize(
    "data",
    [
        wire(reasoning("Hm")),
        wire(text(" there"), finish("stop")),
        wire(usage(5, 2)),
        wire(call(0, "call_1", "Bash", "{}")),
        wire(text(" there"))[:-1],
        wire(text("x" * AT_ONCE)),
        b": comment\n\n",
        b"",
    ],
)
def test_anything_else_is_not(data: bytes) -> None:
    assert begun(text("Hi")).more(data) is None


@pytest.mark.parametrize(
    "terms", [{"gateway_stops": ("END",)}, {"omit_thinking": True}], ids=["stops", "omitted"]
)
def test_what_may_be_held_or_left_out_is_not(terms: Any) -> None:
    before = reasoning("Hm") if "omit_thinking" in terms else text("Hi")
    assert begun(before, **terms).more(wire(before)) is None


WATCHED: dict[str, Any] = {"written_calls": {"Bash": {"type": "object"}}}


@pytest.mark.parametrize(
    ("before", "more"),
    [
        ("Hi", [" there"]),
        ("Hi", [" <tool_call>"]),
        ("Hi", [" there", ".\n"]),
        ("Hi\n", ["there"]),
        ("Hi\n", ["  there", " <tool_call>"]),
        ("Hi\n", ["\n"]),
        ("```\n", ["there"]),
    ],
)
def test_text_that_cannot_be_a_call_is_written(before: str, more: list[str]) -> None:
    written = begun(text(before), **WATCHED).more(wire(*map(text, more)))
    assert written is not None
    assert written.frames == frames([ContentBlockDelta(0, TextDelta(piece)) for piece in more])


@pytest.mark.parametrize(
    ("before", "more"),
    [
        ("Hi\n", ["<tool_call>"]),
        ("Hi\n", ["  "]),
        ("Hi\n", [" ", "there"]),
        ("Hi\n<tool_", [" there"]),
        ("Hi", ["\n<tool_call>"]),
        ("Hi", ["\n", "there"]),
    ],
)
def test_text_that_may_become_a_call_is_not(before: str, more: list[str]) -> None:
    assert begun(text(before), **WATCHED).more(wire(*map(text, more))) is None


def test_nothing_is_written_where_somebody_looks() -> None:
    answer = begun(text("Hi"))
    answer.writes = False
    assert answer.more(wire(text(" there"))) is None
