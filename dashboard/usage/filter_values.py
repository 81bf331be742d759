"""Values of filters as an address or a form has them. Pure."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

_STATUS = re.compile(r"(?P<first>[1-9][0-9]{2})(?:-(?P<last>[1-9][0-9]{2}))?|(?P<kind>[1-9])xx")
_GROUP = re.compile(r"[0-9a-f]{16}")
MOST = 10**15
"""Greater numbers are slips, and too great for a database."""
_MOST_WHOLE = 2**63 - 1


class FilterError(ValueError):
    """What is wrong with the value of a filter."""


def whole(text: str) -> int:
    """A number such as 1000, 20k or 1.5M. Raises FilterError."""
    plain = text.strip().replace(",", "").replace(" ", "")
    factor = _FACTORS.get(plain[-1:].lower(), 1)
    return scaled(plain[:-1] if factor > 1 else plain, factor)


_FACTORS = {"k": 1_000, "m": 1_000_000, "b": 1_000_000_000}


def number(text: str) -> Decimal:
    """A number of nought or more. Raises FilterError."""
    try:
        found = Decimal(text.strip())
    except InvalidOperation:
        found = Decimal(-1)
    if not (found.is_finite() and 0 <= found <= MOST):
        raise FilterError("expected a number such as 1000 or 2.5")
    return found


def scaled(text: str, factor: int) -> int:
    """A number in smaller units, such as the milliseconds of seconds. Raises FilterError."""
    return min(round(number(text) * factor), _MOST_WHOLE)


def statuses(text: str) -> tuple[int, int]:
    """The first and the last status of 404, 5xx or 500-504. Raises FilterError."""
    found = _STATUS.fullmatch(text.strip().lower())
    if found is None:
        raise FilterError("expected a status such as 404, 5xx or 500-504")
    if found["kind"]:
        return int(found["kind"]) * 100, int(found["kind"]) * 100 + 99
    return int(found["first"]), int(found["last"] or found["first"])


def group(text: str) -> str:
    """The group of an error. Raises FilterError."""
    if not _GROUP.fullmatch(text):
        raise FilterError("expected a group of the page of errors")
    return text


def row_number(text: str) -> int:
    """The number of a person or a team; 0 for none. Raises FilterError."""
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise FilterError("expected a number")
    return int(text)
