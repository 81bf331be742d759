"""The framing of events, and what plain replies share with streams: each defect is found."""

from typing import Any

import pytest

from tests.grammar import check_stream, parse_sse
from tests.shapes import GrammarError, Json, check_error, check_message
from tests.test_grammar import ERROR, whole


@pytest.mark.parametrize(
    "body",
    [
        b'data: {"type":"ping"}\n\n',
        b'event: ping\ndata: {"type":"ping"}\n',
        b'event: ping\r\ndata: {"type":"ping"}\r\n\r\n',
        b'\xef\xbb\xbfevent: ping\ndata: {"type":"ping"}\n\n',
        b'event: ping\ndata: {"type":"pong"}\n\n',
        b'event: ping\ndata: {"type":\n\n',
        b'event: ping\ndata: ["ping"]\n\n',
        b'event: ping\ndata: {"type":"ping","n":NaN}\n\n',
        b'event: ping\ndata:{"type":"ping"}\n\n',
        b'event: ping\ndata: {"type":\ndata: "ping"}\n\n',
        b'event: ping\ndata: {"type":"ping"}\n\n\n\n',
        b'event: ping\ndata: {"type":"ping","t":"\xff"}\n\n',
        b'event: ping\ndata: {"type":"ping","t":"\\ud83d"}\n\n',
        b": comment\n\n",
        b"data: [DONE]\n\n",
        b"event: ping\ndata: [DONE]\n\n",
    ],
    ids=[
        "no event line",
        "no blank line at the end",
        "CRLF",
        "byte order mark",
        "names differ",
        "broken JSON",
        "not an object",
        "NaN",
        "no space after the colon",
        "two data lines",
        "empty frame",
        "not UTF-8",
        "lone surrogate",
        "comment",
        "DONE",
        "DONE under a name",
    ],
)
def test_framing_defect_is_found(body: bytes) -> None:
    """Observed clients: most of these lose an event or the stream; the rest is what we promise."""
    with pytest.raises(GrammarError):
        parse_sse(body)


def test_non_ascii_text_and_line_separators_pass() -> None:
    """API documentation: UTF-8 raw in JSON; U+2028 does not end a line."""
    body = 'event: ping\ndata: {"type":"ping","t":"\u2028 \U0001f600 \\ud83d\\ude00"}\n\n'
    assert parse_sse(body.encode())[0].data["t"] == "\u2028 \U0001f600 \U0001f600"


def plain() -> Json:
    """A message with every kind of block, as a plain reply shows it."""
    return check_stream(whole())


def test_plain_message_with_every_kind_of_block_passes() -> None:
    """Ours: the plain answer is the folded stream."""
    assert check_message(plain()) == plain()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("content", None),
        ("stop_reason", None),
        ("stop_reason", "end_turn"),
        ("usage", {}),
        ("id", "chatcmpl-1"),
        ("content", []),
        ("content", [{"type": "text"}]),
        ("content", [{"type": "tool_use", "id": "a", "name": "Bash", "input": "{}"}]),
        ("content", [{"type": "thinking", "thinking": "hm", "signature": ""}]),
    ],
)
def test_defect_of_a_plain_message_is_found(name: str, value: Any) -> None:
    """API documentation: the members that clients read without asking."""
    with pytest.raises(GrammarError):
        check_message(plain() | {name: value})


def test_error_envelope_of_a_plain_reply_is_the_same() -> None:
    """API documentation: one envelope for replies and for events."""
    assert check_error(ERROR) == ERROR
    with pytest.raises(GrammarError):
        check_error({"detail": "Not Found"})
