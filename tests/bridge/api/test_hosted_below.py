"""Paths of a gateway that is hosted below another path."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.urls import get_script_prefix, set_script_prefix

from bridge.accounts.landing import landing
from bridge.api.base_paths import API
from bridge.api.hosted_below import below, whole, without
from bridge.models import WarningEvent
from bridge.warnings.messages import message_of
from proxysite import asgi
from proxysite.places import OWN_PATHS
from tests.addresses import addresses


@pytest.mark.parametrize(
    ("path", "rest"),
    [
        ("/gateway/v1/messages", "/v1/messages"),
        ("/gateway", "/"),
        ("/gateway/", "/"),
        ("/v1/messages", "/v1/messages"),
        ("/gatewayed/v1", "/gatewayed/v1"),
        ("/gateway/gateway/v1", "/gateway/v1"),
        ("/GATEWAY/v1", "/GATEWAY/v1"),
        ("/gateway//v1", "//v1"),
    ],
)
def test_base_is_left_out_where_it_is_there(path: str, rest: str) -> None:
    assert without(path, "/gateway") == rest
    assert without(path, "") == path


async def seen(path: str, base: str, root: str = "") -> tuple[str, str, str]:
    """Path and root as the application has them, and the path as Django has it."""
    scopes: list[Any] = []

    async def application(scope: Any, *_: Any) -> None:
        scopes.append(scope)

    async def both(scope: Any, *channel: Any) -> None:
        await application(scope, *channel)
        await whole(application, base)(scope, *channel)

    nothing: Any = None
    await below(both, base)({"type": "http", "path": path, "root_path": root}, nothing, nothing)
    return scopes[0]["path"], scopes[0]["root_path"], scopes[1]["path"]


async def test_application_sees_the_rest_and_django_the_whole() -> None:
    before = get_script_prefix()
    try:
        assert await seen("/gw/my/", "/gw") == ("/my/", "", "/gw/my/")
        assert await seen("/my/", "/gw") == ("/my/", "", "/gw/my/")
    finally:
        set_script_prefix(before)


async def test_root_that_a_header_names_counts_for_nothing() -> None:
    """Daphne reads one from Daphne-Root-Path, which anybody may send."""
    assert await seen("/my/", "", "/evil") == ("/my/", "", "/my/")


def test_no_path_of_ours_can_be_the_base() -> None:
    """Else the base would be left out of addresses that are none."""
    routed = [str(getattr(route.pattern, "_route", "")) for route in asgi.requests.routes]
    ours = {path.lstrip("/^").split("/")[0] for path in [*routed, *addresses(), *API]}
    assert ours - {"", "(?P<url>.*)$"} <= OWN_PATHS


@pytest.fixture
def hosted(settings: Any) -> Iterator[None]:
    """What a request below a path finds."""
    settings.BASE_PATH, settings.PUBLIC_URL = "/gw", "https://example.com/gw"
    before = get_script_prefix()
    set_script_prefix("/gw/")
    yield
    set_script_prefix(before)


@pytest.mark.usefixtures("hosted")
def test_link_of_a_warning_has_the_base_once() -> None:
    """Where a request is answered addresses begin with it, in the background they may not."""
    event = WarningEvent(pk=7, at=datetime.now(UTC), numbers={})
    wanted = "https://example.com/gw/admin/bridge/warningevent/7/change/"
    assert message_of(event).link == wanted
    set_script_prefix("/")
    assert message_of(event).link == wanted


@pytest.mark.usefixtures("hosted")
def test_pages_of_roles_are_known_below_the_base() -> None:
    request, nobody = HttpRequest(), User()
    request.META["HTTP_HOST"] = "localhost"
    assert landing(request, nobody, "/gw/admin/bridge/") == "/gw/my/"
    assert landing(request, nobody, "/gw/dashboard/live/") == "/gw/my/"
    assert landing(request, nobody, "/gw/device/?user_code=x") == "/gw/device/?user_code=x"
