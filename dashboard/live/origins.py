"""Which pages may open a socket here: our own.

Browsers send cookies along with a socket that any page opens, and no token that only our pages
know. What they tell truly is where the page is from. ALLOWED_HOSTS may be `*`, so it alone does
not say which places are ours; the address that the socket was asked for does.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from channels.security.websocket import WebsocketDenier
from django.conf import settings
from django.utils.http import is_same_domain


class OwnOrigin:
    """Lets sockets through that a page of this host opens, or one of CSRF_TRUSTED_ORIGINS."""

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        own = is_own(headers.get(b"origin", ""), headers.get(b"host", ""))
        await (self.application if own else WebsocketDenier())(scope, receive, send)


def is_own(origin: str, host: str) -> bool:
    """Whether a page from `origin` is one of ours, where `host` was asked."""
    try:
        place = urlsplit(origin.lower())
    except ValueError:
        return False
    if place.scheme not in ("http", "https") or not place.netloc:
        return False
    if place.netloc == host.lower():
        return True
    return any(_is_trusted(origin.lower(), text.lower()) for text in settings.CSRF_TRUSTED_ORIGINS)


def _is_trusted(origin: str, trusted: str) -> bool:
    """As Django reads them: `https://*.example.com` stands for all below it."""
    scheme, _, place = trusted.partition("://*")
    if not place:
        return origin == trusted
    found = urlsplit(origin)
    return found.scheme == scheme and is_same_domain(found.netloc, place)
