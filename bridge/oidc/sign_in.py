"""Who comes in with a verified login, and what they get.

A login belongs to the user that its account is linked to: by issuer and subject, and by nothing
else. Where there is none a user is made.
"""

from __future__ import annotations

from typing import Any

from allauth.socialaccount.internal import statekit
from allauth.socialaccount.models import SocialAccount, SocialLogin
from django.conf import settings
from django.contrib.auth import login as log_in
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from bridge.accounts import arrivals, company_groups, sign_in_history
from bridge.accounts.arrivals import Identity, NameTakenError, UnusableNameError
from bridge.accounts.company_groups import GroupsError
from bridge.accounts.landing import landing
from bridge.models.changes import recorded
from bridge.oidc.refusals import RefusalCause, SignInError

BACKEND = "django.contrib.auth.backends.ModelBackend"
ID_TOKEN = "oidc_id_token"  # noqa: S105 - the name of a member of the session
LONGEST_KEPT_TOKEN = 16 * 1024
"""Characters of a token that the session keeps, for the log-out at the provider."""


def arrive(request: HttpRequest, login: SocialLogin) -> HttpResponse:
    """Log the person in. Raises SignInError."""
    groups = _groups(login.claims)
    with recorded(f"provider {settings.OIDC_NAME}"):
        user = _user(login, identity_of(login.claims))
        if not user.is_active:
            raise SignInError(RefusalCause.INACTIVE)
        company_groups.bring_up_to_date(user, groups)
    with sign_in_history.by(request, settings.OIDC_NAME):
        log_in(request, user, BACKEND)
    request.session.pop(statekit.STATES_SESSION_KEY, None)
    if len(login.id_token) <= LONGEST_KEPT_TOKEN:
        request.session[ID_TOKEN] = login.id_token
    return HttpResponseRedirect(landing(request, user, str(login.state.get("next") or "")))


def _groups(claims: dict[str, Any]) -> frozenset[str]:
    try:
        return company_groups.of_claims(claims, settings.OIDC_GROUPS_CLAIM)
    except GroupsError as error:
        raise SignInError(RefusalCause.GROUPS, f"{settings.OIDC_GROUPS_CLAIM}: {error}") from None


def identity_of(claims: dict[str, Any]) -> Identity:
    """What the claims say of a person; what is no text counts as left out."""
    texts = {name: value for name, value in claims.items() if isinstance(value, str)}
    is_verified = claims.get("email_verified", True) in (True, "true")
    return Identity(
        username=texts.get("preferred_username", ""),
        email=texts.get("email", "") if is_verified else "",
        first_name=texts.get("given_name", ""),
        last_name=texts.get("family_name", ""),
    )


def _user(login: SocialLogin, identity: Identity) -> User:
    """The linked user, or a new one."""
    if login.account.pk is None:
        return _made(login.account, identity)
    user: User = login.account.user
    arrivals.refresh(user, identity)
    return user


def _made(account: SocialAccount, identity: Identity) -> User:
    try:
        with transaction.atomic():
            user = arrivals.new_user(arrivals.username_for(identity), identity)
            account.user = user
            account.save()
            return user
    except UnusableNameError:
        raise SignInError(RefusalCause.NO_NAME) from None
    except (NameTakenError, IntegrityError):
        detail = f"The number of your account is {account.uid}"
        raise SignInError(RefusalCause.NAME_TAKEN, detail) from None
