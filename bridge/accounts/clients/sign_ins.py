"""Sign-ins: how they are made, refreshed and ended.

A sign-in keeps its row and its key for as long as it is refreshed; only the digests in them change.
So reports know one key for each sign-in.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Max, Q
from django.utils import timezone

from bridge.models import ApiKey, DeviceRequest, KeyUse, SignIn
from bridge.models.changes import take_turn
from bridge.models.people.keys import KeyKind
from bridge.sign_in import failures, tokens
from bridge.sign_in.failures import NoTokensError
from bridge.sign_in.polling import RequestState
from bridge.sign_in.tokens import Pair, RefreshToken

OVERLAP = timedelta(seconds=60)
"""For so long requests that were under way may come with the key before the present one."""
LEEWAY = timedelta(seconds=20)
"""For so long a refresh token gives the same pair again: two processes of one client refresh at
one moment, and answers get lost. Later it was stolen."""
MOST_OF_A_PERSON = 50
KEPT = timedelta(days=7)
"""For so long a sign-in that is over is still listed, and its key known for what it is."""
REPLAYED = "a refresh token came again that had been used"
SIGNED_OUT = "the client signed out"
TOO_MANY = f"the person has more than {MOST_OF_A_PERSON}"
AGAIN = "sign in again"


@dataclass(frozen=True, slots=True)
class Granted:
    """Tokens of a sign-in. `expires_in`: seconds for which the key is good."""

    row: SignIn
    expires_in: int
    pair: Pair = field(repr=False)


# --- making and refreshing --------------------------------------------------------------------


def begin(request: DeviceRequest) -> Granted:
    """The tokens of a request that its person has approved, once. Raises NoTokensError."""
    with transaction.atomic():
        take_turn()
        waiting = DeviceRequest.objects.filter(pk=request.pk, state=RequestState.APPROVED)
        if not waiting.update(state=RequestState.REDEEMED):
            raise NoTokensError(failures.INVALID_GRANT, "device_code: it was used already")
        assert request.person is not None
        granted = _sign_in(request.person, request.client, request.address)
        DeviceRequest.objects.filter(pk=request.pk).update(sign_in=granted.row)
    return granted


def _sign_in(person: User, client: str, address: str | None) -> Granted:
    for extra in SignIn.objects.of_person(person).active()[MOST_OF_A_PERSON - 1 :]:
        extra.end(TOO_MANY)
    family = tokens.new_family()
    pair = tokens.first_pair(family, settings.SECRET_KEY)
    now = timezone.now()
    name = f"{person.get_username()[:70]} (sign-in {secrets.token_hex(4)})"
    key = ApiKey(name=name, person=person, kind=KeyKind.SESSION, expires_at=_key_ends(now))
    key.become(pair.key)
    key.save()
    row = SignIn.objects.create(
        person=person,
        key=key,
        client=client,
        address=address,
        family_digest=tokens.digest(family),
        refresh_digest=tokens.digest(pair.refresh),
        refreshed_at=now,
        expires_at=_family_ends(now),
    )
    return Granted(row, settings.SESSION_KEY_SECONDS, pair)


def refresh(text: str) -> Granted:
    """The next tokens for a refresh token. Raises NoTokensError, and ends the sign-in of a token
    that was used before."""
    token = tokens.read_refresh(text)
    if token is None or not SignIn.objects.filter(family_digest=token.family).exists():
        raise _refused("it is not known here")
    with transaction.atomic():
        take_turn()
        # the key too: a revocation of the key alone must not be written over
        rows = SignIn.objects.select_for_update(of=("self", "key")).select_related("key", "person")
        row = rows.filter(family_digest=token.family).first()
        answer = _refused("it is not known here") if row is None else _answer(row, token, text)
    if isinstance(answer, NoTokensError):
        raise answer
    return answer


def _answer(row: SignIn, token: RefreshToken, text: str) -> Granted | NoTokensError:
    now = timezone.now()
    if row.ended_at is not None or row.key.revoked_at is not None:
        return _refused("this sign-in was ended")
    if row.expires_at <= now:
        return _refused("it has expired")
    if not row.person.is_active:
        return _refused("the account is not active")
    pair = tokens.next_pair(text, settings.SECRET_KEY)
    if token.digest == row.refresh_digest:
        return _renewed(row, pair, now)
    if token.digest == row.former_digest and _is_repeated(row, pair, now):
        left = (row.key.expires_at or now) - now
        return Granted(row, max(1, int(left.total_seconds())), pair)
    row.end(REPLAYED)
    return _refused("it was used before, so this sign-in is ended")


def _renewed(row: SignIn, pair: Pair, now: datetime) -> Granted:
    _forget_uses(row)
    row.former_digest, row.refresh_digest = row.refresh_digest, tokens.digest(pair.refresh)
    row.refreshed_at, row.expires_at = now, _family_ends(now)
    row.save()
    row.key.renew(pair.key, _key_ends(now), OVERLAP)
    return Granted(row, settings.SESSION_KEY_SECONDS, pair)


def _is_repeated(row: SignIn, pair: Pair, now: datetime) -> bool:
    """Whether this pair was given out a moment ago."""
    return now - row.refreshed_at < LEEWAY and tokens.digest(pair.refresh) == row.refresh_digest


def _forget_uses(row: SignIn) -> None:
    """Each key that the row had leaves a line of its last use; of these the newest is enough."""
    uses = KeyUse.objects.filter(key_id=row.key_id).exclude(last_four=row.key.last_four)
    newest = uses.aggregate(at=Max("last_at"))["at"]
    row.used_at = max(filter(None, (row.used_at, newest)), default=None)
    uses.delete()


def _refused(why: str) -> NoTokensError:
    return NoTokensError(failures.INVALID_GRANT, f"refresh_token: {why}; {AGAIN}", 401)


def _key_ends(now: datetime) -> datetime:
    return now + timedelta(seconds=settings.SESSION_KEY_SECONDS)


def _family_ends(now: datetime) -> datetime:
    return now + timedelta(days=settings.SIGN_IN_DAYS)


# --- ending -----------------------------------------------------------------------------------


def revoke(text: str) -> bool:
    """End the sign-in that this key or refresh token is of; whether there is one.

    Any token of its family will do: whoever has one may end it, and nothing else.
    """
    found = _of_refresh(text) if text.startswith(tokens.REFRESH_PREFIX) else _of_key(text)
    for row in SignIn.objects.filter(found).select_related("key"):
        row.end(SIGNED_OUT)
        return True
    return False


def _of_refresh(text: str) -> Q:
    token = tokens.read_refresh(text)
    return Q(family_digest=token.family) if token else Q(pk__in=())


def _of_key(text: str) -> Q:
    digest = tokens.digest(text)
    return Q(key__digest=digest) | Q(key__former_digest=digest)


def end_all(person: User, why: str) -> int:
    """End whatever this person has signed in to, or approved; how many sign-ins it were."""
    return SignIn.end_all(person, why)


def clear(at_once: int) -> int:
    """Delete some sign-ins that are long over, with their keys; how many it were."""
    long_ago = timezone.now() - KEPT
    over = SignIn.objects.filter(Q(ended_at__lt=long_ago) | Q(expires_at__lt=long_ago))
    rows = list(over.select_related("key")[:at_once])
    for row in rows:
        KeyUse.objects.filter(key_id=row.key_id).delete()
        row.key.delete()
    return len(rows)
