"""What signing in with company accounts loads, and that nothing of it is there without it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.proxysite.interpreter import printed

ON = {
    "OIDC_ISSUER": "https://login.example.com",
    "OIDC_CLIENT_ID": "gateway",
    "OIDC_CLIENT_SECRET": "s3cret",
}
LOADED = """
import sys, proxysite.asgi
from django.urls import get_resolver
get_resolver().url_patterns
names = ("allauth", "oauthlib", "jwt", "bridge.oidc")
print(*(name for name in names if name in sys.modules))
"""
ADDRESSES = """
import os, django
os.environ["DJANGO_SETTINGS_MODULE"] = "proxysite.settings"
django.setup()
from django.urls import get_resolver

def names(resolver, base=""):
    for each in resolver.url_patterns:
        path = base + str(each.pattern)
        yield from names(each, path) if hasattr(each, "url_patterns") else [(path, each.callback)]

for path, view in names(get_resolver()):
    if view.__module__.startswith(("allauth", "bridge.oidc.views")):
        print(path, view.__module__)
"""


@pytest.mark.parametrize(
    ("variables", "loaded"),
    [
        ({}, []),
        ({"REMOTE_USER_HEADER": "X-User", "REMOTE_USER_PROXIES": "127.0.0.1"}, []),
        (ON, ["allauth", "jwt", "bridge.oidc"]),
    ],
    ids=["off", "header", "on"],
)
def test_nothing_of_it_is_imported_where_it_is_off(
    tmp_path: Path, variables: dict[str, str], loaded: list[str]
) -> None:
    """The issue: without OIDC nothing of it is imported at start."""
    found = printed(LOADED, tmp_path, variables).split()
    assert [name for name in found if name != "oauthlib"] == loaded
    assert loaded or not found


def test_three_addresses_and_the_log_out_are_all_that_it_adds(tmp_path: Path) -> None:
    """The issue: none of allauth's pages for sign-up, passwords and e-mail."""
    assert printed(ADDRESSES, tmp_path, ON).splitlines() == [
        "sign-in/ bridge.oidc.views",
        "sign-in/callback/ bridge.oidc.views",
        "sign-in/leave/ bridge.oidc.views",
        "admin/logout/ bridge.oidc.views",
    ]
    assert printed(ADDRESSES, tmp_path, {}) == ""
