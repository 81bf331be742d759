"""Values that break things: text, JSON of every type, and the places where a network cuts.

`mended` says what becomes of a string at the door; it is written anew here, from the specification.
"""

from __future__ import annotations

import json
import re
from typing import Any, TypeVar

from hypothesis import strategies as st

Whole = TypeVar("Whole", str, bytes)

FRAGMENTS = [
    *("a", "Hello", " ", "\n", "\n\n", "\t", "\r\n", "\\", '"', "'", "{", "}", "[1]", ":", ","),
    *("é", "漢", "🙂", "👩‍👩‍👧", "\u2028", "\u2029", "\x85", "\xa0", "\u200b", "\ufeff", "\ufffd"),
    *("\0", "\x1b", "\x7f", "\ud83d", "\ude42", "\udfff"),
    *("data: x", "\n\ndata: [DONE]\n\n", "[DONE]", "event: error", ": ping", "null"),
    *("<think>", "</think>", "<tool_call>", "</s>", "END", "{}", "\\u0000", "\\ud83d", "%s"),
]
"""What backends, models and clients really put into strings, and what tears careless code."""

TEXT = st.lists(st.sampled_from(FRAGMENTS), max_size=4).map("".join)
SOME_TEXT = st.lists(st.sampled_from(FRAGMENTS), min_size=1, max_size=4).map("".join)
PLAIN_KEYS = st.sampled_from(["a", "b", "path", "é", "x y", ""])

NUMBERS = st.sampled_from([0, 1, -1, 7, 1.5, -0.0, 1e300, 10**30, 2**53 + 1, -(2**63)])
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXT)
JUNK = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(PLAIN_KEYS, inner, max_size=2)
    ),
    max_leaves=4,
)
"""Any JSON value, small."""

OBJECTS = st.dictionaries(PLAIN_KEYS, JUNK, max_size=3)

_HALF = re.compile("[\ud800-\udfff]")


def mended(value: Any, half: str = "\ufffd") -> Any:
    """The value without NUL characters and with `half` for every half of a surrogate pair."""
    if isinstance(value, str):
        whole: str = json.loads(json.dumps(value))
        return _HALF.sub(half, whole.replace("\0", ""))
    if isinstance(value, list):
        return [mended(item, half) for item in value]
    if isinstance(value, dict):
        return {key: mended(item, half) for key, item in value.items()}
    return value


def written(value: Any, raw: bool, **form: Any) -> str:
    """JSON text; `raw` leaves characters as they are where UTF-8 has a form for them."""
    text = json.dumps(value, ensure_ascii=False, **form)
    return text if raw and not _HALF.search(text) else json.dumps(value, **form)


CUTS = st.lists(st.integers(0, 400), max_size=6)


def pieces(whole: Whole, cuts: list[int]) -> list[Whole]:
    """The whole in pieces that begin at these places."""
    places = [0, *sorted({cut % (len(whole) + 1) for cut in cuts}), len(whole)]
    return [whole[start:end] for start, end in zip(places, places[1:], strict=False)]


def bytewise(whole: bytes) -> list[bytes]:
    return [whole[at : at + 1] for at in range(len(whole))]
