"""Pages that say no: 400, 403, 404, 405, 500 and a refused form, each with what can be done.

Browsers get a page, everybody else the envelope that Claude clients read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.decorators import sync_and_async_middleware

from bridge.ids import mint
from bridge.pages import needed_roles
from bridge.translation.errors.api_error import ApiError

OWN_SENTENCE = 200
"""Longest reason of a PermissionDenied that a page repeats."""


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """A path of the control plane that does not exist, or any path that a browser opens."""
    text = "There is no page at this address."
    return _refused(request, ApiError(404, "Not found"), "Not found", text)


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """A page that this user may not open."""
    reason = str(exception or "")[:OWN_SENTENCE]
    is_known = request.user.is_authenticated
    if is_known:
        text = f"You are logged in as {request.user.get_username()}, who may not open this page."
        text += " An admin gives roles, on the page of a user."
    else:
        text = "This page is for users who have a role."
    error = ApiError(403, reason or "Forbidden")
    reason = reason or needed_roles.sentence(request)
    return _refused(request, error, "Not allowed", text, reason, extra={"may_leave": is_known})


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """What Django refuses before a view sees it."""
    text = "The gateway cannot make sense of this request."
    return _refused(request, ApiError.invalid("Bad request"), "Bad request", text)


def not_allowed(request: HttpRequest, answer: HttpResponse) -> HttpResponse:
    """A page that was asked for by a method that it does not take: `answer` names those in
    `Allow`, and has nothing else to say."""
    methods = answer.headers.get("allow", "")
    text = "This address takes what a form or a button of another page sends, and shows nothing."
    error = ApiError(405, f"{request.method} is not allowed here: expected {methods}")
    response = _refused(request, error, "Nothing to open here", text)
    response.headers["allow"] = methods
    return response


def failed(request: HttpRequest) -> HttpResponse:
    """Our own fault; what it was stands in the log. No session is read, for that may be it."""
    error, request_id = ApiError(500, "Internal error"), f"req_{mint()}"
    headers = {**error.reply_headers(), "request-id": request_id, "cache-control": "no-store"}
    if "text/html" not in request.headers.get("accept", ""):
        return JsonResponse(error.envelope(request_id), status=500, headers=headers)
    context = {
        "title": "That did not work",
        "text": "The gateway failed on this page. What happened stands in its log, with the time.",
        "reason": "Try again; if it stays so, tell whoever runs the gateway when it was.",
        "status": 500,
        "request_id": request_id,
        "admin": reverse("admin:index"),
    }
    page = render_to_string("bridge/refused.html", context)
    return HttpResponse(page, status=500, headers=headers)


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


@sync_and_async_middleware
def wrong_methods(get_response: Callable[[HttpRequest], Any]) -> Callable[..., Any]:
    """Where a view takes other methods alone, the answer says so; Django's is empty."""

    def worded(request: HttpRequest, answer: HttpResponse) -> HttpResponse:
        is_empty = isinstance(answer, HttpResponseNotAllowed) and not answer.content
        return not_allowed(request, answer) if is_empty else answer

    async def answer_async(request: HttpRequest) -> HttpResponse:
        answer: HttpResponse = await get_response(request)
        if answer.status_code != 405:
            return answer
        shown: HttpResponse = await sync_to_async(worded)(request, answer)
        return shown

    def answer(request: HttpRequest) -> HttpResponse:
        return worded(request, get_response(request))

    return answer_async if iscoroutinefunction(get_response) else answer
