"""The form in which a client hashes its managed settings, to the byte. Pure.

It sorts the keys of each object by UTF-16 code units, puts them into a new object, and writes that
with JSON.stringify. So what looks like the index of an array comes first, by its number; numbers
are those of a double; and only quotes, backslashes, control characters and unpaired surrogates are
escaped.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from typing import Any

_INDEX = re.compile(r"0|[1-9][0-9]{0,9}")
_LARGEST_INDEX = 2**32 - 2
_SURROGATE = re.compile("[\ud800-\udfff]")
_PAIR = re.compile("([\ud800-\udbff])([\udc00-\udfff])")
_PLAIN_UNTIL, _PLAIN_FROM = 21, -6
"""Powers of ten between which a number is written without an exponent."""


def checksum(settings: dict[str, Any]) -> str:
    """`sha256:` and the hex digest of the canonical form."""
    return f"sha256:{hashlib.sha256(canonical(settings).encode()).hexdigest()}"


def canonical(value: Any) -> str:
    """JSON without white space, keys sorted at every level. For values as JSON decodes them."""
    if isinstance(value, dict):
        names = sorted((name for name in value if name != "__proto__"), key=_order)
        return f"{{{','.join(f'{_text(name)}:{canonical(value[name])}' for name in names)}}}"
    if isinstance(value, list):
        return f"[{','.join(map(canonical, value))}]"
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return _number(value)


def _order(name: str) -> tuple[int, int, bytes]:
    if _INDEX.fullmatch(name) and int(name) <= _LARGEST_INDEX:
        return 0, int(name), b""
    return 1, 0, name.encode("utf-16-be", "surrogatepass")


def _text(text: str) -> str:
    # A pair of surrogates is one character there, however it was decoded here.
    whole = _PAIR.sub(
        lambda found: found[0].encode("utf-16", "surrogatepass").decode("utf-16"), text
    )
    written = json.dumps(whole, ensure_ascii=False)
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", written)


def _number(value: int | float) -> str:
    """As JavaScript writes a double: the shortest digits that lead back to it."""
    try:
        double = float(value)
    except OverflowError:
        return "null"
    if not math.isfinite(double):
        return "null"
    if double == 0:
        return "0"
    sign = "-" if double < 0 else ""
    digits, point = _digits(abs(double))
    return sign + _written(digits, point)


def _digits(double: float) -> tuple[str, int]:
    """The significant digits, and how many of them stand before the point."""
    mantissa, _, exponent = f"{double!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    leading = len(whole + fraction) - len(digits)
    point = len(whole) - leading + int(exponent or 0)
    return digits.rstrip("0"), point


def _written(digits: str, point: int) -> str:
    count = len(digits)
    if count <= point <= _PLAIN_UNTIL:
        return digits + "0" * (point - count)
    if 0 < point <= _PLAIN_UNTIL:
        return f"{digits[:point]}.{digits[point:]}"
    if _PLAIN_FROM < point <= 0:
        return f"0.{'0' * -point}{digits}"
    fraction = f".{digits[1:]}" if count > 1 else ""
    return f"{digits[0]}{fraction}e{'+' if point > 0 else '-'}{abs(point - 1)}"
