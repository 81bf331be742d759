"""Ways in and out of the pages below /my/: a login, or a key by POST, which is forgotten again."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from bridge.accounts import key_holders
from dashboard.pages import key_holder_session, own
from dashboard.views.my import overview

NOT_GOOD = (
    "This key is not known here, or not good any more. A backend’s own key is known once a request "
    "with it was served."
)
ENDED = "The key …{four} was good once and is {why}. Whoever gave it to you can give a new one."
TOO_MANY = "Too many keys that were not good came from your address. Try again in {minutes} min."


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@sensitive_post_parameters()
def my(request: HttpRequest) -> HttpResponseBase:
    """The first page, or the question for a key."""
    if request.method == "POST":
        return _enter(request)
    visitor = own.visitor(request)
    response: HttpResponseBase
    response = _ask(request) if visitor is None else overview.overview(request, visitor)
    is_over = visitor is None or visitor.holder is None
    if is_over and key_holder_session.COOKIE in request.COOKIES:
        key_holder_session.end(response)
    return response


@require_safe
@never_cache
def key(request: HttpRequest) -> HttpResponse:
    """The question for a key, also for people who are logged in."""
    return _ask(request)


def _ask(request: HttpRequest, problem: str = "", status: int = 200) -> HttpResponse:
    return render(request, "dashboard/my/key.html", {"problem": problem}, status=status)


def _enter(request: HttpRequest) -> HttpResponse:
    if not key_holders.tries_left(request):
        wait = settings.LOGIN_LOCK_SECONDS
        response = _ask(request, TOO_MANY.format(minutes=-(-wait // 60)), 429)
        response["Retry-After"] = str(wait)
        return response
    holder = key_holders.holder_of(request.POST.get("key", ""))
    if holder is None:
        return _ask(request, _why_not(request.POST.get("key", "")), 403)
    key_holders.forgive(request)
    entered = redirect("my")
    key_holder_session.begin(entered, holder)
    return entered


def _why_not(text: str) -> str:
    """What became of a key that was good once is for whoever has it."""
    became = key_holders.what_became(text)
    return ENDED.format(four=text.strip()[-4:], why=became) if became else NOT_GOOD


@require_POST
@never_cache
def leave(request: HttpRequest) -> HttpResponse:
    """End the visit of a key. A login goes on."""
    response = redirect("my")
    key_holder_session.end(response)
    return response
