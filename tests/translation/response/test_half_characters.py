"""Characters that come half by half."""

from __future__ import annotations

import pytest

from bridge.translation.response.deltas import Delta, Done, Reasoning, Text
from bridge.translation.response.dialects.chat import ChunkReader

CHUNK = '{"choices": [{"index": 0, "delta": {"%s": "%s"}}]}'


def read(*payloads: str) -> list[Delta]:
    reader = ChunkReader()
    deltas = [delta for payload in payloads for delta in reader.feed(payload.encode())]
    return deltas + reader.finish()


def texts(*pieces: str, field: str = "content") -> str:
    return "".join(
        delta.text
        for delta in read(*(CHUNK % (field, piece) for piece in pieces))
        if isinstance(delta, (Text, Reasoning))
    )


HALVES: list[tuple[str, list[str], str]] = [
    ("two halves", ["a\\ud83d", "\\ude00b"], "a\U0001f600b"),
    ("in capitals", ["\\uD83D", "\\uDE00"], "\U0001f600"),
    ("behind other words", ["Hi ", "a\\ud83d", "\\ude00", " b"], "Hi a\U0001f600 b"),
    ("two in a row", ["\\ud83d", "\\ude00\\ud83d", "\\ude01"], "\U0001f600\U0001f601"),
    ("another half never comes", ["a\\ud83d", "b"], "a\ufffdb"),
    ("nothing comes", ["a\\ud83d"], "a\ufffd"),
    ("only the second half", ["a", "\\ude00b"], "a\ufffdb"),
    ("the escape of a backslash", ["a\\\\ud83d", "\\ude00"], "a\\ud83d\ufffd"),
    ("a whole character at the end", ["\\ud83d\\ude00", "b"], "\U0001f600b"),
]


@pytest.mark.parametrize("field", ["content", "reasoning_content"])
@pytest.mark.parametrize(("pieces", "whole"), [h[1:] for h in HALVES], ids=[h[0] for h in HALVES])
def test_character_in_two_chunks_is_one(pieces: list[str], whole: str, field: str) -> None:
    """eliza#30904, rakazo#416: servers that cut their text by UTF-16 unit."""
    assert texts(*pieces, field=field) == whole


def test_chunk_that_waited_comes_in_front_of_the_end() -> None:
    """Ours: nothing is lost behind the end mark."""
    assert read(CHUNK % ("content", "a\\ud83d"), "[DONE]") == [Text("a\ufffd"), Done()]


def test_half_in_another_place_changes_nothing() -> None:
    """Ours: what stands behind a quote inside a string does not begin it."""
    assert texts("a\\ud83d", 'b \\"\\ude00') == 'a\ufffdb "\ufffd'
