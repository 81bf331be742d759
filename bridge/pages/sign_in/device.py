"""The page at /device/, where a person confirms that a client may sign in as them.

It shows what is asked, from where and since when, and changes nothing before a button is pressed.
Opening it with a code in the address is a guess like any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from bridge.accounts.clients import attempts, device_requests
from bridge.accounts.login_throttle import client_address, whole_address
from bridge.models import DeviceRequest
from bridge.sign_in import user_codes
from bridge.sign_in.polling import RequestState

GUESSES, GUESS_SECONDS = 10, 600
"""Codes that nothing waits under, from one address and of one person, within so many seconds."""
DECISIONS = {"approve": True, "deny": False}


@dataclass(frozen=True, slots=True)
class Notice:
    """What a page says that asks nothing. `shade`: good, warn or bad."""

    status: int
    shade: str
    title: str
    text: str


UNKNOWN = "No client waits under this code. Compare it with the one that your client shows."
EXPIRED = Notice(
    410,
    "warn",
    "This code has expired",
    "A code is good for ten minutes. Begin the sign-in in your client again.",
)
OF_ANOTHER = Notice(
    409,
    "bad",
    "Somebody else has answered this",
    "Another person approved or denied this code before you, so nothing was done. If it is your "
    "client that shows it, begin the sign-in there again.",
)
APPROVED = Notice(
    200,
    "good",
    "Approved",
    "Your client signs in as {name} within a few seconds. You may close this page.",
)
DENIED = Notice(200, "bad", "Denied", "The client was not signed in. You may close this page.")
APPROVED_BEFORE = Notice(
    409,
    "warn",
    "You have approved this already",
    "Nothing was done now. If your client does not go on, begin the sign-in there again.",
)
DENIED_BEFORE = Notice(
    409,
    "warn",
    "You have denied this already",
    "Nothing was done now. To sign in after all, begin in your client again.",
)
USED = Notice(
    409,
    "warn",
    "This code was used already",
    "You approved it, and the client has signed in. A code works once: for another client begin "
    "the sign-in there.",
)
OWN = {
    RequestState.APPROVED: APPROVED_BEFORE,
    RequestState.DENIED: DENIED_BEFORE,
    RequestState.REDEEMED: USED,
}
TOO_MANY = "Too many codes that nothing waits under came from you or your address. Try again later."
NO_SUCH_DECISION = "decision: expected approve or deny."


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def device(request: HttpRequest) -> HttpResponse:
    """Asks for the code, then for the decision."""
    if not settings.SIGN_IN:
        raise Http404
    if not isinstance(request.user, User):
        return redirect_to_login(request.get_full_path())
    given = request.POST if request.method == "POST" else request.GET
    typed = given.get("user_code", "")
    if not typed.strip():
        return _ask(request)
    return _answer(request, request.user, typed)


@require_POST
@never_cache
def leave(request: HttpRequest) -> HttpResponse:
    """Log out, and come back as somebody else."""
    logout(request)
    code = user_codes.read(request.POST.get("user_code", ""))
    query = f"?{urlencode({'user_code': user_codes.shown(code)})}" if code else ""
    return redirect_to_login(reverse("device") + query)


def _answer(request: HttpRequest, person: User, typed: str) -> HttpResponse:
    guessers = (("device-address", client_address(request) or "unknown"), ("device-person", person))
    row = device_requests.called(typed)
    if not all([_may_guess(what, str(whose), row is None) for what, whose in guessers]):
        response = _ask(request, TOO_MANY, 429)
        response["Retry-After"] = str(GUESS_SECONDS)
        return response
    if row is None:
        return _ask(request, UNKNOWN, 404, typed[: user_codes.LONGEST_TYPED])
    notice = _settled(row, person)
    decision = request.POST.get("decision", "")
    if notice is None and decision:
        if decision not in DECISIONS:
            return _ask(request, NO_SUCH_DECISION, 400)
        notice = _decide(row, person, DECISIONS[decision])
    return _show(request, row) if notice is None else _tell(request, notice, person)


def _settled(row: DeviceRequest, person: User) -> Notice | None:
    """The notice for a request that waits for nobody; None for one that waits."""
    if row.state != RequestState.PENDING:
        return OWN[RequestState(row.state)] if row.person_id == person.pk else OF_ANOTHER
    return EXPIRED if row.waiting.expires_at <= timezone.now() else None


def _decide(row: DeviceRequest, person: User, is_approved: bool) -> Notice:
    if device_requests.decide(row, person, is_approved):
        return APPROVED if is_approved else DENIED
    row.refresh_from_db()  # it was decided, or expired, in this moment
    return _settled(row, person) or EXPIRED


def _may_guess(what: str, whose: str, is_wrong: bool) -> bool:
    """Wrong codes are counted; after too many of them no code is looked at any more."""
    if is_wrong:
        return attempts.take(what, whose, GUESSES, GUESS_SECONDS)
    return attempts.are_left(what, whose, GUESSES)


# --- pages ------------------------------------------------------------------------------------


def _ask(
    request: HttpRequest, problem: str = "", status: int = 200, typed: str = ""
) -> HttpResponse:
    context = {"problem": problem, "typed": typed, "longest": user_codes.LONGEST_TYPED}
    return _page(request, "ask", context, status)


def _show(request: HttpRequest, row: DeviceRequest) -> HttpResponse:
    left = row.waiting.expires_at - timezone.now()
    context = {
        "row": row,
        "code": user_codes.shown(row.user_code),
        "minutes": max(1, -(-int(left.total_seconds()) // 60)),
        "is_new": timezone.now() - row.created_at < timedelta(minutes=1),
        "is_elsewhere": row.address not in (None, whole_address(request)),
    }
    return _page(request, "confirm", context)


def _tell(request: HttpRequest, notice: Notice, person: User) -> HttpResponse:
    text = notice.text.format(name=person.get_username())
    return _page(request, "outcome", {"notice": notice, "text": text}, notice.status)


def _page(
    request: HttpRequest, name: str, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    return render(request, f"bridge/device/{name}.html", context, status=status)
