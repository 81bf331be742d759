"""The stages between a backend's words and the message: stop sequences, tags, repeated prefills.

Each may hold text back and hands on every character that it is not there to take.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from hypothesis import given
from hypothesis import strategies as st

from bridge.translation.response.deltas import ContentDelta, Finish, Reasoning, Text
from bridge.translation.response.dialects.prefill_echo import PrefillEcho
from bridge.translation.response.dialects.think_tags import ThinkTags
from bridge.translation.response.stop_sequences import StopStage
from tests.properties.values import CUTS, pieces

LETTERS = ["a", "b", "ab", "aab", "c", "END", "EN", "D", " ", "\n", "🙂", "<", "/", "think>"]
WORDS = st.lists(st.sampled_from(LETTERS), max_size=10).map("".join)
SEQUENCES = st.lists(
    st.sampled_from(["a", "ab", "aab", "ba", "END", "ND", "\n", "🙂a", "</"]),
    min_size=1,
    max_size=3,
    unique=True,
)
TAGGED = st.lists(
    st.sampled_from([*LETTERS, "<think>", "</think>", "<think", "\r\n", "</th"]), max_size=8
).map("".join)


class Stage(Protocol):
    def feed(self, delta: ContentDelta) -> list[ContentDelta]: ...

    def finish(self) -> list[ContentDelta]: ...


def through(stage: Stage, deltas: Iterable[ContentDelta]) -> list[ContentDelta]:
    """What comes out, the end of the answer included."""
    ending: tuple[ContentDelta, ...] = (Finish("stop"), Reasoning(""), Text(""))
    return [out for delta in (*deltas, *ending) for out in stage.feed(delta)] + stage.finish()


def texts(text: str, cuts: list[int]) -> list[ContentDelta]:
    return [Text(piece) for piece in pieces(text, cuts)]


def visible(said: list[ContentDelta]) -> str:
    return "".join(delta.text for delta in said if isinstance(delta, Text))


def thought(said: list[ContentDelta]) -> str:
    return "".join(delta.text for delta in said if isinstance(delta, Reasoning))


@given(text=WORDS, sequences=SEQUENCES, cuts=CUTS)
def test_text_is_shown_up_to_a_stop_sequence_and_no_further(
    text: str, sequences: list[str], cuts: list[int]
) -> None:
    """F86: whatever the pieces; a sequence is never shown, nothing before one is lost."""
    said = through(StopStage(tuple(sequences)), texts(text, cuts))
    shown = visible(said)
    stops = [delta.stop for delta in said if isinstance(delta, Finish)]
    assert not any(sequence in shown for sequence in sequences)
    if stops == [None]:
        assert shown == text
    else:
        assert text.startswith(shown + str(stops[0]))


@given(text=WORDS, sequences=SEQUENCES, cuts=CUTS)
def test_pieces_never_change_where_an_answer_stops(
    text: str, sequences: list[str], cuts: list[int]
) -> None:
    """Ours: a streamed answer and a plain one end at the same place."""
    whole = _stopped(sequences, [Text(text)])
    assert _stopped(sequences, texts(text, cuts)) == whole
    assert _stopped(sequences, [Text(letter) for letter in text]) == whole


def _stopped(sequences: list[str], deltas: list[ContentDelta]) -> tuple[str, str | None]:
    said = through(StopStage(tuple(sequences)), deltas)
    return visible(said), next(delta.stop for delta in said if isinstance(delta, Finish))


@given(text=TAGGED, opened=st.booleans(), cuts=CUTS)
def test_tags_split_thinking_from_text_and_lose_neither(
    text: str, opened: bool, cuts: list[int]
) -> None:
    """F100, S10: only the tags go, with the white space around them, wherever pieces end."""
    said = through(ThinkTags(opened), texts(text, cuts))
    assert (_unless_blank(thought(said)), visible(said)) in _readings(text, opened)


def _readings(text: str, opened: bool) -> list[tuple[str, str]]:
    """What the tags at the start of a text can mean.

    A lone closing tag is only understood in a text that comes whole, unless it begins inside.
    Blank thoughts are none.
    """
    start = text.lstrip()
    inside = start.startswith("<think>")
    if not inside and not opened:
        before, closed, after = text.partition("</think>")
        lone = closed and "<think>" not in before
        readings = [("", text), *([(before, after.lstrip("\r\n"))] if lone else [])]
    else:
        thinking, _, after = (start[7:] if inside else text).partition("</think>")
        readings = [(thinking, after.lstrip("\r\n"))]
    return [(_unless_blank(thinking), shown) for thinking, shown in readings]


def _unless_blank(text: str) -> str:
    return text if text.strip() else ""


@given(prefill=WORDS, echoed=st.booleans(), text=WORDS, cuts=CUTS)
def test_repeated_prefill_goes_and_everything_else_stays(
    prefill: str, echoed: bool, text: str, cuts: list[int]
) -> None:
    """Backends observed: llama.cpp says again what it was given."""
    whole = (prefill if echoed else "") + text
    said = through(PrefillEcho(prefill), texts(whole, cuts))
    assert visible(said) == (whole.removeprefix(prefill) if prefill != whole else "")
