"""Host, Origin, and whether a request is local."""

from dataclasses import replace
from typing import Any

import pytest

from bridge import process_settings
from bridge.api.hosts import allowed_origin, arrival_address, check_host
from bridge.process_settings import AccessSettings
from bridge.translation.errors.api_error import ApiError


def access(**changes: Any) -> AccessSettings:
    return replace(process_settings.read().access, **changes)


LOCAL = {"server": ("127.0.0.1", 8080)}


@pytest.mark.parametrize(
    ("server", "address"),
    [(("192.0.2.7", 80), "192.0.2.7"), (None, "127.0.0.1"), (("", None), "127.0.0.1")],
)
def test_address_is_the_one_that_the_request_arrived_on(server: object, address: str) -> None:
    """G10 hangs on it; a Unix socket counts as local."""
    assert arrival_address({"server": server}, {}) == address


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1", "[::1]:8080", "a.localhost"])
def test_request_for_a_loopback_name_is_local(host: str) -> None:
    assert arrival_address(LOCAL, {"host": host}) == "127.0.0.1"


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "claude.example.org"},
        {"host": "192.0.2.7:8080"},
        {"host": ""},
        {"host": "localhost.example.org"},
        {"host": "localhost", "x-forwarded-for": "203.0.113.9"},
        {"host": "localhost", "forwarded": "for=203.0.113.9"},
        {"host": "localhost", "x-real-ip": "127.0.0.1"},
        {"host": "localhost", "cf-connecting-ip": "203.0.113.9"},
        {"host": "localhost", "via": "1.1 front"},
    ],
)
def test_request_that_a_front_handed_on_is_not_local(headers: dict[str, str]) -> None:
    """A front on the same machine sends everybody's requests from a loopback address."""
    assert arrival_address(LOCAL, headers) == ""


@pytest.mark.parametrize(
    ("allowed", "host", "served"),
    [
        (["*"], "any.example", True),
        (["a.example"], "A.EXAMPLE:8080", True),
        (["a.example"], "b.example", False),
        (["a.example"], "127.0.0.1:8080", False),
        ([".example"], "x.y.example", True),
        (["127.0.0.1", "[::1]"], "[::1]:80", True),
        (["127.0.0.1"], "evil.example", False),
        (["*"], "two words", False),
        (["*"], "", False),
    ],
)
def test_host_is_one_of_those_allowed(allowed: list[str], host: str, served: bool) -> None:
    """A page that rebound its name to 127.0.0.1 comes under that name."""
    if served:
        check_host({"host": host}, allowed)
        return
    with pytest.raises(ApiError) as caught:
        check_host({"host": host}, allowed)
    assert caught.value.status == 400 and "ALLOWED_HOSTS" in caught.value.message


def test_request_without_host_is_no_browsers() -> None:
    check_host({}, ["a.example"])


@pytest.mark.parametrize(
    ("cors", "origin", "shared"),
    [
        ([], "", ""),
        ([], "http://localhost:8080", ""),
        (["https://a.example"], "https://a.example", "https://a.example"),
        (["https://a.example"], "HTTPS://A.example", "HTTPS://A.example"),
        (["https://*.example"], "https://x.y.example", "https://x.y.example"),
        (["*"], "null", "null"),
        (["null"], "null", "null"),
    ],
)
def test_origin_that_is_named_may_read(cors: list[str], origin: str, shared: str) -> None:
    settings = access(cors_origins=cors)
    assert allowed_origin({"host": "localhost:8080", "origin": origin}, settings) == shared


@pytest.mark.parametrize(
    ("cors", "host", "origin"),
    [
        ([], "localhost:8080", "http://localhost:3000"),
        ([], "localhost:8080", "null"),
        ([], "localhost:8080", "http://["),
        ([], "evil.example", "http://evil.example"),
        (["https://a.example"], "localhost", "https://a.example.evil"),
        (["https://*.example"], "localhost", "https://evilexample"),
        (["https://*.example"], "localhost", "http://x.example"),
    ],
)
def test_foreign_origin_is_refused(cors: list[str], host: str, origin: str) -> None:
    """A name that was rebound to us is in Host and Origin alike, so that they are equal says
    nothing where every name is served."""
    settings = access(cors_origins=cors, allowed_hosts=["*"])
    with pytest.raises(ApiError) as caught:
        allowed_origin({"host": host, "origin": origin}, settings)
    assert caught.value.status == 403 and "CORS_ORIGINS" in caught.value.message


def test_page_of_a_name_that_is_allowed_is_our_own() -> None:
    settings = access(allowed_hosts=["a.example"])
    assert allowed_origin({"host": "a.example", "origin": "https://a.example"}, settings) == ""
