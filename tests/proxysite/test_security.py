"""Cookies, headers and locks as the settings make them, and as Django's own review finds them.

docs/security.md. What a running server sends is in tests/e2e/test_security.py.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.checks import run_checks
from django.test import override_settings

from tests.proxysite.loading import Load, complaint

COOKIES = ("SESSION_COOKIE", "CSRF_COOKIE")
BEHIND_TLS = {"TRUST_FORWARDED_PROTO": "1", "HSTS_SECONDS": "31536000"}
# Django's warnings that are right here: the front redirects to HTTPS and decides on subdomains
LEFT_TO_THE_FRONT = {"security.W008", "security.W005", "security.W021"}


@pytest.mark.parametrize("cookie", COOKIES)
def test_cookies_are_not_read_by_scripts_nor_sent_along_by_other_sites(
    load: Load, cookie: str
) -> None:
    """the issue: SameSite, HttpOnly."""
    settings = load()
    assert settings[f"{cookie}_HTTPONLY"] is True
    assert settings[f"{cookie}_SAMESITE"] == "Lax"


@pytest.mark.parametrize("cookie", COOKIES)
@pytest.mark.parametrize(("trust", "secure"), [("0", False), ("1", True)])
def test_cookies_are_for_tls_only_where_a_front_tells_of_tls(
    load: Load, cookie: str, trust: str, secure: bool
) -> None:
    """the issue: Secure with TRUST_FORWARDED_PROTO."""
    assert load(TRUST_FORWARDED_PROTO=trust)[f"{cookie}_SECURE"] is secure


def test_session_lasts_twelve_hours_unless_told_otherwise(load: Load) -> None:
    assert load()["SESSION_COOKIE_AGE"] == 12 * 3600
    assert load(SESSION_SECONDS="600")["SESSION_COOKIE_AGE"] == 600


def test_forwarded_scheme_counts_only_from_a_front(load: Load) -> None:
    assert load()["SECURE_PROXY_SSL_HEADER"] is None
    trusted = load(TRUST_FORWARDED_PROTO="1")["SECURE_PROXY_SSL_HEADER"]
    assert trusted == ("HTTP_X_FORWARDED_PROTO", "https")


def test_browsers_insist_on_tls_where_that_is_asked_for(load: Load) -> None:
    """the issue: HSTS is an option."""
    assert load()["SECURE_HSTS_SECONDS"] == 0
    assert load(**BEHIND_TLS)["SECURE_HSTS_SECONDS"] == 31536000


def test_insisting_on_tls_without_tls_is_refused(load: Load) -> None:
    """Ours: it would have no effect, and nobody would notice."""
    said = complaint(load, HSTS_SECONDS="3600")
    assert said == "HSTS_SECONDS: expected TRUST_FORWARDED_PROTO=1 beside it"


def test_listed_fronts_that_nobody_believes_are_refused(load: Load) -> None:
    said = complaint(load, TRUSTED_PROXIES="10.0.0.7")
    assert said == "TRUSTED_PROXIES: expected TRUST_FORWARDED_PROTO=1 beside it"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X_FRAME_OPTIONS", "DENY"),
        ("SECURE_REFERRER_POLICY", "same-origin"),
        ("SECURE_CROSS_ORIGIN_OPENER_POLICY", "same-origin"),
        ("DEBUG", False),
    ],
)
def test_headers_are_as_documented(load: Load, name: str, value: Any) -> None:
    assert load()[name] == value


def test_lock_follows_the_settings(load: Load) -> None:
    """the issue: through LOGIN_FAILURES and LOGIN_LOCK_SECONDS, by user and address."""
    settings = load(LOGIN_FAILURES="3", LOGIN_LOCK_SECONDS="60")
    assert settings["AXES_FAILURE_LIMIT"] == 3
    assert settings["AXES_COOLOFF_TIME"] == timedelta(seconds=60)
    assert settings["AXES_LOCKOUT_PARAMETERS"] == [["username", "ip_address"]]


def test_djangos_review_finds_nothing_but_what_is_left_to_the_front(load: Load) -> None:
    """Ours: `manage.py check --deploy`, behind TLS."""
    security = {
        name: value
        for name, value in load(**BEHIND_TLS).items()
        if name.startswith(("SECURE_", "SESSION_", "CSRF_", "X_FRAME", "MIDDLEWARE", "SECRET_KEY"))
    }
    with override_settings(**security, ALLOWED_HOSTS=["gateway.example.com"]):
        found = {said.id for said in run_checks(include_deployment_checks=True)}
    assert found <= LEFT_TO_THE_FRONT
