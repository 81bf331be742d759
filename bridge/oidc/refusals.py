"""Why somebody does not get in: one row for each cause, with the page that says so.

No page and no log line repeats what a provider sent, but for the number of an account that an admin
may link.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import Enum

from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from bridge.pages import refusals

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Words:
    """A status, a title, and a sentence in which {name} is the provider's name."""

    status: int
    title: str
    text: str


class RefusalCause(Enum):
    """What went wrong."""

    CANCELLED = Words(403, "Not signed in", "The sign-in with {name} was cancelled.")
    STATE = Words(
        400,
        "This sign-in is over",
        "It was used already, took longer than ten minutes, or began in another browser. "
        "Begin again at the login.",
    )
    AWAY = Words(502, "{name} does not answer", "Try again in a moment, or log in with a password.")
    PROVIDER = Words(
        502,
        "{name} is not set up well",
        "What the provider says of itself cannot be used. An admin finds out more with "
        "manage.py check_sign_in.",
    )
    ANSWER = Words(
        502, "{name} gave no usable answer", "Nobody was signed in. Begin again at the login."
    )
    TOKEN = Words(
        403,
        "{name} sent a token that is not good",
        "Nobody was signed in. An admin should look into it.",
    )
    GROUPS = Words(
        403,
        "{name} sent groups that cannot be read",
        "Nobody was signed in, because groups decide on roles and teams.",
    )
    NO_NAME = Words(
        403,
        "{name} sent no usable name",
        "A name of at most 150 letters, digits and @ . + - _ is needed, as preferred_username or "
        "email.",
    )
    NAME_TAKEN = Words(
        403,
        "Your name is taken here",
        "A user of that name is here already and is not linked to your company account. "
        "An admin can link the two, under Company accounts in the admin.",
    )
    INACTIVE = Words(403, "This user is switched off", "An admin can switch it on again.")
    TOO_OFTEN = Words(429, "Too many sign-ins", "Try again later.")


class SignInError(OAuth2Error):
    """A sign-in that ends here. `detail` is a constant text of ours, for page and log."""

    def __init__(self, cause: RefusalCause, detail: str = "") -> None:
        super().__init__(f"{cause.name.lower()}: {detail}" if detail else cause.name.lower())
        self.cause = cause
        self.detail = detail


def page(request: HttpRequest, error: SignInError) -> HttpResponse:
    """The page of a refused sign-in, and its line in the log."""
    words = error.cause.value
    log.warning("Sign-in refused: %s", error)
    response = refusals.refused(
        request,
        words.status,
        _capital(words.title.format(name=settings.OIDC_NAME)),
        words.text.format(name=settings.OIDC_NAME),
        error.detail,
        reverse("admin:login"),
    )
    if error.cause is RefusalCause.TOO_OFTEN:
        response["Retry-After"] = str(settings.LOGIN_LOCK_SECONDS)
    return response


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
