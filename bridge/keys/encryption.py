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


def seal(text: str, stored: str = "") -> str:
    """`text`, unreadable without SECRET_KEY; begins with "sealed:".

    Two seals of one text differ. So `stored` is what is there already: it stays, if it is this text
    under the SECRET_KEY of now.
    """
    if stored.startswith(PREFIX) and _opened(stored, MultiFernet(_boxes()[:1])) == text:
        return stored
    return PREFIX + MultiFernet(_boxes()).encrypt(text.encode()).decode()


def unseal(sealed: str) -> str:
    """What was sealed. Raises CannotUnseal."""
    text = _opened(sealed, MultiFernet(_boxes()))
    if text is None:
        raise CannotUnseal
    return text


def _opened(sealed: str, box: MultiFernet) -> str | None:
    try:
        return box.decrypt(sealed.removeprefix(PREFIX).encode()).decode()
    except InvalidToken:
        return None


def _boxes() -> list[Fernet]:
    """The one that seals, then those that only open."""
    known = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return [Fernet(_derived(secret)) for secret in known]


def _derived(secret: str) -> bytes:
    digest = hashlib.sha256(b"backend credentials " + secret.encode()).digest()
    return base64.urlsafe_b64encode(digest)
