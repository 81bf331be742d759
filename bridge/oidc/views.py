"""The addresses of a sign-in with a company account: its begin, its end, and the log-out.

It begins with a GET, because browsers hold the policy of a form (`form-action`) against every step
that a form leads to, and a provider leads on to others. So that no page of others begins one
unseen, a request that comes from elsewhere gets the login's page, where a click is needed.
"""

from __future__ import annotations

import secrets
from urllib.parse import urlencode

from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from django.conf import settings
from django.contrib import admin
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from bridge.accounts import sign_in_history
from bridge.accounts.landing import is_ours
from bridge.accounts.sign_in_tries import may_begin, may_end
from bridge.oidc import provider_document, refusals
from bridge.oidc.provider import OidcFlow, nonce_of
from bridge.oidc.refusals import RefusalCause, SignInError
from bridge.oidc.sign_in import ID_TOKEN
from bridge.pages import csp

LEAVING = "oidc_leaving"


@require_GET
@never_cache
def begin(request: HttpRequest) -> HttpResponse:
    """Lead the browser to the provider. `next`: the page to come back to."""
    asked = request.GET.get(REDIRECT_FIELD_NAME, "")
    wanted = asked if is_ours(request, asked) else ""
    if _comes_from_elsewhere(request):
        query = f"?{urlencode({REDIRECT_FIELD_NAME: wanted})}" if wanted else ""
        return redirect(reverse("admin:login") + query)
    if not may_begin(request):
        return refusals.page(request, SignInError(RefusalCause.TOO_OFTEN))
    state = secrets.token_urlsafe(24)
    try:
        response: HttpResponse = (
            OidcFlow(request)
            .get_provider()
            .redirect(
                request,
                process="login",
                next_url=wanted or None,
                auth_params={"nonce": nonce_of(state)},
                state_id=state,
            )
        )
        return response
    except SignInError as error:
        return refusals.page(request, error)


def _comes_from_elsewhere(request: HttpRequest) -> bool:
    is_ahead = "prefetch" in request.headers.get("Sec-Purpose", "")
    return is_ahead or request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site")


@require_GET
@never_cache
def callback(request: HttpRequest) -> HttpResponse:
    """Where the provider sends the browser back to."""
    if not may_end(request):
        sign_in_history.address_locked(settings.LOGIN_FAILURES_PER_ADDRESS)
        return refusals.page(request, SignInError(RefusalCause.TOO_OFTEN))
    try:
        response: HttpResponse = OAuth2CallbackView.adapter_view(OidcFlow(request))(request)
        return response
    except SignInError as error:
        return refusals.page(request, error)


@never_cache
def log_out(request: HttpRequest) -> HttpResponse:
    """Log out here, and offer to log out at the provider, too."""
    token = request.session.get(ID_TOKEN, "")
    response: HttpResponse = admin.site.logout(request)
    response.headers[csp.HEADER] = csp.ADMIN  # the page has the theme of the admin
    if request.method == "POST" and token and _end_session():
        request.session[LEAVING] = token
    return response


@require_GET
@never_cache
def leave(request: HttpRequest) -> HttpResponse:
    """Lead a browser that has just logged out here to the provider's own log-out."""
    token = request.session.pop(LEAVING, "")
    address = _end_session()
    if not token or not address or _comes_from_elsewhere(request):
        return redirect("admin:login")
    query = {
        "id_token_hint": token,
        "client_id": OidcFlow(request).get_provider().app.client_id,
        "post_logout_redirect_uri": request.build_absolute_uri(reverse("admin:login")),
    }
    mark = "&" if "?" in address else "?"
    return HttpResponseRedirect(f"{address}{mark}{urlencode(query)}")


def _end_session() -> str:
    """Where the provider logs people out; "" where it does not, or does not answer."""
    try:
        return provider_document.document().end_session_endpoint
    except SignInError:
        return ""
