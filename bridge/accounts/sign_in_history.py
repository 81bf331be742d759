"""What the history has of sign-ins on the pages: who came, how, from where, and who left.

A wrong password is no entry; the lock that follows too many is one. Entries are as few as that:
one for each lock of a user's name or an address, and of locks at most LOCKS_AN_HOUR. What somebody
typed as a name stands nowhere: people type passwords there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.core.cache import cache
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone

from bridge.models import Change
from bridge.models.acting import now
from bridge.models.changes import happened
from bridge.models.people.persons import SIGN_INS

SIGNED_IN, SIGNED_OUT, LOCKED = "signed in", "signed out", "locked for sign-ins"
WITH_PASSWORD, BY_FRONT = "a password", "the header of a front"
_WAY = "gateway_sign_in_way"
AN_ADDRESS, NOBODY = "An address", "A name that nobody has"
LOCKS_AN_HOUR = 60
SECONDS_BETWEEN_ENTRIES = 3600
"""A front names its user with each request, and a client without cookies is new with each."""


@contextmanager
def by(request: HttpRequest, way: str) -> Iterator[None]:
    """Inside the block somebody signs in with this, and not with a password."""
    setattr(request, _WAY, way)
    try:
        yield
    finally:
        delattr(request, _WAY)


@receiver(user_logged_in)
def _came(sender: Any, request: HttpRequest | None, user: User, **_: Any) -> None:
    if request is None or not now().is_page:
        return
    way = getattr(request, _WAY, WITH_PASSWORD)
    if way == BY_FRONT and not cache.add(f"front-entry-{user.pk}", True, SECONDS_BETWEEN_ENTRIES):
        return
    name = user.get_username()
    happened(SIGN_INS, user.pk, name, SIGNED_IN, {"with": way}, actor=name)


@receiver(user_logged_out)
def _went(sender: Any, user: User | None, **_: Any) -> None:
    if user is not None and now().is_page:
        name = user.get_username()
        happened(SIGN_INS, user.pk, name, SIGNED_OUT, actor=name)


def address_locked(failures: int) -> None:
    """The address of this request may not sign in for a while, whatever the name."""
    _locked(0, AN_ADDRESS, failures)


def name_locked(username: str, failures: int) -> None:
    """This name is locked at the address of this request."""
    user = User.objects.filter(username=username).first()
    _locked(*((user.pk, user.username) if user else (-1, NOBODY)), failures)


def _locked(number: int, label: str, failures: int) -> None:
    address, moment = now().address(), timezone.now()
    known = Change.objects.filter(kind=SIGN_INS, event=LOCKED)
    since = moment - timedelta(seconds=settings.LOGIN_LOCK_SECONDS)
    if known.filter(object_id=number, address=address, at__gt=since).exists():
        return
    if known.filter(at__gt=moment - timedelta(hours=1)).count() < LOCKS_AN_HOUR:
        details = {"after": f"{failures} failures"}
        happened(SIGN_INS, number, label, LOCKED, details, actor="sign-in")
