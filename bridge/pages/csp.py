"""Content-Security-Policy: what a browser may load and run on our pages.

docs/security.md says what forces each exception that the admin has.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

PAGES = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "object-src 'none'"
)
ADMIN = f"{PAGES}; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'"
POLICIES = {"admin": ADMIN}
HEADER = "Content-Security-Policy"


@sync_and_async_middleware
def content_security_policy(get_response: Callable[[HttpRequest], Any]) -> Callable[..., Any]:
    """Every answer gets the policy of the app that it is from; PAGES where there is none."""

    def marked(request: HttpRequest, response: HttpResponse) -> HttpResponse:
        app = request.resolver_match.app_name if request.resolver_match else ""
        response.headers.setdefault(HEADER, POLICIES.get(app, PAGES))
        return response

    async def answer_async(request: HttpRequest) -> HttpResponse:
        return marked(request, await get_response(request))

    def answer(request: HttpRequest) -> HttpResponse:
        return marked(request, get_response(request))

    return answer_async if iscoroutinefunction(get_response) else answer
