"""JSON text in and out, as tolerant as the wire demands and as strict as the far side needs.

Two things are legal JSON and break what stands behind us: unpaired surrogates (``"\\ud83d"``
alone; no UTF-8 form exists) and NUL characters (several tokenizers and databases refuse them).
Both arrive in practice, from clients that cut strings by UTF-16 unit and from backends that
split an emoji over two chunks. They are mended here, once, at the door.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

import msgspec

JSON = Any
"""A decoded JSON value: dict, list, str, int, float, bool or None."""

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPED_NUL = b"\\u0000"


_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.S)
"""A string of a document, or what is left of one at its end: each byte is looked at once."""
_QUOTE = re.compile(r'\\.|["\\]', re.S)
_BEHIND = (b",", b"[", b"{")
"""Each value but the first stands behind one of these."""

MAX_NODES = 1_000_000
"""Values in one document: a megabyte of brackets becomes two hundred megabytes of lists."""


class TooDeepError(ValueError):
    """The document is nested deeper than anything sensible, or than this process can follow."""


class TooManyNodesError(ValueError):
    """The document has more values than anything sensible."""


def decode(
    raw: bytes,
    *,
    replacement: str = "\ufffd",
    max_nodes: int = MAX_NODES,
    not_numbers: bool = False,
) -> JSON:
    """Decode one document. Unpaired surrogates become `replacement`, NUL characters vanish.

    `not_numbers`: NaN and Infinity, which is how some servers write a measurement that they do not
    have, become null.

    Raises TooDeepError, TooManyNodesError or, for anything that is not JSON in UTF-8, ValueError.
    """
    if nodes_exceed(raw, max_nodes):
        raise TooManyNodesError
    try:
        value = _decode(raw)
        return _mended(value, replacement) if _ESCAPED_NUL in raw else value
    except RecursionError:
        raise TooDeepError from None
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError):
        return _decode_slowly(raw, replacement, not_numbers)


def documents(raw: bytes, *, max_nodes: int) -> list[JSON]:
    """The documents of one line, mostly a single one; NaN and Infinity become null. Raises as
    `decode` does."""
    try:
        return [decode(raw, max_nodes=max_nodes, not_numbers=True)]
    except (TooDeepError, TooManyNodesError):
        raise
    except ValueError:
        if raw[:1] != b"{" or b"\n" in raw:
            raise
    return _one_by_one(raw.decode("utf-8"))


def _one_by_one(text: str) -> list[JSON]:
    found: list[JSON] = []
    at = 0
    try:
        while at < len(text):
            value, at = _reader.raw_decode(text, at)
            found.append(_mended(value, "\ufffd"))
    except RecursionError:
        raise TooDeepError from None
    return found


def nodes_may_exceed(raw: bytes, limit: int) -> bool:
    """Whether a document may have more than so many values: bytes inside strings count as well."""
    return len(raw) > limit and sum(map(raw.count, _BEHIND)) > limit


def nodes_exceed(raw: bytes, limit: int) -> bool:
    """Whether a document has more than so many values. Bytes inside strings are none."""
    if not nodes_may_exceed(raw, limit):
        return False
    nodes, at = 1, 0
    for found in _STRING.finditer(raw):
        nodes += _values_between(raw, at, found.start())
        at = found.end()
        if nodes > limit:
            return True
    return nodes + _values_between(raw, at, len(raw)) > limit


def _values_between(raw: bytes, start: int, end: int) -> int:
    return sum(raw.count(mark, start, end) for mark in _BEHIND)


def _decode_slowly(raw: bytes, replacement: str, not_numbers: bool) -> JSON:
    """What the fast decoder refused: a byte order mark, unpaired surrogates, or real garbage."""
    constant = _nothing if not_numbers else _refuse
    try:
        value = json.loads(raw.decode("utf-8-sig"), parse_constant=constant)
        return _mended(value, replacement)
    except RecursionError:
        raise TooDeepError from None


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _nothing(name: str) -> None:
    """No number, so no value."""


_reader = json.JSONDecoder(parse_constant=_nothing)


def clean(text: str, replacement: str = "") -> str:
    """Text without NUL characters, each unpaired surrogate replaced."""
    return _SURROGATE.sub(replacement, text.replace("\0", ""))


def _mended(value: JSON, replacement: str) -> JSON:
    if isinstance(value, str):
        return clean(value, replacement)
    if isinstance(value, list):
        return [_mended(item, replacement) for item in value]
    if isinstance(value, dict):
        return {clean(k, replacement): _mended(v, replacement) for k, v in value.items()}
    return value


def encode(value: object) -> bytes:
    """Compact JSON in UTF-8; non-ASCII characters stand as they are, non-finite numbers as null."""
    return _encode(value)


def encode_text(value: object) -> str:
    """`encode`, as text."""
    return _encode(value).decode()


def depth_exceeds(value: JSON, limit: int) -> bool:
    """Whether containers are nested more than `limit` deep; walks level by level, no recursion."""
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(limit):
        if not level:
            return False
        level = [
            child
            for parent in level
            for child in (parent.values() if type(parent) is dict else parent)
            if type(child) is dict or type(child) is list
        ]
    return bool(level)


class QuotedText:
    """Where a string of JSON ends that comes in pieces. Its quotes are the first ones."""

    def __init__(self) -> None:
        self._quotes = 0
        self._escaped = False

    def end(self, text: str, position: int) -> int:
        """The position behind the closing quote, in the piece that brings it; else 0."""
        if self._quotes > 1:
            return 0
        begin, self._escaped = position + self._escaped, False
        for found in _QUOTE.finditer(text, begin):
            self._escaped = found[0] == "\\"
            self._quotes += found[0] == '"'
            if self._quotes > 1:
                return found.end()
        return 0
