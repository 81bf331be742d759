"""Where a visitor reaches this gateway, for whatever is copied from a page into a client."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def own_address(request: HttpRequest) -> str:
    """Scheme, host and BASE_PATH as the visitor sees them, without a slash at the end."""
    return f"{request.scheme}://{request.get_host()}{settings.BASE_PATH}"
