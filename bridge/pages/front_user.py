"""Django's middleware for the third way to log in: a header of a front (REMOTE_USER_HEADER).

A session that it made lasts as long as each request brings the same name from a listed front. A
log-in by password or company account is not touched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth import login, logout
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse

from bridge.accounts import company_groups, front_users, sign_in_history
from bridge.accounts.company_groups import GroupsError
from bridge.accounts.front_users import FrontError
from bridge.pages import refusals

BACKEND = "django.contrib.auth.backends.ModelBackend"
NAMED = "front_user"
GROUPS = "front_groups"
"""Members of the session: the name, and a digest of the groups that were looked at."""


def front_user(get_response: Callable[[HttpRequest], HttpResponse]) -> Any:
    """Who is logged in by the header, before any view asks."""

    def middleware(request: HttpRequest) -> HttpResponse:
        try:
            _settle(request)
        except FrontError as error:
            return _refused(request, str(error))
        except GroupsError as error:
            return _refused(request, f"{settings.REMOTE_USER_GROUPS_HEADER}: {error}")
        return get_response(request)

    return middleware


def _refused(request: HttpRequest, reason: str) -> HttpResponse:
    text = "The front that let you in sent what this gateway cannot use. An admin should look."
    return refusals.refused(request, 403, "Not signed in", text, reason)


def _settle(request: HttpRequest) -> None:
    name = _header(request, settings.REMOTE_USER_HEADER)
    known = request.session.get(NAMED)
    if known is not None and (known != name or not _is_still_good(request)):
        logout(request)
        known = None
    if not name or (known is None and request.user.is_authenticated):
        return
    if known is None:
        user = front_users.user_called(name)
        if user is None:
            return
        with sign_in_history.by(request, sign_in_history.BY_FRONT):
            login(request, user, BACKEND)
        request.session[NAMED] = name
    _settle_groups(request)


def _header(request: HttpRequest, name: str) -> str:
    """What a listed front says; "" from anywhere else."""
    scope = getattr(request, "scope", None)
    if scope is None or not front_users.is_front(request.META.get("REMOTE_ADDR") or ""):
        return ""
    return front_users.value(scope["headers"], name)


def _is_still_good(request: HttpRequest) -> bool:
    """Not once the user is switched off, or an admin."""
    return isinstance(request.user, User) and not request.user.is_superuser


def _settle_groups(request: HttpRequest) -> None:
    """Bring roles and teams up to date when the groups are others than at the last request."""
    if not settings.REMOTE_USER_GROUPS_HEADER or not isinstance(request.user, User):
        return
    text = _header(request, settings.REMOTE_USER_GROUPS_HEADER)
    digest = hashlib.sha256(text.encode()).hexdigest()
    if request.session.get(GROUPS) != digest:
        company_groups.bring_up_to_date(request.user, company_groups.of_header(text))
        request.session[GROUPS] = digest
