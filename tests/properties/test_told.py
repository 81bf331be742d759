"""Nothing that a backend says is lost, added or moved, whatever manners it has."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from tests.properties.listening import Heard, agree, folded, listen, said, shown_so_far
from tests.properties.telling import Told, tellings
from tests.properties.values import CUTS, pieces
from tests.shapes import Json

FAILURES = st.sampled_from(
    [
        b'data: {"error": {"code": 503, "message": "x"}}\n\n',
        b'data: {"error": "x"}\n\n',
        b'data: {"choices": [{"finish_reason": "error"}]}\n\n',
        b'data: {"choices": [{"finish_reason": "abort", "delta": {}}]}\n\n',
        b"data: {1\n\ndata: {2\n\ndata: {3\n\n",
    ]
)


def bare(content: list[Json]) -> list[Json]:
    """Blocks without what the gateway makes up itself."""
    return [
        {k: v for k, v in block.items() if k not in ("type", "id", "signature")}
        for block in content
    ]


def shown(heard: Heard) -> tuple[list[Json], str]:
    message = heard.result
    assert message["type"] == "message", message
    assert agree(message, folded(heard))
    return bare(folded(heard)["content"]), message["stop_reason"]


def begins_with_a_stray_tag(told: Told) -> bool:
    """Behind reasoning, a closing tag at the start of the text is a leftover and no text."""
    texts = [block["text"] for block in told.plain_content if "text" in block]
    return "</think>" in "".join(texts) and any(kind == "thinking" for kind, _ in told.entries)


@given(told=tellings(), cuts=CUTS)
def test_message_holds_what_was_told_and_nothing_else(told: Told, cuts: list[int]) -> None:
    """S12, S13: the specification D3 to D5, in every order, every numbering and every noise."""
    assume(not begins_with_a_stray_tag(told))
    heard = listen(pieces(told.body, cuts))
    if told.complete:
        assert shown(heard) == (told.content, told.stop_reason)
    else:
        assert heard.result["type"] == "error"


@given(told=tellings())
def test_plain_reply_says_the_same(told: Told) -> None:
    """Ours: a backend that answers with one document is read by the same rules."""
    assume(not begins_with_a_stray_tag(told))
    heard = listen([told.plain], "application/json")
    if told.reason or told.entries:
        assert shown(heard) == (told.plain_content, told.stop_reason)


@given(told=tellings(), failure=FAILURES, place=st.integers(0, 20))
def test_failure_is_told_and_what_came_before_it_stays(
    told: Told, failure: bytes, place: int
) -> None:
    """Backends observed: fail in mid-answer; never dressed up as an end, nothing taken back."""
    at = place % (len(told.events) + 1)
    before, behind = b"".join(told.events[:at]), b"".join(told.events[at:])
    heard = listen([before + failure + behind])
    assert heard.result["type"] == "error"
    for kind in ("text", "thinking"):
        assert said(heard.events, kind) == said(shown_so_far(before), kind)


@given(told=tellings(), length=st.integers(0, 2000))
def test_cut_answer_shows_the_beginning_of_the_whole_one(told: Told, length: int) -> None:
    """Backends observed: vanish anywhere, also inside a line."""
    body = told.body
    heard = listen([body[: length % (len(body) + 1)]])
    assert heard.lenient_result["type"] in ("message", "error")
    for kind in ("text", "thinking"):
        assert _all(told, kind).startswith(said(heard.events, kind))


def _all(told: Told, kind: str) -> str:
    return "".join(block.get(kind, "") for block in told.content)
