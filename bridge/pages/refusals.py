"""Pages that say no: 400, 403, 404 and a refused form, each with what can be done about it.

Browsers get a page, everybody else the envelope that Claude clients read.
"""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.defaults import server_error

from bridge.ids import mint
from bridge.translation.errors.api_error import ApiError

POLLED = "/oauth/token"
OWN_SENTENCE = 200
"""Longest reason of a PermissionDenied that a page repeats."""


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """A path of the control plane that does not exist, or any path that a browser opens."""
    text = "There is no page at this address."
    return _refused(request, ApiError(404, "Not found"), "Not found", text)


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """A page that this user may not open."""
    reason = str(exception or "")[:OWN_SENTENCE]
    if request.user.is_authenticated:
        text = f"You are logged in as {request.user.get_username()}, who may not open this page."
        text += " An admin gives roles, on the page of a user."
    else:
        text = "This page is for users who have a role."
    return _refused(request, ApiError(403, reason or "Forbidden"), "Not allowed", text, reason)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """What Django refuses before a view sees it."""
    text = "The gateway cannot make sense of this request."
    return _refused(request, ApiError.invalid("Bad request"), "Bad request", text)


def failed(request: HttpRequest) -> HttpResponse:
    """Our own fault; what it was stands in the log. No session is read, for that may be it."""
    error, request_id = ApiError(500, "Internal error"), f"req_{mint()}"
    headers = {**error.reply_headers(), "request-id": request_id, "cache-control": "no-store"}
    if "text/html" not in request.headers.get("accept", ""):
        return JsonResponse(error.envelope(request_id), status=500, headers=headers)
    return server_error(request)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form whose origin or token is not as it should be; called by Django's middleware."""
    origin: str = request.headers.get("origin") or _origin_of(request.headers.get("referer", ""))
    seen = f"{request.scheme}://{request.get_host()}"
    context: dict[str, object] = {"origin": origin, "seen": seen, "trusts": _trusts(origin)}
    error = ApiError(403, f"The form was refused: {reason}")
    title = "This form was not accepted"
    return _refused(request, error, title, reason=reason, template="csrf", extra=context)


def refused(
    request: HttpRequest, status: int, title: str, text: str, reason: str = "", onward: str = ""
) -> HttpResponse:
    """A page, or the envelope, that says why not. `onward`: where the visitor may go instead of
    the admin's start."""
    extra: dict[str, object] = {"admin": onward} if onward else {}
    return _refused(request, ApiError(status, reason or title), title, text, reason, extra=extra)


def _trusts(origin: str) -> bool:
    return origin in settings.CSRF_TRUSTED_ORIGINS


def _origin_of(address: str) -> str:
    try:
        place = urlsplit(address)
    except ValueError:
        return ""
    return f"{place.scheme}://{place.netloc}" if place.netloc else ""


def _refused(
    request: HttpRequest,
    error: ApiError,
    title: str,
    text: str = "",
    reason: str = "",
    template: str = "refused",
    extra: dict[str, object] | None = None,
) -> HttpResponse:
    request_id = f"req_{mint()}"
    headers = {**error.reply_headers(), "request-id": request_id}
    if "text/html" not in request.headers.get("accept", ""):
        return JsonResponse(error.envelope(request_id), status=error.status, headers=headers)
    context: dict[str, object] = {
        "title": title,
        "text": text,
        "reason": reason,
        "status": error.status,
    }
    context |= {"admin": reverse("admin:index"), "request_id": request_id, **(extra or {})}
    response = render(request, f"bridge/{template}.html", context, status=error.status)
    for name, value in headers.items():
        response.headers[name] = value
    response.headers["cache-control"] = "no-store"
    return response


class WithoutTraceback(logging.Filter):
    """A refused page is one line in the log: where it was raised says nothing to an operator.

    A client that waits for its person asks every few seconds: that is no line.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        status = int(getattr(record, "status_code", 0))
        if 400 <= status < 500:
            record.exc_info = record.exc_text = None
        path = getattr(getattr(record, "request", None), "path", "")
        return not (status == 400 and path == POLLED)
