"""Random identifiers of base62 characters."""

from __future__ import annotations

import secrets
from base64 import b64encode

LENGTH = 24


def mint() -> str:
    """24 random base62 characters (142 bits)."""
    text = b64encode(secrets.token_bytes(30)).translate(None, b"+/=").decode()
    return text[:LENGTH] if len(text) >= LENGTH else mint()
