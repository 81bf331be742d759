"""What the provider says of itself: its addresses, and the keys that it signs with."""

from __future__ import annotations

import time
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import jwt
import msgspec
from django.conf import settings

from bridge.keys.authentication import is_loopback
from bridge.oidc.fetching import get_json
from bridge.oidc.refusals import RefusalCause, SignInError

WELL_KNOWN = "/.well-known/openid-configuration"
KEPT_SECONDS = 300.0
MOST_KEYS = 100


class ProviderDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The members of a discovery document that are needed. Addresses are checked."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    end_session_endpoint: str = ""
    scopes_supported: tuple[str, ...] = ()
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)

    def addresses(self) -> dict[str, str]:
        """Name -> address, of those that the provider has."""
        members = (name for name in self.__struct_fields__ if name.endswith(("_endpoint", "_uri")))
        return {name: value for name in members if (value := getattr(self, name))}


def scopes() -> list[str]:
    """What is asked for."""
    return list(dict.fromkeys(["openid", *settings.OIDC_SCOPES.replace(",", " ").split()]))


def read() -> ProviderDocument:
    """The document as the provider has it now. Raises SignInError."""
    found = get_json(settings.OIDC_ISSUER + WELL_KNOWN)
    known = {name: value for name, value in found.items() if value is not None}
    try:
        document = msgspec.convert(known, ProviderDocument)
    except msgspec.ValidationError as error:
        raise SignInError(RefusalCause.PROVIDER, f"discovery document: {error}") from None
    if document.issuer.rstrip("/") != settings.OIDC_ISSUER:
        raise SignInError(RefusalCause.PROVIDER, "its issuer is another one than OIDC_ISSUER")
    for name, address in document.addresses().items():
        if not _is_usable(address):
            raise SignInError(RefusalCause.PROVIDER, f"{name}: expected an https address")
    return document


def _is_usable(address: str) -> bool:
    """Whether it is https, or of this machine where the issuer is too."""
    try:
        place, own = urlsplit(address), urlsplit(settings.OIDC_ISSUER)
        if place.username or not place.hostname or not address.isprintable():
            return False
    except ValueError:
        return False
    is_local = own.scheme == "http" and is_loopback(place.hostname)
    return place.scheme == "https" or (place.scheme == "http" and is_local)


def read_keys(document: ProviderDocument) -> dict[str, jwt.PyJWK]:
    """The keys for signatures by their ids ("" for none). Raises SignInError."""
    entries = get_json(document.jwks_uri).get("keys")
    if not isinstance(entries, list) or len(entries) > MOST_KEYS:
        raise SignInError(RefusalCause.PROVIDER, f"jwks_uri: expected at most {MOST_KEYS} keys")
    keys = {}
    for entry in entries:
        if isinstance(entry, dict) and entry.get("use", "sig") == "sig" and (key := _key(entry)):
            keys[str(entry.get("kid", ""))] = key
    if not keys:
        raise SignInError(RefusalCause.PROVIDER, "jwks_uri: there is no key for signatures")
    return keys


def _key(entry: dict[str, Any]) -> jwt.PyJWK | None:
    """A public key; None for one that is of no use here."""
    if entry.get("kty") not in ("RSA", "EC", "OKP"):
        return None
    try:
        return jwt.PyJWK(entry)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None


# --- what this process keeps of it ----------------------------------------------------------------


class _Kept:
    """Document and keys, for some minutes, so that a page can begin a sign-in without a request."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.document: ProviderDocument | None = None
        self.keys: dict[str, jwt.PyJWK] = {}
        self.at = 0.0


_kept = _Kept()


def document() -> ProviderDocument:
    """The provider's document, at most KEPT_SECONDS old. Raises SignInError."""
    with _kept.lock:
        if _kept.document is not None and time.monotonic() - _kept.at < KEPT_SECONDS:
            return _kept.document
    found = read()
    with _kept.lock:
        if _kept.document is None or _kept.document.jwks_uri != found.jwks_uri:
            _kept.keys = {}
        _kept.document, _kept.at = found, time.monotonic()
    return found


def forget() -> None:
    """Read all of it again next time: the provider may have moved."""
    with _kept.lock:
        _kept.document, _kept.keys = None, {}


def key_called(kid: str) -> jwt.PyJWK:
    """The key of this id, or the only one there is for "". Keys that are not known yet are read
    again, since providers change theirs. Raises SignInError."""
    keys = _kept.keys
    if kid not in keys:
        keys = read_keys(document())
        with _kept.lock:
            _kept.keys = keys
    if not kid and len(keys) == 1:
        return next(iter(keys.values()))
    if kid not in keys:
        raise SignInError(
            RefusalCause.TOKEN, "it is signed by a key that the provider does not list"
        )
    return keys[kid]
