"""Arguments of a call: good JSON is never touched, bad JSON never breaks the client."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from bridge.translation.response.tool_arguments import ArgumentStream, as_object
from tests.properties.hostile import ARGUMENTS
from tests.properties.values import CUTS, OBJECTS, mended, pieces, written
from tests.shapes import Json

ANY_TEXT = st.lists(ARGUMENTS, max_size=5).map(
    lambda parts: "".join(parts).encode("utf-8", "ignore").decode()
)
FORMS = st.sampled_from(
    [{}, {"indent": 1}, {"separators": (",", ":")}, {"separators": (" ,\n", "\t: ")}]
)
AROUND = st.sampled_from([("", ""), (" \n", "\t"), ("```json\n", "\n```"), ("", "{}"), ("", "}")])


def through(parts: list[str], cut: bool = False) -> str:
    stream = ArgumentStream()
    out = "".join(stream.feed(part) for part in parts)
    return out + stream.finish(cut)


@given(
    given_object=OBJECTS, form=FORMS, raw=st.booleans(), around=AROUND, cuts=CUTS, cut=st.booleans()
)
def test_good_object_arrives_as_it_is(
    given_object: Json,
    form: Json,
    raw: bool,
    around: tuple[str, str],
    cuts: list[int],
    cut: bool,
) -> None:
    """API documentation: `input` is what the model wrote; F78: what stands around it is not."""
    text = around[0] + written(given_object, raw, **form) + around[1]
    assert json.loads(through(pieces(text, cuts), cut)) == mended(given_object)


@given(text=ANY_TEXT, cuts=CUTS, cut=st.booleans())
def test_pieces_never_change_what_is_made_of_arguments(
    text: str, cuts: list[int], cut: bool
) -> None:
    """Backends observed: tokens end anywhere, also inside an escape."""
    whole = through([text], cut)
    assert through(pieces(text, cuts), cut) == whole
    assert through(list(text), cut) == whole


@given(text=ANY_TEXT, cuts=CUTS)
def test_complete_arguments_are_one_object(text: str, cuts: list[int]) -> None:
    """Observed clients: parse strictly, once, as soon as the block ends."""
    stream = ArgumentStream()
    out = "".join(stream.feed(part) for part in pieces(text, cuts))
    if stream.complete:
        assert isinstance(json.loads(out), dict)
        assert stream.finish() == ""


@given(text=ANY_TEXT)
def test_arguments_in_one_piece_always_become_an_object(text: str) -> None:
    """Ours: whatever a backend calls arguments, `input` is an object."""
    assert isinstance(as_object(through([text])), dict)
    assert isinstance(as_object(text), dict)
