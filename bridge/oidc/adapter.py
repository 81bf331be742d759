"""Where allauth's flow ends and ours begins: a verified login arrives, or an error does."""

from __future__ import annotations

from typing import Any

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from allauth.socialaccount.providers.base.constants import AuthError
from django.http import HttpRequest

from bridge.accounts.sign_in_tries import forgive
from bridge.oidc import refusals, sign_in
from bridge.oidc.fetching import BoundedSession
from bridge.oidc.refusals import RefusalCause, SignInError


class CompanyAdapter(DefaultSocialAccountAdapter):
    """Nothing of allauth's own follows its two hooks: no sign-up, no pages, no mails."""

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        try:
            response = sign_in.arrive(request, sociallogin)
        except SignInError as error:
            response = refusals.page(request, error)
        else:
            forgive(request)
        raise ImmediateHttpResponse(response)

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,
        error: Any = None,
        exception: Exception | None = None,
        extra_context: dict[str, Any] | None = None,
    ) -> None:
        is_known = bool((extra_context or {}).get("state"))
        raise ImmediateHttpResponse(refusals.page(request, _translated(error, exception, is_known)))

    def get_requests_session(self) -> BoundedSession:
        return BoundedSession()

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return False

    def authenticate_by_email(self, login: SocialLogin) -> None:
        """An equal address makes nobody the same person."""
        return


def _translated(error: Any, exception: Exception | None, is_known: bool) -> SignInError:
    if isinstance(exception, SignInError):
        return exception
    if isinstance(exception, OSError):
        return SignInError(RefusalCause.AWAY)
    if not is_known:
        return SignInError(RefusalCause.STATE)
    if error == AuthError.CANCELLED:
        return SignInError(RefusalCause.CANCELLED)
    return SignInError(RefusalCause.ANSWER)
