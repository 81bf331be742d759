"""Django's middleware that makes every page show and take times by its visitor's clock."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from bridge.spans import ZONE_COOKIE, visitor_zone


def in_visitor_zone(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """The zone is that of the reports: what the address asks for as `tz`, else the browser's."""

    def middleware(request: HttpRequest) -> HttpResponse:
        zone = visitor_zone(request.GET.get("tz", ""), request.COOKIES.get(ZONE_COOKIE, ""))
        with timezone.override(zone):
            return get_response(request)

    return middleware
