"""How long a backend asks to be left alone: in headers, in members of its error, in words.

What stands in the error serves the client, which waits as long as it is told. Only headers make a
model rest for everybody: an error may quote a request.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from bridge.translation.json import JSON

LONGEST = 7 * 24 * 3600
_LONGEST_SENTENCE = 1000
_DEEPEST = 6
_MOST = 20
_SECONDS = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?(?:s|sec|secs|seconds)?")
_MILLISECONDS = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")
_IN_WORDS = re.compile(
    r"\b(?:try again|retry(?:ing)?|wait)(?: again)?(?: (?:in|after|for))? ?(?:about )?"
    r"(?:(?P<hours>\d{1,3}) ?h(?:ours?)? ?)?(?:(?P<minutes>\d{1,4}) ?m(?!s)(?:in(?:utes?)?)? ?)?"
    r"(?:(?P<seconds>\d{1,6}(?:\.\d{1,9})?) ?(?P<unit>ms|s)(?:ec(?:ond)?s?)?\b)?",
    re.I,
)
_MEMBERS = ("retryDelay", "retry_after", "retryAfter", "retry_after_seconds")


def of_headers(headers: Mapping[str, str]) -> int | None:
    """`retry-after` in whole seconds, rounded up, a week at most; None when absent or unreadable.

    The HTTP-date form needs a clock and is turned into seconds before it gets here.
    """
    found = _SECONDS.fullmatch(headers.get("retry-after", "").strip().lower())
    if found is not None:
        return _whole(float(found[1]))
    milliseconds = headers.get("retry-after-ms", "").strip()
    if _MILLISECONDS.fullmatch(milliseconds):
        return _whole(float(milliseconds) / 1000) or None
    return None


def of_body(body: JSON, text: str) -> int | None:
    """The same out of an error's members, or of the sentence in it."""
    told = _member(body, 0)
    return (_in_words(text[:_LONGEST_SENTENCE]) if told is None else told) or None


def _whole(seconds: float) -> int:
    return min(LONGEST, int(seconds) + (seconds > int(seconds)))


def _member(body: JSON, depth: int) -> int | None:
    if depth > _DEEPEST:
        return None
    inner: list[JSON] = body[:_MOST] if isinstance(body, list) else []
    if isinstance(body, dict):
        told = next((body[name] for name in _MEMBERS if body.get(name)), None)
        if isinstance(told, (int, float, str)) and not isinstance(told, bool):
            found = _SECONDS.fullmatch(str(told).strip().lower())
            return _whole(float(found[1])) if found else None
        inner = [value for value in [*body.values()][:_MOST] if isinstance(value, (dict, list))]
    found_inside = (_member(value, depth + 1) for value in inner)
    return next((seconds for seconds in found_inside if seconds is not None), None)


def _in_words(text: str) -> int | None:
    for found in _IN_WORDS.finditer(text):
        hours, minutes = int(found["hours"] or 0), int(found["minutes"] or 0)
        seconds = float(found["seconds"] or 0)
        seconds /= 1000 if (found["unit"] or "").lower() == "ms" else 1
        if total := hours * 3600 + minutes * 60 + seconds:
            return _whole(total)
    return None
