"""Ways in which a good request goes bad: one member at a time, or one byte at a time."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from tests.properties.values import JUNK
from tests.shapes import Json

GONE = object()
Change = tuple[bool, int, Any]
"""Whether it is one of the outermost members, its number, and what stands there instead."""

CHANGES = st.lists(
    st.tuples(
        st.sampled_from([True, False, False]),
        st.integers(0, 10_000),
        st.one_of(JUNK, JUNK, st.just(GONE)),
    ),
    min_size=1,
    max_size=2,
)
_SCRAPS = [
    *(
        b"",
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b",",
        b":",
        b"null",
        b"true",
        b"0",
        b"-",
        b"1e999",
        b"NaN",
    ),
    *(b"\\", b"\\u0000", b"\\ud83d", b"\x00", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\n"),
    *(b'"type":"image"', b'"a":{},', b"[" * 120, b"9" * 5000),
]
Splice = tuple[int, int, bytes]
SPLICES = st.lists(
    st.tuples(st.integers(0, 10_000), st.integers(0, 30), st.sampled_from(_SCRAPS)),
    min_size=1,
    max_size=3,
)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) in a document."""
    members: Any = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in members:
        yield value, key
        if isinstance(item, (dict, list)):
            yield from _places(item)


def changed(body: Json, changes: list[Change]) -> Json:
    """The body with some members replaced or taken out: its own ones, or those further in."""
    body = copy.deepcopy(body)
    for outermost, number, value in changes:
        places = [place for place in _places(body) if (place[0] is body) is outermost]
        if not places:
            continue
        container, key = places[number * 7919 % len(places)]
        if value is GONE:
            del container[key]
        else:
            container[key] = copy.deepcopy(value)
    return body


def spliced(raw: bytes, splices: list[Splice]) -> bytes:
    """The bytes with some of them replaced by scraps."""
    for place, length, scrap in splices:
        at = place * 7919 % (len(raw) + 1)
        raw = raw[:at] + scrap + raw[at + length :]
    return raw
