"""Header -> caller -> what the backend gets to see as credential.

Two kinds of keys arrive. One that the gateway issued is known by its SHA-256 and never leaves the
gateway. Any other is the caller's own key for the backend and is forwarded, or replaced by the
operator's, as `CHUTES_AUTH_STYLE` says. Nothing here keeps a key: what is logged and counted is an
HMAC fingerprint.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache

from bridge.keys.limits import Limits
from bridge.routing.resolve import BackendConfig
from bridge.translation.errors.api_error import ApiError

MISSING = "Missing API key: send x-api-key or Authorization: Bearer"
INVALID = "Invalid API key"
VENDOR_KEY = "Anthropic credentials cannot be used with this gateway"
ISSUED_ONLY = (
    "Invalid API key: this gateway uses the operator's backend key, so on an address that others "
    "can reach it accepts only keys that it issued. Issue one with `manage.py issue_key NAME`, or "
    "set REQUIRE_GATEWAY_KEY=0 to lift the rule"
)
PREFIX = "gwk_"
"""How issued keys begin."""

_VENDOR_PREFIX = "sk-ant-"


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key of ours, without the key. `allowed` are globs of model names; empty for all."""

    id: int
    name: str
    enabled: bool = True
    expires_at: float | None = None
    digest: str = field(default="", repr=False)
    allowed: tuple[str, ...] = ()
    sample_percent: int = 0
    limits: Limits = NO_LIMITS


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls. `secret` is the key as sent, to be forwarded; "" for an issued key."""

    fingerprint: str
    issued: IssuedKey | None = None
    secret: str = field(default="", repr=False)

    @property
    def name(self) -> str:
        return self.issued.name if self.issued else f"key-{self.fingerprint}"


@dataclass(frozen=True, slots=True)
class KeyPolicy:
    """What is to be done with keys. `require_issued`: "auto", "1" or "0"."""

    style: str = "both"
    require_issued: str = "auto"
    bound_to_loopback: bool = True
    fingerprint_key: bytes = field(default=b"", repr=False)


def digest(key: str) -> str:
    """The form in which an issued key is stored."""
    return hashlib.sha256(key.encode()).hexdigest()


def presented(headers: Mapping[str, str]) -> list[str]:
    """The keys of a request, in the order in which they are tried."""
    return [key for key in (headers.get("x-api-key", "").strip(), _bearer(headers)) if key]


def _bearer(headers: Mapping[str, str]) -> str:
    """The token of a bearer header; a single bare word counts, any other scheme does not."""
    words = headers.get("authorization", "").split()
    if words and words[0].lower() == "bearer":
        words = words[1:]
    return words[0] if len(words) == 1 else ""


def identify(
    headers: Mapping[str, str], issued: Mapping[str, IssuedKey], policy: KeyPolicy, now: float
) -> Caller:
    """The caller. Raises a 401 when there is no key, or one of ours that is no longer good."""
    keys = presented(headers)
    if not keys:
        raise ApiError(401, MISSING)
    if not all(key.isascii() and key.isprintable() for key in keys):
        raise ApiError(401, INVALID)
    for key in keys:
        if known := issued.get(digest(key)):
            if not known.enabled or (known.expires_at is not None and known.expires_at <= now):
                raise ApiError(401, INVALID)
            return Caller(fingerprint(key, policy.fingerprint_key), issued=known)
    if keys[0].startswith(PREFIX):
        raise ApiError(401, INVALID)
    return Caller(fingerprint(keys[0], policy.fingerprint_key), secret=keys[0])


def fingerprint_key(secret: str) -> bytes:
    """What fingerprints of keys are made with, from this installation's secret."""
    return hashlib.sha256(f"fingerprint {secret}".encode()).digest()


def fingerprint(key: str, fingerprint_key: bytes) -> str:
    """What is kept of a key that is not ours: it tells keys apart, and nothing else."""
    return hmac.new(fingerprint_key, key.encode(), hashlib.sha256).hexdigest()[:12]


@lru_cache(maxsize=64)
def is_loopback(host: str) -> bool:
    """Whether only this machine can reach that address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def admit(caller: Caller, policy: KeyPolicy, operator_key_in_use: bool, address: str) -> None:
    """Refuse a stranger where the operator's money would be spent. `address` is the server's."""
    if caller.issued or policy.require_issued == "0":
        return
    open_port = not (policy.bound_to_loopback and is_loopback(address))
    if policy.require_issued == "1" or (operator_key_in_use and open_port):
        raise ApiError(401, ISSUED_ONLY)


def may_use(caller: Caller, model: str) -> bool:
    """Whether this caller may ask for a model by this name."""
    allowed = caller.issued.allowed if caller.issued else ()
    name = model.lower()
    return not allowed or any(fnmatchcase(name, pattern.lower()) for pattern in allowed)


def check_model(caller: Caller, model: str) -> None:
    """Refuse a model that the key is not for."""
    if not may_use(caller, model):
        raise ApiError(403, f"model: this API key may not use {model}")


def credential(caller: Caller, backend: BackendConfig, policy: KeyPolicy) -> tuple[str, bool]:
    """(key for the backend or "", whether it is the operator's)."""
    if backend.is_demo:
        return "", False
    replaces = policy.style != "header" or caller.issued is not None
    if backend.key and replaces:
        return backend.key, True
    if caller.issued or policy.style == "env":
        return "", bool(backend.key)
    if caller.secret.startswith(_VENDOR_PREFIX):
        raise ApiError(401, VENDOR_KEY)
    return caller.secret, False
