"""How often one address may begin to sign in, and fail, while no lock of passwords looks on.

Each process counts for itself. What is counted here asks the provider, so that nobody keeps it busy
through the gateway.
"""

from __future__ import annotations

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest

from bridge.accounts.login_throttle import client_address

BEGUN_FOR_EACH_FAILURE = 10
"""A company behind one address begins many more sign-ins than fail."""


def may_begin(request: HttpRequest) -> bool:
    """Count a sign-in that begins."""
    most = settings.LOGIN_FAILURES_PER_ADDRESS * BEGUN_FOR_EACH_FAILURE
    return _counted(_name(request, "begun")) <= most


def may_end(request: HttpRequest) -> bool:
    """Count a sign-in that comes back, as one that fails until `forgive` says otherwise."""
    return _counted(_name(request, "failed")) <= settings.LOGIN_FAILURES_PER_ADDRESS


def forgive(request: HttpRequest) -> None:
    """It was good."""
    cache.delete(_name(request, "failed"))


def _counted(name: str) -> int:
    cache.add(name, 0, settings.LOGIN_LOCK_SECONDS)
    try:
        return int(cache.incr(name))
    except ValueError:  # it ended in between
        return 1


def _name(request: HttpRequest, what: str) -> str:
    return f"sign-ins-{what}-{client_address(request) or 'unknown'}"
