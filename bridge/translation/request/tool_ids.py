"""Tool call ids as a model's chat template wants them.

Most templates take any string. Mistral's want nine characters, Kimi's want the tool's name and a
running number, and the reference API stops at forty. The style is applied to a call and to its
result alike, so that the same conversation always translates the same way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
LONGEST = 40


def _digest(text: str, length: int) -> str:
    """The first base62 characters of the text's SHA-256."""
    number = int.from_bytes(hashlib.sha256(text.encode()).digest(), "big")
    characters = []
    for _ in range(length):
        number, rest = divmod(number, 62)
        characters.append(_BASE62[rest])
    return "".join(characters)


def _as_it_is(client_id: str, name: str, number: int) -> str:
    return client_id


def _mistral9(client_id: str, name: str, number: int) -> str:
    return _digest(client_id, 9)


def _kimi(client_id: str, name: str, number: int) -> str:
    return f"functions.{name}:{number}"


def _max40(client_id: str, name: str, number: int) -> str:
    return client_id if len(client_id) <= LONGEST else f"call_{_digest(client_id, 24)}"


STYLES: dict[str, Callable[[str, str, int], str]] = {
    "": _as_it_is,
    "mistral9": _mistral9,
    "kimi": _kimi,
    "max40": _max40,
}
"""Style -> (client's id, tool name, number of the call in the conversation from 0) -> id sent."""
