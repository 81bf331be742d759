"""The addresses of a sign-in where it is switched off, and the login that leads to its page."""

from __future__ import annotations

import pytest
from django.conf import LazySettings

from tests.bridge.people import browser

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "path",
    [
        "/.well-known/oauth-authorization-server",
        "/oauth/device_authorization",
        "/oauth/token",
        "/oauth/revoke",
        "/device/",
    ],
)
def test_nothing_is_there_when_it_is_switched_off(settings: LazySettings, path: str) -> None:
    """docs/reference/settings.md: SIGN_IN."""
    settings.SIGN_IN = False
    client = browser("operator")
    assert {client.get(path).status_code, client.post(path).status_code} == {404}


def test_who_is_somebody_else_logs_out_and_comes_back_with_the_code() -> None:
    client = browser("")
    answer = client.post("/device/leave/", {"user_code": "bcdf-ghjk"})
    assert answer["location"] == "/admin/login/?next=/device/%3Fuser_code%3DBCDF-GHJK"
    assert client.get("/device/").status_code == 302
