"""The forms that a client sends to sign in: RFC 8414, RFC 8628, RFC 6749, RFC 7009.

Clients send no cookie, so there is nothing that another site's page could make use of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from bridge.accounts.clients import attempts, device_requests, sign_ins
from bridge.accounts.clients.sign_ins import Granted
from bridge.accounts.login_throttle import client_address, client_site, whole_address
from bridge.pages.own_address import own_address
from bridge.sign_in import failures, polling, tokens, user_codes
from bridge.sign_in.failures import NoTokensError

FORM = "application/x-www-form-urlencoded"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
REFRESH_GRANT = "refresh_token"
BEGUN_AT_MOST, UNKNOWN_AT_MOST, TRY_SECONDS = 30, 30, 600
"""Of one address within so many seconds: sign-ins begun, and tokens sent that nobody has."""
BEGUN_AT_A_SITE = 120
"""Of one IPv6 /48 in the same time, which can have as many addresses as it likes."""
UNCACHED = {"Cache-Control": "no-store", "Pragma": "no-cache"}

Form = Mapping[str, str]
View = Callable[[HttpRequest, Form], dict[str, Any]]


def _form_view(view: View) -> Callable[[HttpRequest], HttpResponse]:
    """Takes a form by POST, and tells every fault as `error` and `error_description`."""

    @csrf_exempt
    @sensitive_post_parameters()
    def answer(request: HttpRequest) -> HttpResponse:
        _check_offered()
        try:
            document = view(request, _form(request))
        except NoTokensError as error:
            return _refused(error)
        return JsonResponse(document, headers=UNCACHED)

    return answer


def _check_offered() -> None:
    if not settings.SIGN_IN:
        raise Http404


def _refused(error: NoTokensError) -> HttpResponse:
    answer = JsonResponse(error.document(), status=error.status, headers=UNCACHED)
    if error.retry_after:
        answer["Retry-After"] = str(error.retry_after)
    if error.status == 405:
        answer["Allow"] = "POST"
    return answer


def _form(request: HttpRequest) -> Form:
    """The parameters of a form; unknown ones do no harm. Raises NoTokensError."""
    if request.method != "POST":
        raise NoTokensError(failures.INVALID_REQUEST, "Method not allowed: send a POST", 405)
    if request.content_type != FORM:
        raise NoTokensError(failures.INVALID_REQUEST, f"content-type: expected {FORM}")
    try:
        given = request.POST
    except (SuspiciousOperation, BadRequest):
        raise NoTokensError(failures.INVALID_REQUEST, "The form is not readable") from None
    twice = next((name for name in READ if len(given.getlist(name)) > 1), "")
    if twice:
        raise NoTokensError(failures.INVALID_REQUEST, f"{twice}: it is there twice")
    return {name: given[name] for name in READ if given.get(name)}


READ = ("grant_type", "device_code", "refresh_token", "token")


def _needed(form: Form, name: str) -> str:
    value = form.get(name, "")
    if not value:
        raise NoTokensError(failures.INVALID_REQUEST, f"{name}: it is missing")
    if len(value) > tokens.LONGEST:
        raise NoTokensError(failures.INVALID_REQUEST, f"{name}: it is too long")
    return value


# --- what there is ----------------------------------------------------------------------------


@csrf_exempt
def metadata(request: HttpRequest) -> HttpResponse:
    """GET /.well-known/oauth-authorization-server: addresses as the client reaches them."""
    _check_offered()
    if request.method not in ("GET", "HEAD"):
        answer = _refused(NoTokensError(failures.INVALID_REQUEST, "Method not allowed", 405))
        answer["Allow"] = "GET, HEAD"
        return answer
    at = request.build_absolute_uri
    document = {
        "issuer": own_address(request),
        "device_authorization_endpoint": at(reverse("sign_in_begin")),
        "token_endpoint": at(reverse("sign_in_token")),
        "revocation_endpoint": at(reverse("sign_in_revoke")),
        "grant_types_supported": [DEVICE_GRANT, REFRESH_GRANT],
        "response_types_supported": [],
        "token_endpoint_auth_methods_supported": ["none"],
        "revocation_endpoint_auth_methods_supported": ["none"],
    }
    return JsonResponse(document, headers={"Cache-Control": "no-store"})


# --- the forms --------------------------------------------------------------------------------


@_form_view
def device_authorization(request: HttpRequest, form: Form) -> dict[str, Any]:
    """POST /oauth/device_authorization: a client begins."""
    if not _may_begin(request):
        text = "Too many sign-ins were begun from your address; try again later"
        raise NoTokensError(failures.SLOW_DOWN, text, 429, TRY_SECONDS)
    client = request.headers.get("user-agent", "")
    row, code = device_requests.begin(client, whole_address(request))
    page = request.build_absolute_uri(reverse("device"))
    shown = user_codes.shown(row.user_code)
    notice = {"login_notice": settings.LOGIN_NOTICE} if settings.LOGIN_NOTICE else {}
    return {
        "device_code": code,
        "user_code": shown,
        "verification_uri": page,
        "verification_uri_complete": f"{page}?user_code={shown}",
        "expires_in": polling.EXPIRES_IN,
        "interval": polling.INTERVAL,
        **notice,
    }


@_form_view
def token(request: HttpRequest, form: Form) -> dict[str, Any]:
    """POST /oauth/token: tokens for a device code or a refresh token."""
    name = _needed(form, "grant_type")
    grant = GRANTS.get(name)
    if grant is None:
        text = f"grant_type: expected {' or '.join(GRANTS)}"
        raise NoTokensError(failures.UNSUPPORTED_GRANT, text)
    try:
        return _granted(grant(form))
    except NoTokensError as error:
        raise _counted(request, error) from None


def _of_device(form: Form) -> Granted:
    return sign_ins.begin(device_requests.approved(_needed(form, "device_code")))


def _of_refresh(form: Form) -> Granted:
    return sign_ins.refresh(_needed(form, "refresh_token"))


GRANTS: dict[str, Callable[[Form], Granted]] = {
    DEVICE_GRANT: _of_device,
    REFRESH_GRANT: _of_refresh,
}


@sensitive_variables()
def _granted(granted: Granted) -> dict[str, Any]:
    email = granted.row.person.email
    return {
        "access_token": granted.pair.key,
        "token_type": "Bearer",
        "expires_in": granted.expires_in,
        "refresh_token": granted.pair.refresh,
        **({"email": email} if email else {}),
    }


@_form_view
def revoke(request: HttpRequest, form: Form) -> dict[str, Any]:
    """POST /oauth/revoke: the client signs out. An unknown token is none any more."""
    sign_ins.revoke(_needed(form, "token"))
    return {}


# --- how often --------------------------------------------------------------------------------


def _may_begin(request: HttpRequest) -> bool:
    """Few enough that no site fills the places of all clients that wait."""
    site = client_site(request) or "unknown"
    limits = (("sign-in", _whose(request), BEGUN_AT_MOST), ("sign-in-site", site, BEGUN_AT_A_SITE))
    return all(attempts.take(what, whose, most, TRY_SECONDS) for what, whose, most in limits)


def _whose(request: HttpRequest) -> str:
    return client_address(request) or "unknown"


def _counted(request: HttpRequest, error: NoTokensError) -> NoTokensError:
    """The error, or after too many guesses from one address the word to stop guessing."""
    if error.code != failures.INVALID_GRANT:
        return error
    if attempts.take("token", _whose(request), UNKNOWN_AT_MOST, TRY_SECONDS):
        return error
    return NoTokensError(failures.SLOW_DOWN, "Too many tokens that are not good", 429, TRY_SECONDS)
