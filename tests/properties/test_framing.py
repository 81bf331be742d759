"""Events come out of every framing and every cut as they went in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.translation.errors.api_error import ApiError
from bridge.translation.response.sse import SseReader
from tests.properties.values import CUTS, SOME_TEXT, bytewise, pieces

LINE_ENDS = st.sampled_from(["\n", "\r\n", "\r"])
BETWEEN = st.lists(
    st.sampled_from([": keep-alive", ":", "event: x", "id: 7", "retry: 1", "nonsense", " data: x"]),
    max_size=2,
)
PAYLOADS = SOME_TEXT.map(lambda text: text.encode("utf-8", "ignore").decode())


@st.composite
def framed(draw: st.DrawFn) -> tuple[list[str], str]:
    """Payloads, and one of the ways to put them on the wire."""
    payloads: list[str] = []
    wire = draw(st.sampled_from(["", "\ufeff"]))
    for payload in draw(st.lists(PAYLOADS, max_size=4)):
        end, space = draw(LINE_ENDS), draw(st.sampled_from(["", " "]))
        lines = payload.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        fields = [f"data:{space or (line.startswith(' ') and ' ') or ''}{line}" for line in lines]
        wire += "".join(line + end for line in [*draw(BETWEEN), *fields, *draw(BETWEEN), ""])
        payloads.append("\n".join(lines))
    return payloads, wire


@given(framing=framed(), cuts=CUTS)
def test_payloads_come_out_of_every_framing(
    framing: tuple[list[str], str], cuts: list[int]
) -> None:
    """Backends observed: all of these line ends, and U+2028 inside a line."""
    payloads, wire = framing
    expected = [payload.encode() for payload in payloads]
    raw = wire.encode()
    for cut in ([raw], pieces(raw, cuts), bytewise(raw)):
        reader = SseReader()
        read = [payload for piece in cut for payload in reader.feed(piece)]
        assert read + reader.finish() == expected


@given(raw=st.binary(max_size=200), cuts=CUTS, limit=st.integers(1, 300))
def test_memory_is_bounded_and_nothing_else_is_refused(
    raw: bytes, cuts: list[int], limit: int
) -> None:
    """Ours: an event may be too large, but no bytes are a failure of the reader."""
    reader = SseReader(limit)
    try:
        for piece in pieces(raw, cuts):
            reader.feed(piece)
    except ApiError as error:
        assert len(raw) > limit
        assert error.message == "Backend sent an event that is too large"
    else:
        reader.finish()
