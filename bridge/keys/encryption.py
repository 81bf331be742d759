"""Backend keys at rest: encrypted with a key that is made from SECRET_KEY and the key's owner.

The owner is the server that a key was entered for. So the database alone is no use to a thief, and
a sealed text that is copied into a row of another server cannot be read there, let alone be sent.
A text that was sealed under an earlier SECRET_KEY is still read when that one is named in
SECRET_KEY_FALLBACKS.
"""

from __future__ import annotations

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

PREFIX = "sealed:"


class UnsealError(ValueError):
    """Sealed for another server, or under a SECRET_KEY that this process does not know."""


def seal(text: str, owner: str, stored: str = "") -> str:
    """`text`, unreadable without SECRET_KEY and `owner`; begins with "sealed:".

    Two seals of one text differ. So `stored` is what is there already: it stays, if it is this text
    under the SECRET_KEY of now.
    """
    boxes = _boxes(owner)
    if stored.startswith(PREFIX) and _opened(stored, MultiFernet(boxes[:1])) == text:
        return stored
    return PREFIX + MultiFernet(boxes).encrypt(text.encode()).decode()


def unseal(sealed: str, owner: str) -> str:
    """What was sealed. Raises UnsealError."""
    text = _opened(sealed, MultiFernet(_boxes(owner)))
    if text is None:
        raise UnsealError
    return text


def unseal_without_owner(sealed: str) -> str:
    """What was sealed before seals had owners; for `manage.py reseal`. Raises UnsealError."""
    return unseal(sealed, "")


def _opened(sealed: str, box: MultiFernet) -> str | None:
    try:
        return box.decrypt(sealed.removeprefix(PREFIX).encode()).decode()
    except InvalidToken:
        return None


def _boxes(owner: str) -> list[Fernet]:
    """The one that seals, then those that only open."""
    known = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return [Fernet(_derived(secret, owner)) for secret in known]


def _derived(secret: str, owner: str) -> bytes:
    """A key of its own for each owner; with lengths, so that no two pairs run together."""
    bound = b"" if not owner else b"\0%d\0%s" % (len(secret.encode()), owner.encode())
    digest = hashlib.sha256(b"backend credentials " + secret.encode() + bound).digest()
    return base64.urlsafe_b64encode(digest)
