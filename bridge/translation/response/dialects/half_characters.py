"""Characters of which one chunk brings one half and the next chunk the other.

JSON can write an emoji as two escapes, and servers that cut their text by UTF-16 unit send one with
each chunk. Half a character has no form of its own, so both have to meet before they are decoded.
"""

from __future__ import annotations

import re

_HIGH_AT_END = re.compile(rb'(?<!\\)((?:\\\\)*)\\u(d[89ab][0-9a-f]{2})"', re.I)
_LOW_AT_START = re.compile(rb'(?<!\\)"\\u(d[c-f][0-9a-f]{2})', re.I)


def ends_in_half(payload: bytes) -> bool:
    """Whether a string of the payload ends in the first half of a character."""
    return b"\\u" in payload and _HIGH_AT_END.search(payload) is not None


def rejoined(first: bytes, second: bytes) -> tuple[bytes, bytes]:
    """Both payloads, with the character whole in the second one where that begins with the other
    half; else as they came. The first one ends in half."""
    high, low = _HIGH_AT_END.search(first), _LOW_AT_START.search(second)
    if high is None or low is None:
        return first, second
    pair = b'"\\u' + high[2] + b"\\u"
    return (
        _HIGH_AT_END.sub(rb'\1"', first),
        _LOW_AT_START.sub(lambda found: pair + found[1], second),
    )
