"""Users whom a front in front of the gateway has let in and names in a header.

Anybody can send a header. So it counts only on a connection that comes from a listed front itself,
which must set it over whatever a client sent. The name is read as it came: Django's own table of
headers takes `X_Remote_User` for `X-Remote-User`, which some fronts let pass.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from django.conf import settings
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import IntegrityError, transaction

from bridge.accounts import arrivals
from bridge.accounts.arrivals import Identity
from bridge.keys.client_address import client_address, is_within

log = logging.getLogger(__name__)

Headers = Iterable[Sequence[bytes]]
SECONDS_BETWEEN_NOTICES = 3600


class FrontError(ValueError):
    """Why what the front sent cannot be used. Repeats nothing of it."""


def is_front(peer: str) -> bool:
    """Whether the other end of a connection is a listed front."""
    return is_within(client_address(peer, "", trusts_front=False), settings.REMOTE_USER_PROXIES)


def value(headers: Headers, name: str) -> str:
    """The value of a header, "" where there is none. Raises FrontError where there are several:
    then one of them is a client's."""
    wanted = name.lower().encode()
    found = [bytes(text) for key, text in headers if bytes(key).lower() == wanted]
    if len(found) > 1:
        raise FrontError(f"{name}: it came {len(found)} times")
    try:
        return found[0].decode().strip() if found else ""
    except UnicodeDecodeError:
        raise FrontError(f"{name}: expected UTF-8") from None


def user_called(name: str) -> User | None:
    """The user of this name, who is made where there is none. None for an admin: a header makes
    nobody one. Raises FrontError."""
    try:
        username = arrivals.username_for(Identity(name))
    except arrivals.UnusableNameError:
        raise FrontError(f"{settings.REMOTE_USER_HEADER}: no name that a user can have") from None
    user = User.objects.filter(username=username).first() or _made(username)
    if user.is_superuser:
        _notice(user)
        return None
    if not user.is_active:
        raise FrontError("This user is switched off")
    return user


def _made(username: str) -> User:
    try:
        with transaction.atomic():
            return arrivals.new_user(username, Identity(username))
    except arrivals.NameTakenError:
        text = "a user is here whose name differs by case alone"
        raise FrontError(f"{settings.REMOTE_USER_HEADER}: {text}") from None
    except IntegrityError:  # another request of the same person was first
        return User.objects.get(username=username)


def _notice(user: User) -> None:
    """Once an hour, not at every request."""
    if cache.add(f"front-names-admin-{user.pk}", True, SECONDS_BETWEEN_NOTICES):
        text = "%s names an admin, and makes nobody one: admins log in with a password"
        log.warning(text, settings.REMOTE_USER_HEADER)
