"""Key holders on the pages: who somebody with a key is, and what that key may ask for.

A key opens nothing but its own page. It is looked up as on the data plane, one of ours by its
digest and any other by its fingerprint, and is forgotten again: what a visit goes on with is the
number or the fingerprint, and for our keys a mark that ends with the key.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from bridge.accounts.clients import attempts
from bridge.accounts.login_throttle import client_address
from bridge.configuration import callers, snapshot
from bridge.keys import authentication
from bridge.models import ApiKey, EndedKey, UsageHour
from bridge.routing import served
from bridge.routing.promised_facts import promised
from bridge.routing.served import EVERYTHING, Access
from bridge.routing.types import Routes
from bridge.translation.profiles import ModelFacts

LONGEST_KEY = 1400
_KEYS = "key"


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """Whoever has a key. Either `key_id` or `fingerprint` says which; `mark` proves an issued one.

    `row` is that of an issued key.
    """

    key_id: int = 0
    fingerprint: str = ""
    mark: str = ""
    row: ApiKey | None = None


# --- who it is --------------------------------------------------------------------------------


def holder_of(text: str) -> KeyHolder | None:
    """Whose key this is. None: nobody's, or one that is not good (any more)."""
    key = text.strip()
    if not key or len(key) > LONGEST_KEY or not (key.isascii() and key.isprintable()):
        return None
    # Both are looked up in any case, so that the time tells nothing.
    issued, forwarded = _issued(authentication.digest(key)), _forwarded(key)
    return issued or (None if key.startswith(authentication.PREFIX) else forwarded)


def what_became(text: str) -> str:
    """Of a key of ours that was good once: "revoked", "expired"; "" for any other."""
    digest = authentication.digest(text.strip())
    row = ApiKey.objects.filter(digest=digest).first()
    if row is not None:
        return "" if row.state == "good" else row.state
    ended = EndedKey.objects.filter(digest=digest, ended_at__lte=timezone.now()).first()
    return ended.get_why_display() if ended else ""


def revalidate(key_id: int, fingerprint: str, mark: str) -> KeyHolder | None:
    """The same holder later. None when the key was revoked, has expired or was rotated away.

    At most one query, two for a key of a person without a team of its own.
    """
    if not key_id:
        return KeyHolder(0, fingerprint) if fingerprint else None
    row = ApiKey.objects.select_related("person", "team").filter(pk=key_id).first()
    if row is None:
        return None
    good = (digest for digest in _digests(row) if constant_time_compare(_mark(digest), mark))
    return next((KeyHolder(row.pk, "", mark, row) for _ in good), None)


def _issued(digest: str) -> KeyHolder | None:
    row = ApiKey.objects.filter(Q(digest=digest) | Q(former_digest=digest)).first()
    if row is None or not any(constant_time_compare(good, digest) for good in _digests(row)):
        return None
    return KeyHolder(row.pk, "", _mark(digest), row)


def _forwarded(key: str) -> KeyHolder | None:
    """A key of a backend, if the gateway ever accepted it."""
    fingerprint = authentication.fingerprint(
        key, authentication.fingerprint_key(settings.SECRET_KEY)
    )
    used = UsageHour.objects.filter(key_id=0, fingerprint=fingerprint).exists()
    return KeyHolder(0, fingerprint) if used else None


def _digests(row: ApiKey) -> list[str]:
    """The digests by which a row's key is good at this moment."""
    now = timezone.now()
    if not row.enabled or (row.expires_at is not None and row.expires_at <= now):
        return []
    team = row.counted_team()
    if (row.person and not row.person.is_active) or (team and not team.enabled):
        return []
    overlaps = row.former_until is not None and row.former_until > now
    return [row.digest, row.former_digest] if row.former_digest and overlaps else [row.digest]


def _mark(digest: str) -> str:
    """Says that a key was there, and nothing of the key."""
    return salted_hmac("bridge.accounts.key_holders", digest).hexdigest()[:32]


def is_current(holder: KeyHolder, row: ApiKey) -> bool:
    """Whether what was pasted is the key of this row itself, not one that it replaces."""
    return row.pk == holder.key_id and constant_time_compare(_mark(row.digest), holder.mark)


# --- how often somebody may guess -------------------------------------------------------------


def tries_left(request: HttpRequest) -> bool:
    """Count a try of this address before its key is looked at; False when there were too many.

    As many as for logins.
    """
    whose, seconds = _visitor(request), settings.LOGIN_LOCK_SECONDS
    return attempts.take(_KEYS, whose, settings.LOGIN_FAILURES, seconds)


def forgive(request: HttpRequest) -> None:
    """The key was good."""
    attempts.forgive(_KEYS, _visitor(request))


def _visitor(request: HttpRequest) -> str:
    return client_address(request) or "unknown"


# --- what it may ask for ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Offer:
    """A name that the holder may ask for, and what is known of the model behind it.

    `is_pattern`: stands for every name that fits it.
    """

    name: str
    facts: ModelFacts
    is_pattern: bool = False


@dataclass(frozen=True, slots=True)
class Offers:
    """Every name that a holder may ask for, aliases first, and the routes that say so."""

    routes: Routes
    names: tuple[Offer, ...]


def offers(holder: KeyHolder) -> Offers:
    """What this holder may ask for at this moment."""
    routes, allowed = snapshot.current_routes(), access(holder)
    patterns = [offer for offer in _patterns(routes) if allowed.allows(offer.name)]
    known = served.exact_names(routes, allowed)
    if allowed.is_limited:
        shown = {offer.name for offer in patterns}
        made = served.made_names(routes, allowed, known)
        known |= {name: route for name, route in made.items() if route.alias not in shown}
    names = (Offer(name, promised(route.targets).facts) for name, route in known.items())
    return Offers(routes, (*patterns, *names))


def access(holder: KeyHolder) -> Access:
    """What the holder's key is for."""
    return Access(callers.of_row(holder.row).allow_lists) if holder.row else EVERYTHING


def _patterns(routes: Routes) -> Iterable[Offer]:
    for alias in routes.aliases:
        if alias.is_glob and (route := served.find(routes, alias.pattern)):
            yield Offer(alias.pattern, promised(route.targets).facts, is_pattern=True)
