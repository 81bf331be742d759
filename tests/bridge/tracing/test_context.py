"""The headers traceparent and tracestate, by the rules of W3C Trace Context."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.tracing.context import LONGEST_STATE, RemoteParent, SpanIds, new_id, parent_of

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
IDS = SpanIds(int(TRACE, 16), int(SPAN, 16), is_sampled=True)


@pytest.mark.parametrize(
    ("header", "is_sampled"),
    [
        (f"00-{TRACE}-{SPAN}-01", True),
        (f"00-{TRACE}-{SPAN}-00", False),
        (f"00-{TRACE}-{SPAN}-03", True),
        (f"00-{TRACE}-{SPAN}-fe", False),
        (f"01-{TRACE}-{SPAN}-01", True),
        (f"cc-{TRACE}-{SPAN}-01-what-comes-later", True),
    ],
)
def test_parent_is_read(header: str, is_sampled: bool) -> None:
    found = parent_of({"traceparent": header})
    assert found == RemoteParent(SpanIds(IDS.trace_id, IDS.span_id, is_sampled))


@pytest.mark.parametrize(
    "header",
    [
        "",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"01-{TRACE}-{SPAN}-01more",
        f" 00-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01\n",
        f"00-{TRACE}-{SPAN}-01, 00-{TRACE}-{SPAN}-01",
        f"cc-{TRACE}-{SPAN}-01-{'x' * 100}",
    ],
)
def test_what_is_not_well_formed_is_no_parent(header: str) -> None:
    assert parent_of({"traceparent": header, "tracestate": "a=b"}) is None


@pytest.mark.parametrize(
    ("header", "kept"),
    [
        ("", ""),
        ("vendor=1, other=2", "vendor=1, other=2"),
        (f"a={'x' * (LONGEST_STATE - 2)}", f"a={'x' * (LONGEST_STATE - 2)}"),
        (f"a={'x' * (LONGEST_STATE - 1)}", ""),
        (",".join(f"a{n}=1" for n in range(33)), ""),
        ("a=b\x00", ""),
    ],
)
def test_state_has_bounds(header: str, kept: str) -> None:
    """Section 3.3.1.5: what is too long may be dropped, as a whole."""
    found = parent_of({"traceparent": IDS.traceparent, "tracestate": header})
    assert found == RemoteParent(IDS, kept)


def test_ids_are_written_as_they_are_read() -> None:
    assert IDS.traceparent == f"00-{TRACE}-{SPAN}-01"
    assert parent_of({"traceparent": SpanIds(1, 2, is_sampled=False).traceparent}) == RemoteParent(
        SpanIds(1, 2, is_sampled=False)
    )
    assert all(0 < new_id(16) < 16**16 for _ in range(100))


@given(header=st.text(max_size=200))
def test_no_header_is_too_strange(header: str) -> None:
    found = parent_of({"traceparent": header, "tracestate": header})
    assert found is None or found.ids.traceparent[3:-2] == header[3:53]
