"""A backend that repeats the prefill before it goes on."""

from __future__ import annotations

import pytest

from bridge.translation.response.deltas import ContentDelta, Finish, Reasoning, ReportedUsage, Text
from bridge.translation.response.dialects.prefill_echo import PrefillEcho

STOP = Finish("stop")
ECHOES: list[tuple[str, list[ContentDelta], str]] = [
    ("repeated whole", [Text("The answer is 5")], " 5"),
    ("repeated in pieces", [Text("The"), Text(" answer"), Text(" is"), Text(" 5")], " 5"),
    ("repeated and nothing more", [Text("The answer is")], ""),
    ("not repeated", [Text(" 5, The answer is")], " 5, The answer is"),
    ("begun alike", [Text("The answer"), Text(" was 5")], "The answer was 5"),
    ("begun alike, then over", [Text("The ans")], "The ans"),
    ("begun alike, usage between", [Text("The"), ReportedUsage(1, 1), Text(" answer is 5")], " 5"),
    ("begun alike, then thinking", [Text("The"), Reasoning("r"), Text(" 5")], "The 5"),
    ("U10 repeated, with a reason each time", [Text("The"), STOP, Text(" answer is 5")], " 5"),
    ("repeated twice", [Text("The answer is"), Text("The answer is")], "The answer is"),
    ("nothing", [], ""),
]


@pytest.mark.parametrize(("deltas", "text"), [e[1:] for e in ECHOES], ids=[e[0] for e in ECHOES])
def test_client_gets_what_comes_behind_its_own_words(deltas: list[ContentDelta], text: str) -> None:
    """llama-server observed, C4.9."""
    echo = PrefillEcho("The answer is")
    said = [out for delta in [*deltas, STOP] for out in echo.feed(delta)] + echo.finish()
    assert "".join(d.text for d in said if isinstance(d, Text)) == text
    assert [d for d in said if not isinstance(d, Text)] == [
        d for d in [*deltas, STOP] if not isinstance(d, Text)
    ]


def test_order_is_kept() -> None:
    """Ours: what was held goes out in front of what follows."""
    echo = PrefillEcho("The answer is")
    assert echo.feed(Text("The")) == []
    assert echo.feed(Reasoning("r")) == [Text("The"), Reasoning("r")]
    assert echo.feed(Text("x")) == [Text("x")]
