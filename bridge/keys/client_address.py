"""Where a request comes from, and whether that is among the addresses that a key is for. Pure.

A front adds whom it saw at the end of X-Forwarded-For. What stands before that came from the
client, which may write what it likes; and without a front that is trusted the whole header did.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
_WITH_PORT = re.compile(r"\[([^\]]*)\](?::\d{1,5})?|([\d.]+):\d{1,5}")
LONGEST = 100
"""Characters of an address, with the name of its zone; longer ones are not remembered as one."""


def client_address(peer: str, forwarded: str, trusts_front: bool) -> Address | None:
    """Who sends a request; None where nobody can tell, as on a Unix socket.

    `peer` is the other end of the connection, `forwarded` the X-Forwarded-For header.
    """
    last = forwarded.rpartition(",")[2].strip() if trusts_front else ""
    text = last or peer
    return _address(text) if len(text) <= LONGEST else None


@lru_cache(maxsize=1024)
def _address(text: str) -> Address | None:
    """An IPv6 address that holds one of IPv4 is that one. Its zone, which means something on one
    machine alone, is left out; so are brackets and a port, which some fronts write."""
    found = _WITH_PORT.fullmatch(text)
    try:
        address = ip_address(found[1] or found[2] if found else text)
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return address
    return address.ipv4_mapped or IPv6Address(int(address))


@lru_cache(maxsize=1024)
def networks_of(text: str) -> tuple[Network, ...]:
    """The networks that a text names, one a line or between commas. Raises ValueError."""
    words = text.replace(",", " ").split()
    return tuple(ip_network(word, strict=False) for word in words)


def is_within(address: Address | None, networks: Iterable[Network]) -> bool:
    """Whether the address is in one of the networks; one that is not known is in none."""
    return address is not None and any(address in network for network in networks)


def recorded(address: Address | None, how: str, secret: str) -> str:
    """The address as it stands on a record. `how`: off, hashed (with this installation's secret,
    so that nobody else can try all addresses) or whole."""
    if address is None or how == "off":
        return ""
    if how == "whole":
        return str(address)
    digest = hmac.new(f"client address {secret}".encode(), address.packed, hashlib.sha256)
    return digest.hexdigest()[:12]
