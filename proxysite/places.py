"""Where the gateway listens and where it is hosted, read for `settings.py` alone."""

from __future__ import annotations

import os
import re

from django.core.exceptions import ImproperlyConfigured

from bridge.outbound.tunnel import proxy_of
from proxysite import environment as read

OWN_PATHS = frozenset(
    (".well-known", "_schemas", "admin", "anthropic", "api", "dashboard", "device", "health")
    + ("managed", "metrics", "my", "oauth", "sign-in", "static", "v1")
)
"""What the paths of the gateway begin with."""
LONGEST_PATH = 100
"""Bytes of the path of a Unix socket; systems take 104 to 108."""

_BASE_PATH = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")
_MODE = re.compile(r"0?[0-7]{3}")


def host(name: str, default: str) -> str:
    """An address or a name to listen on, or `unix:` and the path of a socket.

    An IPv6 address may stand in brackets, as in a URL.
    """
    value = read.text(name, default)
    if not value.startswith("unix:"):
        return value.removeprefix("[").removesuffix("]")
    path = value.removeprefix("unix:")
    if not os.path.isabs(path) or len(os.fsencode(path)) > LONGEST_PATH or path.endswith("/"):
        expected = f"unix: and an absolute path of at most {LONGEST_PATH} bytes"
        raise read.wrong(name, expected)
    return value


def mode(name: str, default: str) -> str:
    """The rights of a file as chmod takes them: three octal digits."""
    value = read.text(name, default)
    if not _MODE.fullmatch(value):
        raise read.wrong(name, "three octal digits, such as 660")
    return value[-3:]


def base_path(name: str) -> str:
    """The path below which the gateway is hosted, such as /gateway; "" for the root of its host."""
    value = read.text(name).rstrip("/")
    if value and not _BASE_PATH.fullmatch(value):
        raise read.wrong(name, "a path such as /gateway, of letters, digits, -, _, ~ and .")
    if value and value.split("/")[1] in OWN_PATHS:
        raise read.wrong(name, "a path that the gateway does not serve itself, such as /gateway")
    return value


def proxy(name: str) -> str:
    """The forward proxy for backends; "" where there is none. It may hold a password."""
    value = read.secret(name)
    try:
        proxy_of(value, ())
    except ValueError:
        raise read.wrong(name, "http://HOST:PORT or http://USER:PASSWORD@HOST:PORT") from None
    return value


def public_url(name: str, base: str) -> str:
    """Where people reach the gateway, without a slash at the end; "" where nobody said so."""
    value = read.address(name).rstrip("/")
    if value and not value.endswith(base):
        raise ImproperlyConfigured(f"{name}: expected an address that ends in BASE_PATH, {base}")
    return value
