"""Who may open the reports: auditors, operators and admins.

The role is asked for once in a request: `role(request)`, `operates(request)`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from bridge.accounts.roles import ADMIN, AUDITOR, OPERATOR, role_of

View = Callable[..., HttpResponseBase]
READERS = (ADMIN, OPERATOR, AUDITOR)
OPERATORS = (ADMIN, OPERATOR)


def role(request: HttpRequest) -> str:
    """The role of the visitor, "" for none. One query in a request, none for admins."""
    known: str | None = getattr(request, "_role", None)
    if known is None:
        user = request.user
        known = role_of(user) if user.is_authenticated and user.is_active else ""
        request._role = known  # type: ignore[attr-defined]
    return known


def operates(request: HttpRequest) -> bool:
    return role(request) in OPERATORS


def for_readers(view: View) -> View:
    """A page for whoever may see reports; others log in first, or read why not."""
    return _guarded(view, READERS, "reports")


def for_operators(view: View) -> View:
    """A page for whoever may run the gateway."""
    return _guarded(view, OPERATORS, "operation")


def _guarded(view: View, roles: Collection[str], what: str) -> View:
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        if role(request) not in roles:
            return denied(request, what)
        response = view(request, *args, **kwargs)
        response["Cache-Control"] = "private, no-store"
        return response

    return guarded


def denied(request: HttpRequest, what: str) -> HttpResponse:
    return render(request, "dashboard/denied.html", {"what": what}, status=403)
