"""Whom a request is addressed to, and which web pages may send one.

A web page can have its own name point at this machine (DNS rebinding) and then send requests here
that a browser takes for the page's own. What gives it away is the name, in Host and in Origin.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import urlsplit

from django.http.request import split_domain_port, validate_host

from bridge.api.request_body import Scope
from bridge.keys.authentication import is_loopback
from bridge.process_settings import AccessSettings
from bridge.translation.errors.api_error import ApiError

FORWARDING = frozenset(
    {
        "forwarded",
        "via",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-forwarded-port",
        "x-forwarded-server",
        "x-original-forwarded-for",
        "x-real-ip",
        "x-client-ip",
        "x-cluster-client-ip",
        "true-client-ip",
        "cf-connecting-ip",
        "cf-ray",
        "fly-client-ip",
        "fastly-client-ip",
        "x-envoy-external-address",
        "tailscale-user-login",
    }
)
"""Headers that fronts, tunnels and content networks add to what they hand on."""

MAX_SHOWN = 100
LONGEST_NAME = 300
"""Characters of a Host header; no name of DNS with a port is longer."""
ELSEWHERE = ""


def arrival_address(scope: Scope, headers: Mapping[str, str]) -> str:
    """The address of ours that the request was sent to; ELSEWHERE if it was handed on to us.

    A Unix socket counts as local. A request that was handed on by a front on this machine arrives
    on a loopback address too, but its sender may be anybody.
    """
    name = _name_of(headers.get("host", ""))
    named_otherwise = "host" in headers and not _is_loopback_name(name)
    if named_otherwise or not FORWARDING.isdisjoint(headers):
        return ELSEWHERE
    server = scope.get("server")
    return str(server[0]) if server and server[0] else "127.0.0.1"


def _name_of(host: str) -> str:
    return _split(host) if len(host) <= LONGEST_NAME else ""


@lru_cache(maxsize=64)
def _split(host: str) -> str:
    """The name or address in a Host header; "" where it makes no sense."""
    name, _port = split_domain_port(host.lower())
    return name


def check_host(headers: Mapping[str, str], allowed_hosts: list[str]) -> None:
    """Refuse a request that is addressed to a name that is not ours."""
    host = headers.get("host")
    if host is None:  # HTTP/1.0, which no browser speaks
        return
    name = _name_of(host)
    if not (name and validate_host(name, allowed_hosts)):
        shown = ascii(host[:MAX_SHOWN])
        raise ApiError.invalid(f"host: {shown} is not served here (setting ALLOWED_HOSTS)")


def allowed_origin(headers: Mapping[str, str], access: AccessSettings) -> str:
    """The origin that may read the answer; "" for none. Raises a 403 for a foreign one."""
    origin = headers.get("origin", "")
    if not origin or _is_own(origin, headers.get("host", ""), access.allowed_hosts):
        return ""
    if any(_matches(origin.lower(), each.lower()) for each in access.cors_origins):
        return origin
    shown = ascii(origin[:MAX_SHOWN])
    raise ApiError(403, f"origin: {shown} may not send requests here (setting CORS_ORIGINS)")


def _is_own(origin: str, host: str, allowed_hosts: list[str]) -> bool:
    """Whether it is a page that we served ourselves.

    A name that equals Host proves nothing where any name is served: it may have been rebound.
    """
    try:
        place = urlsplit(origin.lower())
        name, _ = split_domain_port(place.netloc)
    except ValueError:
        return False
    if place.scheme not in ("http", "https") or not name or place.netloc != host.lower():
        return False
    named = [each for each in allowed_hosts if each != "*"]
    return _is_address(name) or _is_loopback_name(name) or validate_host(name, named)


def _is_loopback_name(name: str) -> bool:
    return is_loopback(name) or name.endswith(".localhost")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _matches(origin: str, allowed: str) -> bool:
    """`https://*.example.com` stands for every name below it, `*` for every origin."""
    if allowed in ("*", origin):
        return True
    scheme, wildcard, domain = allowed.partition("://*.")
    return bool(wildcard) and origin.startswith(f"{scheme}://") and origin.endswith(f".{domain}")
