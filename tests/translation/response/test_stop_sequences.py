"""Stop sequences that the gateway finds itself."""

from __future__ import annotations

import pytest

from bridge.translation.response.stop_sequences import StopMatcher

FOUND: list[tuple[str, tuple[str, ...], list[str], str, str | None]] = [
    ("none there", ("END",), ["a", "b"], "ab", None),
    ("F86 in one piece", ("END",), ["abENDcd"], "ab", "END"),
    ("F86 over three pieces", ("END",), ["..E", "N", "D tail"], "..", "END"),
    ("F86 only the beginning of one", ("END",), ["..EN", "OUGH"], "..ENOUGH", None),
    ("the beginning of one at the end", ("END",), ["..EN"], "..EN", None),
    ("a false start in front of a true one", ("aab",), ["a", "a", "a", "b"], "a", "aab"),
    ("the first of two in the text", ("x", "y"), ["1y2x"], "1", "y"),
    ("the shorter of two at one place", ("abc", "ab"), ["1abc"], "1", "ab"),
    ("the one that is complete first", ("bcd", "c"), ["abcd"], "ab", "c"),
    ("the longer of two at one end", ("c", "bc"), ["abc"], "a", "bc"),
    ("a single character", ("\n",), ["one", "\ntwo"], "one", "\n"),
    ("nothing behind it", ("END",), ["END", "more"], "", "END"),
    ("no sequences", (), ["END"], "END", None),
]


@pytest.mark.parametrize("split", [False, True], ids=["as given", "in characters"])
@pytest.mark.parametrize(
    ("sequences", "pieces", "visible", "matched"), [f[1:] for f in FOUND], ids=[f[0] for f in FOUND]
)
def test_text_goes_up_to_the_first_stop_sequence(
    sequences: tuple[str, ...], pieces: list[str], visible: str, matched: str | None, split: bool
) -> None:
    """The specification, C8, however the text is cut."""
    matcher = StopMatcher(sequences)
    shown = ""
    for piece in "".join(pieces) if split else pieces:
        if matcher.matched is None:
            shown += matcher.feed(piece)
    assert (shown + matcher.finish(), matcher.matched) == (visible, matched)


def test_no_more_is_held_back_than_may_begin_a_sequence() -> None:
    """The specification, C8: the rest is shown at once."""
    matcher = StopMatcher(("STOP", "</a>"))
    assert [matcher.feed("some S"), matcher.feed("ay <"), matcher.feed("/b>")] == [
        "some ",
        "Say ",
        "</b>",
    ]
    assert matcher.finish() == ""
