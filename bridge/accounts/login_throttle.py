"""Failed logins: whose they are, how they are counted, and the page of a lock.

django-axes keeps the counts, one for each user name at each address. So a stranger who guesses
locks himself out, and never the user at another address.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

log = logging.getLogger(__name__)

OF_ONE_CUSTOMER = 64
"""Bits of an IPv6 address that a provider gives to one customer; the rest anybody can vary."""


def client_address(request: HttpRequest) -> str | None:
    """Who is asking; an IPv6 network for an IPv6 address; None where nobody can tell.

    A front adds whom it saw at the end of X-Forwarded-For. What stands before that came from
    the client, which may write what it likes.
    """
    told: str = request.META.get("REMOTE_ADDR", "")
    if settings.TRUST_FORWARDED_PROTO:
        told = request.META.get("HTTP_X_FORWARDED_FOR", "").rpartition(",")[2].strip() or told
    try:
        return str(_counted_as(ip_address(told)))
    except ValueError:
        return None


def _counted_as(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if isinstance(address, IPv4Address):
        return address
    network = IPv6Network((int(address), OF_ONE_CUSTOMER), strict=False)
    return address.ipv4_mapped or network.network_address


class LoginThrottle(AxesDatabaseHandler):  # type: ignore[misc]
    """Counts a try before its password is looked at, and forgets it when the password was right.

    Counted afterwards, as many passwords could be tried at one moment as there are connections.
    """

    def is_allowed(self, request: Any, credentials: Any = None) -> bool:
        if not super().is_allowed(request, credentials):
            return False
        super().user_login_failed(None, credentials, request)
        return bool(request.axes_failures_since_start <= settings.AXES_FAILURE_LIMIT)

    def user_login_failed(
        self, sender: Any, credentials: Any, request: Any = None, **_: Any
    ) -> None:
        """Only told: it was counted when it began."""
        if request is not None:
            request.axes_credentials = credentials
            verdict = "; locked" if request.axes_locked_out else ""
            log.warning("Failed login from %s%s", request.axes_ip_address, verdict)

    def user_logged_in(self, sender: Any, request: Any, user: Any, **more: Any) -> None:
        super().user_logged_in(sender, request, user, **more)
        request.axes_locked_out = False


def locked(request: Any, *_: Any) -> HttpResponse:
    """The answer to a try while the lock holds: 429, and when to come back."""
    wait = _seconds_left(request.axes_ip_address, request.axes_credentials)
    told = {"title": "Too many failed logins", "minutes": -(-wait // 60)}
    context = {**admin.site.each_context(request), **told}
    response = render(request, "bridge/locked.html", context, status=429)
    response["Retry-After"] = str(wait)
    response["Cache-Control"] = "no-store"
    return response


def _seconds_left(address: str | None, credentials: dict[str, str]) -> int:
    """Until enough failures are old enough: the oldest are forgotten first."""
    since = timezone.now() - timedelta(seconds=settings.LOGIN_LOCK_SECONDS)
    rows = AccessAttempt.objects.filter(
        username=credentials["username"], ip_address=address, attempt_time__gte=since
    ).order_by("attempt_time")
    counted = sum(row.failures_since_start for row in rows)
    for row in rows:
        counted -= row.failures_since_start
        if counted < settings.AXES_FAILURE_LIMIT:
            age: timedelta = row.attempt_time - since
            return max(1, round(age.total_seconds()))
    return 1
