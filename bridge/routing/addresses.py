"""What addresses of backends and of the gateway itself look like. Pure."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

CHAT_PATH = "/chat/completions"
PRIVATE_DOMAINS = ("localhost", "local", "internal", "lan", "home", "home.arpa", "test")
"""Domains that are not in the public DNS."""


def problem(address: str, *, with_query: bool = False) -> str:
    """What was expected of an address that cannot be used; "" for one that can.

    `with_query`: it may have one.
    """
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        return "an http:// or https:// address"
    if not usable or any(c.isspace() for c in address):
        return "an http:// or https:// address"
    query = "" if with_query else parts.query
    if parts.username or parts.password or query or parts.fragment:
        unwanted = "credentials or fragment" if with_query else "credentials, query or fragment"
        return f"an address without {unwanted}"
    return ""


def origin(address: str) -> str:
    """Scheme, host and port: which server an address leads to."""
    parts = urlsplit(address)
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    port = f":{parts.port}" if parts.port not in (None, usual) else ""
    host = (parts.hostname or "").lower()
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}"


def base_url(address: str) -> str:
    """The base of a backend from either form that people have: a base, or the chat address.

    ``https://h``, ``https://h/v1``, ``https://h/v1/chat/completions`` all give ``https://h/v1``.
    """
    base = address.rstrip("/").removesuffix(CHAT_PATH).rstrip("/")
    return base if urlsplit(base).path.strip("/") else f"{base}/v1"


def is_public(host: str) -> bool:
    """Whether a host, without its port, is one that the whole Internet may reach."""
    name = host.lower().strip("[]").rstrip(".")
    try:
        return ip_address(name).is_global
    except ValueError:
        return "." in name and not name.endswith(tuple(f".{each}" for each in PRIVATE_DOMAINS))
