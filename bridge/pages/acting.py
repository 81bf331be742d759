"""Django's middleware that says whom the history names for what a request changes."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from bridge.accounts.login_throttle import seen_address_of
from bridge.keys import client_address
from bridge.models.acting import Acting, acting

SIGN_IN = "sign-in"
"""Who acts before anybody is signed in."""


def visitor_acts(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Whatever a request writes is its user's doing, from its address. Looks neither up before."""

    def middleware(request: HttpRequest) -> HttpResponse:
        whoever = Acting(lambda: _name(request), lambda: _address(request), is_page=True)
        with acting(whoever):
            return get_response(request)

    return middleware


def _name(request: HttpRequest) -> str:
    return request.user.get_username() or SIGN_IN


def _address(request: HttpRequest) -> str:
    """As records of requests have it, so that both can be compared."""
    return client_address.recorded(
        seen_address_of(request), settings.CLIENT_ADDRESSES, settings.SECRET_KEY
    )
