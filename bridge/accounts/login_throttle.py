"""Failed logins: whose they are, how they are counted, and the page of a lock.

django-axes keeps the counts, one for each user name at each address. So a stranger who guesses
locks himself out, and never the user at another address. Many names from one address lock the
address.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from ipaddress import IPv6Address, IPv6Network
from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from bridge.accounts import sign_in_history
from bridge.keys.client_address import Address
from bridge.keys.client_address import client_address as seen_address

log = logging.getLogger(__name__)

LOCKED_UNTIL = "gateway.address_locked_seconds"
"""In the scope of a request: for how many seconds its address is locked, whatever the name."""
OF_ONE_CUSTOMER, OF_ONE_SITE = 64, 48
"""Bits of an IPv6 address that a provider gives to one customer, or to a site with many networks;
the rest anybody can vary."""


def client_address(request: HttpRequest) -> str | None:
    """Who is asking; an IPv6 network for an IPv6 address; None where nobody can tell."""
    found = counted_as(seen_address_of(request))
    return None if found is None else str(found)


def client_site(request: HttpRequest) -> str | None:
    """Whose network somebody asks from: of an IPv6 address the 65,536 networks of its site."""
    found = counted_as(seen_address_of(request), OF_ONE_SITE)
    return None if found is None else str(found)


def whole_address(request: HttpRequest) -> str | None:
    """Who is asking, as a page may show it and a row may hold it."""
    found = seen_address_of(request)
    return None if found is None else str(found).partition("%")[0]


def seen_address_of(request: HttpRequest) -> Address | None:
    """Who is asking, as the connection or the front says."""
    peer, forwarded = (request.META.get(n, "") for n in ("REMOTE_ADDR", "HTTP_X_FORWARDED_FOR"))
    return seen_address(peer, forwarded, settings.TRUST_FORWARDED_PROTO)


def counted_as(address: Address | None, bits: int = OF_ONE_CUSTOMER) -> Address | None:
    """What one customer has: an IPv4 address, or the network of an IPv6 one."""
    if isinstance(address, IPv6Address):
        return IPv6Network((int(address), bits), strict=False).network_address
    return address


class LoginThrottle(AxesDatabaseHandler):  # type: ignore[misc]
    """Counts a try before its password is looked at, and forgets it when the password was right.

    Counted afterwards, as many passwords could be tried at one moment as there are connections.
    """

    def is_allowed(self, request: Any, credentials: Any = None) -> bool:
        if not super().is_allowed(request, credentials):
            return False
        if _is_locked(request.axes_ip_address, settings.LOGIN_FAILURES_PER_ADDRESS):
            return False  # not counted either: made-up names must not fill the table
        super().user_login_failed(None, credentials, request)
        within = request.axes_failures_since_start <= settings.AXES_FAILURE_LIMIT
        return within and not _is_locked(
            request.axes_ip_address, settings.LOGIN_FAILURES_PER_ADDRESS + 1
        )

    def user_login_failed(
        self, sender: Any, credentials: Any, request: Any = None, **_: Any
    ) -> None:
        """Reports only: the attempt was counted when it began."""
        if request is not None:
            request.axes_credentials = credentials
            verdict = "; locked" if request.axes_locked_out else ""
            log.warning("Failed login from %s%s", request.axes_ip_address, verdict)
            if request.axes_locked_out:
                _enter_lock(request, str((credentials or {}).get("username") or ""))

    def user_logged_in(self, sender: Any, request: Any, user: Any, **more: Any) -> None:
        super().user_logged_in(sender, request, user, **more)
        request.axes_locked_out = False


def _enter_lock(request: Any, username: str) -> None:
    if _is_locked(request.axes_ip_address, settings.LOGIN_FAILURES_PER_ADDRESS):
        sign_in_history.address_locked(settings.LOGIN_FAILURES_PER_ADDRESS)
    else:
        sign_in_history.name_locked(username, settings.LOGIN_FAILURES)


def locked(request: Any, *_: Any) -> HttpResponse:
    """The answer to a try while a lock holds: 429, and when to come back."""
    address, name = request.axes_ip_address, request.axes_credentials["username"]
    of_address = _seconds_left(_failures(address), settings.LOGIN_FAILURES_PER_ADDRESS)
    if address is None or not of_address:
        of_address = 0
    of_name = _seconds_left(_failures(address).filter(username=name), settings.LOGIN_FAILURES)
    wait = max(1, of_address, of_name)
    if of_address and (scope := getattr(request, "scope", None)) is not None:
        scope[LOCKED_UNTIL] = of_address
    page = {"title": "Too many failed logins", "minutes": -(-wait // 60), "all": bool(of_address)}
    context = {**admin.site.each_context(request), **page}
    response = render(request, "bridge/locked.html", context, status=429)
    response["Retry-After"] = str(wait)
    response["Cache-Control"] = "no-store"
    return response


def _failures(address: str | None) -> QuerySet[AccessAttempt]:
    """What still counts of an address, the oldest first."""
    since = timezone.now() - timedelta(seconds=settings.LOGIN_LOCK_SECONDS)
    found: QuerySet[AccessAttempt] = AccessAttempt.objects.filter(
        ip_address=address, attempt_time__gte=since
    )
    return found.order_by("attempt_time")


def _is_locked(address: str | None, failures: int) -> bool:
    """Whether an address failed so often, whatever the names were. Not where nobody can tell
    addresses apart."""
    if address is None:
        return False
    counted = _failures(address).aggregate(total=Sum("failures_since_start"))
    return (counted["total"] or 0) >= failures


def _seconds_left(rows: QuerySet[AccessAttempt], limit: int) -> int:
    """Until enough failures are old enough, the oldest first; 0 when there are not too many."""
    since = timezone.now() - timedelta(seconds=settings.LOGIN_LOCK_SECONDS)
    counted = sum(row.failures_since_start for row in rows)
    if counted < limit:
        return 0
    for row in rows:
        counted -= row.failures_since_start
        if counted < limit:
            age: timedelta = row.attempt_time - since
            return max(1, round(age.total_seconds()))
    return 1
