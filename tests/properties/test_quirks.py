"""Streams built from the reported quirks in any combination mean what their backend meant."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from tests.properties.listening import Heard, agree, folded, listen
from tests.properties.quirks import (
    MANNERS,
    TRUTHS,
    UNREADABLE,
    Manners,
    Truth,
    plain,
    streamed,
    wanted,
)
from tests.properties.values import CUTS, pieces
from tests.shapes import Json


def outcome(heard: Heard) -> Json:
    """What `wanted` says, of an answer whose grammar was checked."""
    message = heard.result
    assert message["type"] == "message", message
    assert agree(message, folded(heard))
    made_up = ("type", "id", "signature")
    content = [{k: v for k, v in b.items() if k not in made_up} for b in message["content"]]
    counts = ("input_tokens", "cache_read_input_tokens", "output_tokens")
    usage = {name: message["usage"][name] for name in counts}
    return {"content": content, "stop_reason": message["stop_reason"], "usage": usage}


@given(truth=TRUTHS, manners=MANNERS, cuts=CUTS)
def test_quirks_of_a_stream_change_nothing_of_its_meaning(
    truth: Truth, manners: Manners, cuts: list[int]
) -> None:
    """U8, U10-U12, U15-U17, U19, U20, U35: grammar, blocks, calls, stop reason and counts."""
    body = b"".join(streamed(truth, manners))
    assert outcome(listen(pieces(body, cuts), **manners.terms)) == wanted(truth)


@given(truth=TRUTHS, manners=MANNERS)
def test_quirks_of_a_document_change_nothing_of_its_meaning(truth: Truth, manners: Manners) -> None:
    """The same quirks in a plain reply."""
    heard = listen([plain(truth, manners)], "application/json", **manners.terms)
    assert outcome(heard) == wanted(truth)


@given(truth=TRUTHS, manners=MANNERS, place=st.integers(0, 30))
def test_stream_that_lost_a_piece_of_a_call_runs_nothing(
    truth: Truth, manners: Manners, place: int
) -> None:
    """U9: what is joined over a gap would be another command."""
    events = streamed(truth, manners)
    inside = [n for n, event in enumerate(events) if b"arguments" in event and b"name" not in event]
    assume(inside)
    at = inside[place % len(inside)]
    heard = listen([b"".join([*events[:at], UNREADABLE, *events[at + 1 :]])], **manners.terms)
    assert heard.result["type"] == "error"


@given(truth=TRUTHS, manners=MANNERS, reason=st.sampled_from(["network_error", "error", "ABORT"]))
def test_stream_that_failed_in_any_manner_is_an_error(
    truth: Truth, manners: Manners, reason: str
) -> None:
    """U8: whatever was said before it."""
    events = streamed(truth, manners)
    failed = f'data: {{"choices": [{{"delta": {{}}, "finish_reason": "{reason}"}}]}}\n\n'.encode()
    last = next(n for n, event in reversed(list(enumerate(events))) if b"finish_reason" in event)
    heard = listen([b"".join([*events[:last], failed])], **manners.terms)
    assert heard.result["type"] == "error"
