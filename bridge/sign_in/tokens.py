"""Device codes, refresh tokens and session keys: how they are made, and how they are known.

Stored is the SHA-256 of each and nothing else. The tokens that follow a refresh token are derived
from its text and the installation's secret, so that the same refresh token gives the same pair
when two processes of one client refresh at one moment, or an answer was lost on its way.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from functools import lru_cache

SESSION_PREFIX = "gwk_session_"
"""How session keys begin. Issued keys begin with the first part of it."""
REFRESH_PREFIX = "gwr_"
LONGEST = 200
"""Characters of a token; what is longer is none of ours."""
_BYTES, _FAMILY_BYTES, _TAG_BYTES = 32, 18, 8
_TAG_LENGTH = 11
_SESSION_LENGTH = len(SESSION_PREFIX) + 43 + _TAG_LENGTH


@dataclass(frozen=True, slots=True)
class Pair:
    """What a client gets: the key for requests, and the token for the next pair."""

    key: str = field(repr=False)
    refresh: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token as it was sent. `family` says of which sign-in; both are digests."""

    family: str
    digest: str


def digest(text: str) -> str:
    """The form in which codes and tokens are stored."""
    return hashlib.sha256(text.encode()).hexdigest()


def new_device_code() -> str:
    return secrets.token_urlsafe(_BYTES)


def new_family() -> str:
    """What all refresh tokens of a sign-in begin with. Nobody can guess that of another."""
    return secrets.token_urlsafe(_FAMILY_BYTES)


def first_pair(family: str, secret: str) -> Pair:
    """The first tokens of a sign-in. `secret` is the installation's."""
    return _pair(family, secrets.token_urlsafe(_BYTES), secret)


def next_pair(refresh: str, secret: str) -> Pair:
    """The tokens that follow this refresh token, which is one of ours."""
    return _pair(refresh.removeprefix(REFRESH_PREFIX).partition(".")[0], refresh, secret)


def read_refresh(text: str) -> RefreshToken | None:
    """None for what cannot be one."""
    family, dot, rest = text.removeprefix(REFRESH_PREFIX).partition(".")
    fits = text.startswith(REFRESH_PREFIX) and dot and family and rest and len(text) <= LONGEST
    return RefreshToken(digest(family), digest(text)) if fits else None


def is_session_key(text: str, secret: str) -> bool:
    """Whether this installation made that session key, good or not. Looks nothing up."""
    if len(text) != _SESSION_LENGTH or not text.startswith(SESSION_PREFIX) or not text.isascii():
        return False
    body, tag = text[:-_TAG_LENGTH], text[-_TAG_LENGTH:]
    return hmac.compare_digest(_tag(body, secret), tag)


def _pair(family: str, seed: str, secret: str) -> Pair:
    body = SESSION_PREFIX + _text(_mac("session key", seed, secret))
    refresh = _text(_mac("refresh token", seed, secret))
    return Pair(body + _tag(body, secret), f"{REFRESH_PREFIX}{family}.{refresh}")


def _tag(body: str, secret: str) -> str:
    return _text(_mac("session tag", body, secret)[:_TAG_BYTES])


def _mac(purpose: str, text: str, secret: str) -> bytes:
    return hmac.new(_key(purpose, secret), text.encode(), hashlib.sha256).digest()


@lru_cache(maxsize=16)
def _key(purpose: str, secret: str) -> bytes:
    return hashlib.sha256(f"bridge.sign_in {purpose} {secret}".encode()).digest()


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
