"""Server-sent events: every framing that backends were seen to use gives the same payloads."""

from __future__ import annotations

import pytest

from bridge.translation.errors.api_error import ApiError
from bridge.translation.response.sse import END, SseReader, head

FRAMINGS: list[tuple[str, bytes, list[bytes]]] = [
    ("plain", b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
    ("F91 no space", b"data:a\n\ndata:b\n\n", [b"a", b"b"]),
    ("only one space is framing", b"data:  a\n\n", [b" a"]),
    ("F91 CRLF", b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"]),
    ("F91 CR", b"data: a\r\rdata: b\r\r", [b"a", b"b"]),
    ("mixed line ends", b"data: a\r\n\ndata: b\n\r\n", [b"a", b"b"]),
    ("several data lines", b"data: a\ndata: b\n\n", [b"a\nb"]),
    ("F91 comments", b": x\n\n:\n\n:\ndata: a\n\n", [b"a"]),
    ("other fields", b"event: e\nid: 1\nretry: 5\nnonsense\ndata: a\n\n", [b"a"]),
    ("an error in words", b"event: error\ndata: no route\n\n", [b'{"error":"no route"}']),
    ("an error object", b'event: error\ndata: {"a":1}\n\ndata: b\n\n', [b'{"a":1}', b"b"]),
    ("words of another event", b"event: error\n\nevent: e\ndata: a\n\n", [b"a"]),
    ("no blank line at the end", b"data: a\n\ndata: b\n", [b"a", b"b"]),
    ("no line end at the end", b"data: a\n\ndata: b", [b"a", b"b"]),
    ("a lone CR at the end", b"data: a\r", [b"a"]),
    ("a byte order mark", b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
    ("only a byte order mark", b"\xef\xbb\xbf", []),
    ("half a byte order mark", b"\xef\xbb", []),
    ("a mark in the middle is data", b"data: \xef\xbb\xbfa\n\n", [b"\xef\xbb\xbfa"]),
    (
        "F91 U+2028, U+2029, U+0085",
        "data: a\u2028b\u2029c\x85d\n\n".encode(),
        ["a\u2028b\u2029c\x85d".encode()],
    ),
    ("empty data", b"data:\n\ndata: \n\n", [b"", b""]),
    ("blank lines between", b"\n\n\ndata: a\n\n\n\n", [b"a"]),
    ("nothing", b"", []),
]


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
@pytest.mark.parametrize(
    ("body", "payloads"), [f[1:] for f in FRAMINGS], ids=[f[0] for f in FRAMINGS]
)
def test_payloads_do_not_depend_on_framing_or_pieces(
    body: bytes, payloads: list[bytes], size: int
) -> None:
    """Backends observed, see B9 of the specification."""
    reader, read = SseReader(), list[bytes]()
    for at in range(0, len(body), size):
        read += reader.feed(body[at : at + size])
    assert read + reader.finish() == payloads


def test_event_comes_out_with_its_blank_line() -> None:
    """Ours: nothing is held back longer than needed."""
    reader = SseReader()
    assert [reader.feed(b"data: a\n"), reader.feed(b""), reader.feed(b"\n")] == [[], [], [b"a"]]
    assert reader.feed(b"data: b\r\n\r\n") == [b"b"]


@pytest.mark.parametrize(
    "body", [b"data: " + b"x" * 99, b"data: xxxxx\n" * 20], ids=["line", "lines"]
)
def test_event_without_end_is_refused(body: bytes) -> None:
    """Ours: memory is bounded whatever a backend sends."""
    with pytest.raises(ApiError) as caught:
        SseReader(max_event_bytes=90).feed(body)
    assert (caught.value.status, caught.value.message) == (
        502,
        "Backend sent an event that is too large",
    )


def test_size_is_that_of_one_event() -> None:
    """Ours: many events are not one large one."""
    assert len(SseReader(max_event_bytes=20).feed(b"data: xxxxxxxxxx\n\n" * 50)) == 50


def test_frame_has_both_lines_and_a_blank_one() -> None:
    """The specification, A9."""
    assert head("ping") + b'{"type":"ping"}' + END == b'event: ping\ndata: {"type":"ping"}\n\n'
