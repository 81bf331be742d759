"""Who may open the reports: auditors, operators and admins."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from bridge.roles import may_operate, may_see_reports

View = Callable[..., HttpResponseBase]


def for_readers(view: View) -> View:
    """A page for whoever may see reports; others log in first, or are told why not."""
    return _guarded(view, may_see_reports, "reports")


def for_operators(view: View) -> View:
    """A page for whoever may run the gateway."""
    return _guarded(view, may_operate, "operation")


def _guarded(view: View, may: Callable[[Any], bool], what: str) -> View:
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        if not may(request.user):
            return denied(request, what)
        response = view(request, *args, **kwargs)
        response["Cache-Control"] = "private, no-store"
        return response

    return guarded


def denied(request: HttpRequest, what: str) -> HttpResponse:
    return render(request, "dashboard/denied.html", {"what": what}, status=403)
