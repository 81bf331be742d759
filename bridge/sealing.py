"""Backend keys at rest: encrypted with a key that is made from SECRET_KEY.

The database alone is then no use to a thief. A text that was sealed under an earlier SECRET_KEY is
still read when that one is named in SECRET_KEY_FALLBACKS.
"""

from __future__ import annotations

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

PREFIX = "sealed:"


class CannotUnseal(ValueError):
    """Sealed under a SECRET_KEY that this process does not know."""


def seal(text: str) -> str:
    """`text`, unreadable without SECRET_KEY; begins with "sealed:"."""
    return PREFIX + _box().encrypt(text.encode()).decode()


def unseal(sealed: str) -> str:
    """What was sealed. Raises CannotUnseal."""
    try:
        return _box().decrypt(sealed.removeprefix(PREFIX).encode()).decode()
    except InvalidToken:
        raise CannotUnseal from None


def _box() -> MultiFernet:
    known = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return MultiFernet([Fernet(_derived(secret)) for secret in known])


def _derived(secret: str) -> bytes:
    digest = hashlib.sha256(b"backend credentials " + secret.encode()).digest()
    return base64.urlsafe_b64encode(digest)
