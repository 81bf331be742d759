"""Whatever a backend sends, a client gets a stream of the grammar, or one error."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.translation.errors.from_backend import from_reply
from tests.properties.hostile import BODIES, CHUNKS, CONTENT_TYPES, REPLIES, TERMS
from tests.properties.listening import ASKED, agree, folded, listen
from tests.properties.values import CUTS, bytewise, pieces, written
from tests.shapes import Json, check_error

ANY_BODY = st.one_of(BODIES, BODIES, BODIES, REPLIES, st.binary(max_size=40))


@given(body=ANY_BODY, cuts=CUTS, content_type=CONTENT_TYPES, terms=TERMS)
def test_answer_is_a_valid_stream_or_one_error(
    body: bytes, cuts: list[int], content_type: str, terms: Json
) -> None:
    """Ours: no answer of a backend is a failure of the gateway, none is dressed up."""
    heard = listen(pieces(body, cuts), content_type, **terms)
    assert heard.lenient_result["type"] in ("message", "error")


@given(body=ANY_BODY, cuts=CUTS, content_type=CONTENT_TYPES, terms=TERMS)
def test_pieces_of_the_bytes_never_change_the_answer(
    body: bytes, cuts: list[int], content_type: str, terms: Json
) -> None:
    """Backends observed: chunk borders fall anywhere, also inside a line or a character."""
    whole = listen([body], content_type, **terms).shown
    assert listen(pieces(body, cuts), content_type, **terms).shown == whole
    assert listen(bytewise(body), content_type, **terms).shown == whole


@given(body=ANY_BODY, content_type=CONTENT_TYPES, terms=TERMS)
def test_plain_message_is_what_the_stream_adds_up_to(
    body: bytes, content_type: str, terms: Json
) -> None:
    """Ours: one machine answers both ways of asking, so both say the same."""
    heard = listen([body], content_type, **terms)
    if heard.lenient_result["type"] == "message":
        assert agree(heard.lenient_result, folded(heard))


@given(body=ANY_BODY, terms=TERMS)
def test_same_answer_is_translated_the_same_way_twice(body: bytes, terms: Json) -> None:
    """Ours: nothing of an answer stays behind for the next one."""
    assert listen([body], **terms).shown == listen([body], **terms).shown


@given(
    status=st.integers(300, 599),
    body=st.one_of(CHUNKS.map(lambda chunk: written(chunk, raw=True).encode()), st.binary()),
    headers=st.dictionaries(
        st.sampled_from(["retry-after", "content-type", "x-should-retry"]),
        st.sampled_from(["7", "-1", "x", "1e9", "Wed, 21 Oct 2026 07:28:00 GMT", "true", ""]),
    ),
)
def test_refusal_of_any_shape_becomes_a_proper_error(
    status: int, body: bytes, headers: dict[str, str]
) -> None:
    """Backends observed: no two word their refusals alike, and proxies answer in HTML."""
    error = from_reply(status, headers, body, ASKED)
    assert 400 <= error.status <= 599
    check_error(error.envelope("req_1"))
