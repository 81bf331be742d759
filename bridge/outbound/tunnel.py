"""A way to servers through a forward proxy: a tunnel by CONNECT, whatever is spoken inside it.

The proxy sees the host and the port of a server, and bytes. It resolves the host's name itself.
"""

from __future__ import annotations

import asyncio
import socket
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import unquote, urlsplit

from bridge.outbound.address import HttpServer
from bridge.outbound.errors import ProxyError

MAX_HEAD_BYTES = 16 * 1024
END = b"\r\n\r\n"
USUAL_PORT = 3128


@dataclass(frozen=True, slots=True)
class ForwardProxy:
    """A proxy, and the hosts that are reached without it: names, `.example.com` for all below a
    name, addresses and networks. `credential`: the value of its header, "" for none."""

    server: HttpServer
    direct: tuple[str, ...] = ()
    credential: str = field(default="", repr=False)

    def serves(self, host: str) -> bool:
        """Whether a host is reached through it. This machine never is."""
        name = host.lower().rstrip(".")
        if name == "localhost" or name.endswith(".localhost"):
            return False
        try:
            address = ip_address(name)
        except ValueError:
            return not any(_names(each.lower(), name) for each in self.direct)
        address = getattr(address, "ipv4_mapped", None) or address
        is_here = address.is_loopback or address.is_unspecified
        return not (is_here or any(_holds(each, address) for each in self.direct))

    def without_credential(self, text: str) -> str:
        """A text that may quote what the proxy was sent."""
        token = self.credential.rpartition(" ")[2]
        password = b64decode(token).decode().partition(":")[2]
        for secret in (token, password):
            text = text.replace(secret, "***") if secret else text
        return text


def proxy_of(url: str, direct: tuple[str, ...]) -> ForwardProxy | None:
    """The proxy of an address, `http://USER:PASSWORD@HOST:PORT`; None for "". ValueError."""
    if not url:
        return None
    place = urlsplit(url)
    if place.scheme != "http" or not place.hostname or place.path.strip("/") or place.query:
        raise ValueError(url)
    credential = ""
    if place.username is not None:
        pair = f"{unquote(place.username)}:{unquote(place.password or '')}"
        credential = f"Basic {b64encode(pair.encode()).decode()}"
    server = HttpServer(False, place.hostname, place.port or USUAL_PORT)
    return ForwardProxy(server, direct, credential)


async def open_tunnel(own: socket.socket, proxy: ForwardProxy, server: HttpServer) -> None:
    """Have the proxy connect this socket with the server. Raises ProxyError and OSError."""
    loop = asyncio.get_running_loop()
    place = f"[{server.host}]" if ":" in server.host else server.host
    lines = [f"CONNECT {place}:{server.port} HTTP/1.1", f"Host: {place}:{server.port}"]
    if proxy.credential:
        lines.append(f"Proxy-Authorization: {proxy.credential}")
    await loop.sock_sendall(own, "\r\n".join([*lines, "", ""]).encode("ascii"))
    head = b""
    while END not in head:
        # No byte behind the head belongs to it: servers speak second.
        data = await loop.sock_recv(own, MAX_HEAD_BYTES + 1 - len(head))
        head += data
        if not data or len(head) > MAX_HEAD_BYTES:
            raise ProxyError("it closed" if not data else "it answered something endless")
    status = head.split(b" ", 2)[1:2]
    if not (head.startswith(b"HTTP/1.") and status and status[0].startswith(b"2")):
        told = proxy.without_credential(head.split(b"\r\n")[0].decode("ascii", "replace"))
        raise ProxyError(f"it answered {told[:80]!r}")


def _names(entry: str, name: str) -> bool:
    return name == entry or (entry.startswith(".") and (name.endswith(entry) or name == entry[1:]))


def _holds(entry: str, address: IPv4Address | IPv6Address) -> bool:
    try:
        return address in ip_network(entry, strict=False)
    except ValueError:
        return False
