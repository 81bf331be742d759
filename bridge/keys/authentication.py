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
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from bridge.keys.client_address import Address, Network, is_within
from bridge.keys.limits import Account, AccountKind, AccountRef, Limits
from bridge.routing import globs
from bridge.routing.resolve import spellings
from bridge.routing.types import BackendConfig
from bridge.sign_in.tokens import REFRESH_PREFIX
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
ADMIN_PREFIX = "gwa_"
"""How tokens of the admin API begin."""
OPENS_NO_MODEL = "A token of the admin API opens no model: send a key of the gateway"
REFRESHES_ONLY = "A refresh token opens no model: send the access token that came with it"
NEVER_FORWARDED = {ADMIN_PREFIX: OPENS_NO_MODEL, REFRESH_PREFIX: REFRESHES_ONLY}
"""Secrets of this gateway that are no keys, by how they begin, and what their senders are told."""
ASK = "Ask the operator of this gateway for another one"
SIGN_IN_AGAIN = "Sign in again (/login in Claude Code)"
_ENDED = {
    "rotated": "was replaced by a new one and ended at {at}. Use the new key",
    "revoked": f"was revoked at {{at}}. {ASK}",
    "deleted": f"was deleted at {{at}}. {ASK}",
}

_VENDOR_PREFIX = "sk-ant-"


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Principal:
    """A person or a team, as the keys that count for it know it.

    is_active  whether its keys are good: the user is active, the team enabled
    allowed    globs of model names; empty for all
    client_settings   what clients of a team's people are handed
    """

    id: int
    name: str
    is_active: bool = True
    allowed: tuple[str, ...] = ()
    limits: Limits = NO_LIMITS
    client_settings: Mapping[str, Any] = field(default_factory=dict, hash=False, repr=False)


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key of ours, without the key, good or not.

    allowed    globs of model names; empty for all
    networks   where its requests may come from; empty for everywhere
    sample_until   when samples are taken no more, in seconds since 1970; None for no end
    four       its last four characters
    ended      "" or why it is good only until `ended_at`: rotated, revoked or deleted
    person, team   whose key it is, and the team that it counts for; None for nobody's
    teams          those whose client settings count, the weakest first
    allow_lists    `allowed` of the key, its person and its team, where they have some
    accounts       the key, its person and its team, where they have limits
    is_session     whether a person's sign-in made it
    """

    id: int
    name: str
    enabled: bool = True
    expires_at: float | None = None
    digest: str = field(default="", repr=False)
    allowed: tuple[str, ...] = ()
    sample_percent: int = 0
    sample_until: float | None = None
    limits: Limits = NO_LIMITS
    networks: tuple[Network, ...] = ()
    four: str = ""
    ended: str = ""
    ended_at: float = 0.0
    person: Principal | None = None
    team: Principal | None = None
    teams: tuple[Principal, ...] = ()
    is_session: bool = False
    allow_lists: tuple[tuple[str, ...], ...] = field(init=False, default=(), compare=False)
    accounts: tuple[Account, ...] = field(init=False, default=(), compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "accounts", tuple(self._accounts()))
        lists = (self.allowed, *(each.allowed for each in (self.person, self.team) if each))
        object.__setattr__(self, "allow_lists", tuple(filter(None, lists)))

    def _accounts(self) -> Iterator[Account]:
        whose = (
            (AccountKind.KEY, self),
            (AccountKind.PERSON, self.person),
            (AccountKind.TEAM, self.team),
        )
        for kind, each in whose:
            if each is not None and not each.limits.is_empty:
                yield Account(AccountRef(kind, each.id), each.name, each.limits)

    def accounts_without_rates(self) -> tuple[Account, ...]:
        """Those with budgets and quotas, and nothing else of them."""
        return tuple(each.without_rates for each in self.accounts if each.limits.quotas)

    def why_not(self, now: float) -> str:
        """Why this key is not good, as a sentence for its holder; "" for one that is."""
        known_as = f"This API key (ends in {self.four})" if self.four else "This API key"
        if self.is_session and (reason := self._session_ended(now)):
            return reason
        if self.ended and self.ended_at <= now:
            return f"{known_as} {_ENDED[self.ended].format(at=_moment(self.ended_at))}"
        if not self.enabled:
            return f"{known_as} is switched off. {ASK}"
        if self.expires_at is not None and self.expires_at <= now:
            return f"{known_as} expired at {_moment(self.expires_at)}. {ASK}"
        if self.person is not None and not self.person.is_active:
            return f"{known_as} belongs to {self.person.name}, whose account is not active. {ASK}"
        if self.team is not None and not self.team.is_active:
            return f"{known_as} belongs to the team {self.team.name}, which is not enabled. {ASK}"
        return ""

    def _session_ended(self, now: float) -> str:
        if self.ended == "revoked":
            return f"This sign-in was ended at {_moment(self.ended_at)}. {SIGN_IN_AGAIN}"
        ends = [self.ended_at] if self.ended else []
        ends += [self.expires_at] if self.expires_at is not None else []
        if ends and min(ends) <= now:
            return f"The key of this sign-in expired at {_moment(min(ends))}. {SIGN_IN_AGAIN}"
        return ""


class KeyEndedError(ApiError):
    """A key that this gateway issued and that is good no more; `issued` says which."""

    def __init__(self, issued: IssuedKey, why: str) -> None:
        super().__init__(401, why)
        self.issued = issued


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
    """The caller. Raises a 401 without a key, and KeyEndedError for one that is no longer valid."""
    keys = presented(headers)
    if not keys:
        raise ApiError(401, MISSING)
    if not all(key.isascii() and key.isprintable() for key in keys):
        raise ApiError(401, INVALID)
    known = [(key, row) for key in keys if (row := issued.get(digest(key)))]
    for key, row in known:
        if not row.why_not(now):
            return Caller(fingerprint(key, policy.fingerprint_key), issued=row)
    if known:
        raise KeyEndedError(known[0][1], known[0][1].why_not(now))
    if keys[0].startswith(PREFIX):
        raise ApiError(401, INVALID)
    for prefix, refusal in NEVER_FORWARDED.items():
        if any(key.startswith(prefix) for key in keys):
            raise ApiError(401, refusal)
    return Caller(fingerprint(keys[0], policy.fingerprint_key), secret=keys[0])


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def fingerprint_key(secret: str) -> bytes:
    """What fingerprints of keys are made with, from this installation's secret."""
    return hashlib.sha256(f"fingerprint {secret}".encode()).digest()


def fingerprint(key: str, fingerprint_key: bytes) -> str:
    """What is kept of a key that is not ours: it tells keys apart, and nothing else."""
    return hmac.digest(fingerprint_key, key.encode(), "sha256").hex()[:12]


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


def check_address(caller: Caller, address: Address | None) -> None:
    """Refuse a key away from the addresses that it is for. `address` is the client's."""
    networks = caller.issued.networks if caller.issued else ()
    if networks and not is_within(address, networks):
        raise ApiError(403, f"This API key may not be used from {address or 'this connection'}")


def may_use(caller: Caller, model: str) -> bool:
    """Whether this caller may ask for a model by this name."""
    return _is_allowed(caller, (model,))


def _is_allowed(caller: Caller, names: Collection[str]) -> bool:
    """Whether one of these names is allowed by the key, and one by its person and its team."""
    return caller.issued is None or globs.match_each(caller.issued.allow_lists, names)


def check_model(caller: Caller, model: str, found: str = "") -> None:
    """Refuse a model that the key, its person or its team is not for.

    A name is looked up in several spellings: before the look-up one that is allowed is enough;
    `found` is the one that decided.
    """
    names = (model, found) if found else tuple(spellings(model))
    if not _is_allowed(caller, names):
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
