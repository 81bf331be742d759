"""The provider as allauth's flow asks for it, with what the flow leaves open done strictly."""

from __future__ import annotations

from typing import Any

import msgspec
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialLogin, SocialToken
from allauth.socialaccount.providers.base import ProviderAccount
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.provider import OAuth2Provider
from allauth.socialaccount.providers.oauth2.views import OAuth2Adapter
from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.urls import reverse
from django.utils.crypto import salted_hmac

from bridge.oidc import id_token, provider_document
from bridge.oidc.fetching import get_json
from bridge.oidc.refusals import RefusalCause, SignInError

PROVIDER = "oidc"


class TokenAnswer(msgspec.Struct, frozen=True):
    """What the token endpoint sends, of which no more is needed."""

    access_token: str
    id_token: str


def nonce_of(state: str) -> str:
    """What the token of a sign-in must repeat. A state is random, good once, and bound to the
    browser's session, and nobody makes the nonce of it but this gateway."""
    return salted_hmac("bridge.oidc.nonce", state).hexdigest()


def application() -> SocialApp:
    """The client as the settings have it. Its id is the issuer, so that accounts of one provider
    are never taken for those of another with the same numbers."""
    return SocialApp(
        provider=PROVIDER,
        provider_id=settings.OIDC_ISSUER,
        name=settings.OIDC_NAME[:40],
        client_id=settings.OIDC_CLIENT_ID,
        secret=settings.OIDC_CLIENT_SECRET,
    )


class OidcFlow(OAuth2Adapter):
    """The steps of one sign-in."""

    provider_id = PROVIDER

    def get_provider(self) -> OidcProvider:
        return OidcProvider(self.request, app=application())

    @property
    def access_token_url(self) -> str:
        return provider_document.document().token_endpoint

    @property
    def authorize_url(self) -> str:
        return provider_document.document().authorization_endpoint

    @property
    def basic_auth(self) -> bool:
        methods = provider_document.document().token_endpoint_auth_methods_supported
        return "client_secret_post" not in methods

    def get_callback_url(self, request: HttpRequest, app: SocialApp) -> str:
        return str(request.build_absolute_uri(reverse("oidc_callback")))

    def get_access_token_data(
        self, request: HttpRequest, app: SocialApp, client: Any, pkce_code_verifier: Any = None
    ) -> dict[str, Any]:
        """Exchange the code. Raises SignInError, or an OSError while the provider is away."""
        issuer = request.GET.get("iss")  # RFC 9207
        if issuer is not None and issuer != provider_document.document().issuer:
            raise SignInError(RefusalCause.TOKEN, "the code is of another issuer")
        code = request.GET["code"]
        try:
            answer = client.get_access_token(code, pkce_code_verifier=pkce_code_verifier)
        except (OAuth2Error, ValueError, LookupError, TypeError):  # some are an OSError, too
            provider_document.forget()
            text = "the code was not exchanged for a token"  # its own text has the answer in it
            raise SignInError(RefusalCause.ANSWER, text) from None
        except OSError:
            provider_document.forget()
            raise
        return dict(answer)

    def parse_token(self, data: dict[str, Any]) -> SocialToken:
        return SocialToken(token=_answer(data).access_token)

    def complete_login(
        self, request: HttpRequest, app: SocialApp, token: SocialToken, **kwargs: Any
    ) -> SocialLogin:
        """Verify all that was sent; the login has its `claims`. Raises SignInError."""
        answer = _answer(kwargs["response"])
        claims = id_token.verified(answer.id_token, nonce_of(request.GET["state"]))
        more = _user_info(answer.access_token, claims["sub"])
        account = SocialAccount(provider=settings.OIDC_ISSUER, uid=claims["sub"], extra_data={})
        login = SocialLogin(user=User(), account=account, provider=self.get_provider())
        login.claims = more | claims
        login.id_token = answer.id_token
        return login


def _answer(data: dict[str, Any]) -> TokenAnswer:
    try:
        return msgspec.convert(data, TokenAnswer)
    except msgspec.ValidationError:
        raise SignInError(RefusalCause.ANSWER, "expected an access_token and an id_token") from None


def _user_info(access_token: str, subject: str) -> dict[str, Any]:
    """What the provider tells beside the token, where it does."""
    address = provider_document.document().userinfo_endpoint
    if not address:
        return {}
    found = get_json(address, access_token)
    if found.get("sub") != subject:
        raise SignInError(
            RefusalCause.TOKEN, "its sub is another one than that of the user's details"
        )
    return found


class OidcProvider(OAuth2Provider):
    """Registered with allauth under its id."""

    id = PROVIDER
    name = "OpenID Connect"
    account_class = ProviderAccount
    oauth2_adapter_class = OidcFlow

    def get_scope(self) -> list[str]:
        return provider_document.scopes()


provider_classes = [OidcProvider]
