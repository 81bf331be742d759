"""Addresses as they are asked: the server, and the first lines of a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, urlsplit

from bridge.outbound.errors import AddressError

PORTS = {"http": 80, "https": 443}
_PLAIN = "/:@!$&'()*+,;=~-._%[]?"
"""Beside letters and digits: what stands in a path as it is."""


@dataclass(frozen=True, slots=True)
class HttpServer:
    """A server. `host` is a name or an address, without brackets."""

    is_secure: bool
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Address:
    """`target`: path and query; `host`: what the `host` header says."""

    server: HttpServer
    target: str
    host: str

    def head(self, method: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
        """The head of a request. Raises AddressError where a line would be two, or is no text."""
        lines = [f"{method} {self.target} HTTP/1.1", f"host: {self.host}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body is not None:
            lines.append(f"content-length: {len(body)}")
        for line in lines:
            if not line.isprintable():
                raise AddressError("a header that cannot be sent")
        try:
            return "\r\n".join([*lines, "", ""]).encode("latin-1")
        except UnicodeEncodeError:
            raise AddressError("a header that cannot be sent") from None


@lru_cache(maxsize=256)
def address_of(url: str) -> Address:
    """Read an address with http or https. Raises AddressError."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").encode("idna").decode(), parts.port
    except ValueError as error:
        raise AddressError(str(error)) from None
    if parts.scheme not in PORTS or not host or parts.username or parts.password:
        raise AddressError("not an http or https address")
    usual = PORTS[parts.scheme]
    shown = f"[{host}]" if ":" in host else host
    query = f"?{quote(parts.query, safe=_PLAIN)}" if parts.query else ""
    return Address(
        HttpServer(parts.scheme == "https", host, port or usual),
        f"{quote(parts.path, safe=_PLAIN) or '/'}{query}",
        shown if port in (None, usual) else f"{shown}:{port}",
    )
