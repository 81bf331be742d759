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
    if not settings.OIDC_ISSUER:
        return [SignInFinding(FindingGrade.GOOD, "OIDC_ISSUER", "not set: nobody signs in with it")]
    return [*_of_provider(), *_of_groups()]


def _of_provider() -> Iterator[SignInFinding]:
    # loaded only where it is set
    provider: Any = import_module("bridge.oidc.provider_document")
    refusals: Any = import_module("bridge.oidc.refusals")
    try:
        document = provider.read()
        yield SignInFinding(FindingGrade.GOOD, "OIDC_ISSUER", "the provider describes itself")
        keys = provider.read_keys(document)
    except refusals.SignInError as error:
        yield SignInFinding(FindingGrade.FAULT, "OIDC_ISSUER", str(error))
        return
    yield SignInFinding(FindingGrade.GOOD, "jwks_uri", f"{len(keys)} keys for signatures")
    if not document.userinfo_endpoint:
        yield SignInFinding(
            FindingGrade.WARNING, "userinfo_endpoint", "none: all must be in the ID token"
        )
    if not document.end_session_endpoint:
        yield SignInFinding(
            FindingGrade.WARNING, "end_session_endpoint", "none: a log-out ends here alone"
        )
    scopes = document.scopes_supported
    missing = (
        sorted({"openid", *settings.OIDC_SCOPES.replace(",", " ").split()} - set(scopes))
        if scopes
        else []
    )
    if missing:
        text = f"the provider does not list {', '.join(missing)}"
        yield SignInFinding(FindingGrade.WARNING, "OIDC_SCOPES", text)


def _of_groups() -> Iterator[SignInFinding]:
    claim, rows = settings.OIDC_GROUPS_CLAIM, GroupMapping.objects.count()
    if rows:
        yield SignInFinding(
            FindingGrade.GOOD, "OIDC_GROUPS_CLAIM", f"{claim}: {rows} rows say what it gives"
        )
    else:
        text = "no row says what a company group gives: people come in without a role"
        yield SignInFinding(FindingGrade.WARNING, "OIDC_GROUPS_CLAIM", text)
