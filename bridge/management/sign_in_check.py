"""Whether people can sign in: what is set, what the provider says of itself, what groups give.

`findings` is for `manage.py check_sign_in`, and for whatever else looks the installation over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from typing import Any

from django.conf import settings
from django.template.defaultfilters import pluralize

from bridge.models import GroupMapping


class FindingGrade(StrEnum):
    """How bad it is."""

    GOOD = "good"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class SignInFinding:
    """One thing that was looked at, in a sentence. `subject` is a setting or a part of it."""

    grade: FindingGrade
    subject: str
    text: str


def findings() -> list[SignInFinding]:
    """Asks the provider, for some seconds at most. Never raises for what a provider does."""
    if not (settings.OIDC_ISSUER or settings.REMOTE_USER_HEADER):
        return [_good("OIDC_ISSUER", "not set: users log in with passwords alone")]
    found = [*_of_groups()]
    if settings.REMOTE_USER_HEADER:
        found = [*_of_front(), *found]
    if settings.OIDC_ISSUER:
        found = [*_of_provider(), *found]
    return found


def _good(subject: str, text: str) -> SignInFinding:
    return SignInFinding(FindingGrade.GOOD, subject, text)


def _warning(subject: str, text: str) -> SignInFinding:
    return SignInFinding(FindingGrade.WARNING, subject, text)


def _of_provider() -> Iterator[SignInFinding]:
    # loaded only where it is set
    provider: Any = import_module("bridge.oidc.provider_document")
    refusals: Any = import_module("bridge.oidc.refusals")
    try:
        document = provider.read()
        yield _good("OIDC_ISSUER", "the provider describes itself")
        keys = provider.read_keys(document)
    except refusals.SignInError as error:
        yield SignInFinding(FindingGrade.FAULT, "OIDC_ISSUER", str(error))
        return
    yield _good("jwks_uri", f"{len(keys)} key{pluralize(len(keys))} for signatures")
    if not document.userinfo_endpoint:
        yield _warning("userinfo_endpoint", "none: all must be in the ID token")
    if not document.end_session_endpoint:
        yield _warning("end_session_endpoint", "none: a log-out ends here alone")
    missing = [name for name in provider.scopes() if name not in document.scopes_supported]
    if missing and document.scopes_supported:
        yield _warning("OIDC_SCOPES", f"the provider does not list {', '.join(missing)}")


def _of_front() -> Iterator[SignInFinding]:
    fronts = ", ".join(map(str, settings.REMOTE_USER_PROXIES))
    text = f"{settings.REMOTE_USER_HEADER} is believed on connections from {fronts}"
    yield _good("REMOTE_USER_PROXIES", text)
    if not settings.REMOTE_USER_GROUPS_HEADER:
        yield _warning("REMOTE_USER_GROUPS_HEADER", "not set: the front gives no roles and teams")


def _of_groups() -> Iterator[SignInFinding]:
    rows = GroupMapping.objects.count()
    if rows:
        yield _good("company groups", f"{rows} rows say what they give")
    else:
        text = "no row says what one gives: people come in without a role"
        yield _warning("company groups", text)
