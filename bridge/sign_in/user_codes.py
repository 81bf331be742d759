"""The short code that a person reads from the client and confirms on the page."""

from __future__ import annotations

import secrets

ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
"""RFC 8628, section 6.1: no vowels, so no words, and no letter that looks like a digit."""
LENGTH = 8
LONGEST_TYPED = 64
_APART = str.maketrans("", "", "- \t\u2010\u2011\u2012\u2013\u2014")


def new() -> str:
    """A random code, as it is stored."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def shown(code: str) -> str:
    """XXXX-XXXX."""
    return f"{code[: LENGTH // 2]}-{code[LENGTH // 2 :]}"


def read(typed: str) -> str:
    """The code that somebody typed, as it is stored; "" for what cannot be one."""
    code = typed[:LONGEST_TYPED].translate(_APART).upper()
    return code if len(code) == LENGTH and set(code) <= set(ALPHABET) else ""
