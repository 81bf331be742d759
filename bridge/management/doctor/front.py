"""What people and clients come through: TLS, the names of this gateway, the front."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.http.request import validate_host

from bridge.keys.authentication import is_loopback
from bridge.management.doctor.results import CheckResult, ok, warning

TLS = "TRUST_FORWARDED_PROTO"
ORIGINS = "CSRF_TRUSTED_ORIGINS"
ALLOWED_HOSTS = "ALLOWED_HOSTS"


def check(settings: Any) -> Iterator[CheckResult]:
    is_open = not is_loopback(settings.HOST)
    found = [*_tls(settings, is_open), *_names(settings, is_open)]
    yield from found or [ok("front", "nothing in front of the gateway is set up by halves")]


def _tls(settings: Any, is_open: bool) -> Iterator[CheckResult]:
    origins = [*settings.CSRF_TRUSTED_ORIGINS, settings.PUBLIC_URL]
    by_tls = [origin for origin in origins if origin.startswith("https://")]
    if by_tls and not settings.TRUST_FORWARDED_PROTO:
        text = f"0, but people come by {by_tls[0]}: cookies are not for TLS alone"
        yield warning(TLS, text, "set it to 1 behind a front that sets X-Forwarded-Proto itself")
    elif is_open and not settings.TRUST_FORWARDED_PROTO:
        text = f"HOST={settings.HOST} is open to others, and no front with TLS is set up"
        yield warning(
            TLS, text, "keys and passwords can be read on the way: see docs/how-to/deploy.md"
        )
    public = _origin(settings.PUBLIC_URL)
    if public.startswith("https://") and public not in settings.CSRF_TRUSTED_ORIGINS:
        text = f"{public} of PUBLIC_URL is not among them: forms may be refused"
        yield warning(ORIGINS, text, f"{ORIGINS}={public}")


def _names(settings: Any, is_open: bool) -> Iterator[CheckResult]:
    host = urlsplit(settings.PUBLIC_URL).hostname or ""
    if host and not validate_host(host, settings.ALLOWED_HOSTS):
        text = f"{host} of PUBLIC_URL is not among them: requests for it get a 400"
        yield warning(ALLOWED_HOSTS, text, f"add {host}")
    if is_open and "*" in settings.ALLOWED_HOSTS:
        text = "requests for any name are served, on an address that others can reach"
        yield warning(ALLOWED_HOSTS, text, "name those that the gateway is reached by")


def _origin(url: str) -> str:
    place = urlsplit(url)
    return f"{place.scheme}://{place.netloc}" if place.netloc else ""
