"""JSON at the door: what is mended, what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bridge.translation.json import TooDeepError, clean, decode, depth_exceeds, encode, encode_text

DECODED: list[tuple[str, bytes, Any]] = [
    ("an object", b'{"a": [1, 2.5, true, null]}', {"a": [1, 2.5, True, None]}),
    ("a byte order mark", b"\xef\xbb\xbf{}", {}),
    ("a pair of surrogates", b'"\\ud83d\\ude00"', "\U0001f600"),
    ("half a pair", b'"a\\ud83d"', "a\ufffd"),
    ("half a pair in a key", b'{"\\ude00": ["\\ude00"]}', {"\ufffd": ["\ufffd"]}),
    ("a NUL character", b'{"a\\u0000": "b\\u0000c"}', {"a": "bc"}),
    ("a number beyond 64 bits", b"1000000000000000000000", 10**21),
]


@pytest.mark.parametrize(("raw", "value"), [d[1:] for d in DECODED], ids=[d[0] for d in DECODED])
def test_document_is_decoded_and_mended(raw: bytes, value: Any) -> None:
    """The specification, A9 and C4.12: no lone surrogates, no NUL characters."""
    assert decode(raw) == value


def test_replacement_may_be_nothing() -> None:
    """The specification, C4.12: on the way out they are taken out."""
    assert decode(b'"a\\ud83db"', replacement="") == "ab"


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[1,]", b"nonsense", b'"\xff"', b"NaN", b"[Infinity]", b"1" * 5000, b"{} {}"],
    ids=["nothing", "cut", "comma", "text", "no UTF-8", "NaN", "infinity", "huge", "two"],
)
def test_anything_else_is_a_value_error(raw: bytes) -> None:
    """Ours: one kind of exception for whatever is not JSON in UTF-8."""
    with pytest.raises(ValueError):
        decode(raw)


@pytest.mark.parametrize("head", [b"", b"\xef\xbb\xbf"], ids=["plain", "behind a mark"])
def test_document_that_is_nested_too_deeply_says_so(head: bytes) -> None:
    """Ours: a thousand brackets must not end the process, and get a sentence of their own."""
    with pytest.raises(TooDeepError):
        decode(head + b"[" * 100_000 + b"]" * 100_000)


def test_encoding_is_compact_and_leaves_characters_as_they_are() -> None:
    """The specification, A9: raw non-ASCII is allowed; infinity is no JSON."""
    value = {"a": ["\u00e9\u2028", float("inf")], "b": 1}
    assert encode(value) == '{"a":["\u00e9\u2028",null],"b":1}'.encode()
    assert json.loads(encode_text(value)) == {"a": ["\u00e9\u2028", None], "b": 1}


def test_text_is_cleaned_of_what_no_tokenizer_takes() -> None:
    """The specification, C4.12."""
    assert clean("a\0b\ud83dc") == "abc"
    assert clean("a\0b\ud83dc", "?") == "ab?c"


@pytest.mark.parametrize(
    ("value", "deep"),
    [("x", 0), ([], 1), ({"a": 1}, 1), ([[]], 2), ({"a": [{"b": "c"}]}, 3), ([1, [2], [[3]]], 3)],
)
def test_depth_counts_containers(value: Any, deep: int) -> None:
    """Ours: MAX_JSON_DEPTH is the number of containers inside each other."""
    assert not depth_exceeds(value, deep)
    assert deep == 0 or depth_exceeds(value, deep - 1)
