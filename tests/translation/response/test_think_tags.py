"""Thinking that a backend leaves in the text."""

from __future__ import annotations

import pytest

from bridge.translation.response.deltas import (
    ContentDelta,
    Finish,
    Reasoning,
    ReportedUsage,
    Text,
    ToolCall,
)
from bridge.translation.response.dialects.think_tags import StrayCloser, ThinkTags

STOP = Finish("stop")


def run(deltas: list[ContentDelta], opened: bool) -> tuple[str, str]:
    """(thinking, text) that come out."""
    tags = ThinkTags(opened)
    said = [out for delta in [*deltas, STOP] for out in tags.feed(delta)] + tags.finish()
    thinking = "".join(d.text for d in said if isinstance(d, Reasoning))
    return thinking, "".join(d.text for d in said if isinstance(d, Text))


def in_characters(text: str) -> list[ContentDelta]:
    return [Text(character) for character in text]


TEXTS: list[tuple[str, bool, str, tuple[str, str]]] = [
    ("F100 a thought and an answer", False, "<think>a</think>b", ("a", "b")),
    ("blank lines at both tags", False, "<think>\na\n</think>\n\nb\n", ("\na\n", "b\n")),
    ("a thought of blank lines", False, "<think>\n\n</think>\n\nb", ("", "b")),
    ("blanks in front of the thought", False, "\n <think>a</think>b", ("a", "b")),
    ("no thought", False, "answer", ("", "answer")),
    ("an empty thought", False, "<think></think>b", ("", "b")),
    ("a thought that never closes", False, "<think>a", ("a", "")),
    ("the beginning of a closer in a thought", False, "<think>a </th b", ("a </th b", "")),
    ("the beginning of a closer at the end", False, "<think>a </thi", ("a </thi", "")),
    ("a tag later in the text", False, "b <think>a</think>", ("", "b <think>a</think>")),
    (
        "a second thought is text",
        False,
        "<think>a</think>b<think>c</think>",
        ("a", "b<think>c</think>"),
    ),
    ("only the beginning of a tag", False, "<thi", ("", "<thi")),
    ("something like a tag", False, "<thinks>", ("", "<thinks>")),
    ("only white space", False, " \n", ("", " \n")),
    ("nothing", False, "", ("", "")),
    ("Magistral", False, "[THINK]a</think>[/THINK]\n\nb", ("a</think>", "b")),
    ("Seed", False, "<seed:think>a</seed:think>b", ("a", "b")),
    ("Gemma, behind Gemini's front", False, "<thought>a</thought>b", ("a", "b")),
    ("the beginning of another tag", False, "[THIN", ("", "[THIN")),
    ("another's closer", False, "[THINK]a</think>b", ("a</think>b", "")),
    ("opened by the template", True, "a</think>\nb", ("a", "b")),
    ("opened by the template, and repeated", True, "<think>a</think>b", ("a", "b")),
    ("opened by the template, never closed", True, "a", ("a", "")),
]


@pytest.mark.parametrize("split", [False, True], ids=["whole", "in characters"])
@pytest.mark.parametrize(
    ("opened", "text", "parts"), [t[1:] for t in TEXTS], ids=[t[0] for t in TEXTS]
)
def test_f100_thought_is_split_off_the_text(
    opened: bool, text: str, parts: tuple[str, str], split: bool
) -> None:
    """F100, D1.4 and D3: at the very start only, however the text is cut."""
    assert run(in_characters(text) if split else [Text(text)], opened) == parts


def test_closing_tag_alone_means_that_the_template_opened_it() -> None:
    """D1.4: in a whole answer, where it can still be known."""
    assert run([Text("a</think>b")], opened=False) == ("a", "b")


def test_reasoning_field_wins_over_tags() -> None:
    """D1.4: what looks like a tag is meant as text then."""
    assert run([Reasoning("r"), Text("<think>a</think>b")], False) == ("r", "<think>a</think>b")
    assert run([Text("<thi"), Reasoning("r"), Text("nk>")], False) == ("r", "<think>")


def test_other_deltas_pass_behind_what_was_held() -> None:
    """Ours: order is kept; usage says nothing about text."""
    tags = ThinkTags(opened=False)
    usage, call = ReportedUsage(1, 1), ToolCall(0, "c", "A", "{}")
    assert [tags.feed(Text("<thi")), tags.feed(usage)] == [[], [usage]]
    assert tags.feed(call) == [Text("<thi"), call]
    tags = ThinkTags(opened=False)
    tags.feed(Text("<think>a</thi"))
    assert tags.feed(call) == [Reasoning("</thi"), call]


def test_thought_goes_out_as_it_comes() -> None:
    """D3: no more than a possible tag is held back."""
    tags = ThinkTags(opened=False)
    fed = [tags.feed(Text(piece)) for piece in ("<think>", "a <", "b", "</think>", "\n", "c")]
    said = [[d for d in out if d not in (Reasoning(""), Text(""))] for out in fed]
    expected: list[list[ContentDelta]] = [
        [],
        [Reasoning("a ")],
        [Reasoning("<b")],
        [],
        [],
        [Text("c")],
    ]
    assert said == expected


def test_finish_reason_inside_a_tag_ends_nothing() -> None:
    """U10: servers that name a reason with every chunk, gcli2api#403."""
    pieces: list[ContentDelta] = [Text("<thi"), STOP, Text("nk>a</th"), STOP, Text("ink>b")]
    assert run(pieces, opened=False) == ("a", "b")


@pytest.mark.parametrize("cuts", [(), (8,), (9,), (3, 8, 9), (8, 9, 10)])
def test_stray_closing_tag_goes_with_the_blank_lines_behind_it(cuts: tuple[int, ...]) -> None:
    """Ours: they are no part of the answer, however its chunks are cut."""
    text = "</think>\n\nb\n\nc"
    places = [0, *cuts, len(text)]
    stage = StrayCloser()
    fed: list[ContentDelta] = [Reasoning("r")]
    fed += [Text(text[a:b]) for a, b in zip(places, places[1:], strict=False)]
    said = [out for delta in [*fed, STOP] for out in stage.feed(delta)]
    assert "".join(d.text for d in said if isinstance(d, Text)) == "b\n\nc"
