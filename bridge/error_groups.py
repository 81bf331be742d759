"""Which errors are the same: messages without their numbers, ids and names. Pure.

`messages.4: 210345 tokens` and `messages.17: 199876 tokens` are one error that came twice. What is
left of a message, with its status and its type, is its group; a row has the hash of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import blake2b

from bridge.outcomes import is_fault

WIDTH = 200
"""Characters of a folded message that tell groups apart."""
NAME, NUMBER = "…", "#"
_QUOTED = re.compile(
    r"""`[^`]*(?:`|$) | "[^"]*(?:"|$) | “[^”]*(?:”|$) | ‘[^’]*(?:’|$)
    | (?<!\w)'[^']*(?:'(?!\w)|$)""",
    re.VERBOSE,
)
_ADDRESS = re.compile(r"\bhttps?://\S+")
_LISTING = re.compile(r"\bAvailable models: .*")
_WORD = re.compile(r"[A-Za-z0-9_-]+")
_DIGIT = re.compile(r"[0-9]")
_NUMBERS = re.compile(r"#(?:[.,:/]#)+")


def error_group(status: int, error_type: str, message: str, names: Iterable[str] = ()) -> str:
    """16 hexadecimal digits; "" for a request that was neither refused nor failed."""
    if not is_fault(status):
        return ""
    parts = str(status), error_type, folded(message, names)
    return blake2b("\n".join(parts).encode(errors="replace"), digest_size=8).hexdigest()


def folded(message: str, names: Iterable[str] = ()) -> str:
    """A message with NUMBER for each number or id, and NAME for what is quoted and for `names`."""
    text = " ".join(message.split())
    for name in sorted(filter(None, names), key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", NAME, text)
    text = _LISTING.sub(f"Available models: {NAME}", text)
    text = _ADDRESS.sub(NAME, _QUOTED.sub(NAME, text))
    return _NUMBERS.sub(NUMBER, _WORD.sub(_numbered, text))[:WIDTH].strip()


def _numbered(word: re.Match[str]) -> str:
    return NUMBER if _DIGIT.search(word[0]) else word[0]
