"""The screen shows what a terminal would."""

import pytest

from tests.fakes.screen import Screen

DRAWN = [
    ("plain", "one\r\ntwo", ["one", "two", ""]),
    ("colours", "\x1b[38;5;246mone\x1b[39m", ["one", "", ""]),
    ("a title and a link", "\x1b]0;title\x07\x1b]8;;\x07one\x1b]8;;\x1b\\", ["one", "", ""]),
    ("words set apart by columns", "You\x1b[5Gwrote", ["You wrote", "", ""]),
    ("a change in a line above", "one\r\ntwo\x1b[1A\x1b[1GO", ["One", "two", ""]),
    ("cursor by row and column", "\x1b[2;3Hx\x1b[Hy", ["y", "  x", ""]),
    ("steps", "abc\x1b[2DX\x1b[1CY\x1b[1BZ", ["aXcY", "    Z", ""]),
    ("a tab and a backspace", "a\tb\bc", ["a       c", "", ""]),
    ("the rest of a line erased", "abcd\x1b[2G\x1b[K", ["a", "", ""]),
    ("a line erased to the cursor", "abcd\x1b[2G\x1b[1K", ["  cd", "", ""]),
    ("all below erased", "a\r\nb\r\nc\x1b[2A\x1b[J", ["a", "", ""]),
    ("all erased", "a\r\nb\x1b[2J", ["", "", ""]),
    ("a saved place", "a\x1b7bc\x1b8X", ["aXc", "", ""]),
    ("a full line is not left yet", "0123456789\rX", ["X123456789", "", ""]),
    ("a line that is too long", "0123456789ab", ["0123456789", "ab", ""]),
    ("wide characters", "字x", ["字x", "", ""]),
    ("private modes", "\x1b[?2004h\x1b[>0q\x1b(Bx", ["x", "", ""]),
]


@pytest.mark.parametrize(("written", "shown"), [d[1:] for d in DRAWN], ids=[d[0] for d in DRAWN])
@pytest.mark.parametrize("size", [1, 1000], ids=["byte by byte", "whole"])
def test_screen_shows_what_was_written(written: str, shown: list[str], size: int) -> None:
    """Ours: in pieces of any size."""
    screen = Screen(rows=3, columns=10)
    data = written.encode()
    for start in range(0, len(data), size):
        screen.feed(data[start : start + size])
    assert screen.lines == shown


def test_lines_that_left_the_screen_are_kept() -> None:
    """Ours: an answer may be longer than the screen."""
    screen = Screen(rows=2, columns=10)
    screen.feed(b"one\r\ntwo\r\nthree")
    assert screen.lines == ["two", "three"]
    assert screen.text == "one\ntwo\nthree"


def test_text_is_held_wherever_its_lines_break() -> None:
    """Ours: a program breaks lines at the width that it has."""
    screen = Screen(rows=3, columns=10)
    screen.feed(b"Hello\r\nthere")
    assert screen.holds("Hello there")
    assert not screen.holds("Hello, there")
