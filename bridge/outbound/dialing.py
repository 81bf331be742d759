"""New connections: the name of a host, its addresses, TLS.

Of several addresses the next is tried a quarter of a second after the one before, and the first to
answer wins. Names are resolved in a thread, once for all that ask at the same time, and are good
for ten seconds.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from functools import cache
from ipaddress import ip_address
from typing import Any

import aiohappyeyeballs

from bridge.outbound.address import HttpServer
from bridge.outbound.connection import HttpConnection
from bridge.outbound.errors import (
    CertificateError,
    ConnectError,
    ConnectTimeoutError,
    HandshakeError,
    ResolveError,
)

NEXT_ADDRESS_SECONDS = 0.25
RESOLVED_SECONDS = 10.0
MOST_NAMES = 1000

Addresses = list[tuple[Any, ...]]


@cache
def trust() -> ssl.SSLContext:
    """Whom to believe: the authorities of the system, or those of SSL_CERT_FILE."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(("http/1.1",))
    return context


class Dialer:
    """Makes connections. `connect_timeout`: seconds for a connection with its TLS."""

    def __init__(self, connect_timeout: float) -> None:
        self._seconds = connect_timeout
        self._resolved: dict[tuple[str, int], tuple[float, asyncio.Future[Addresses]]] = {}

    async def dial(self, server: HttpServer, make: Callable[[], HttpConnection]) -> HttpConnection:
        """A connection that `make` made. Raises ConnectError and ConnectTimeoutError."""
        found = await self._addresses(server.host, server.port)
        context = None
        if server.is_secure:
            context = await asyncio.to_thread(trust)
        try:
            async with asyncio.timeout(self._seconds):
                return await _connected(found, server.host, context, make)
        except TimeoutError:
            raise ConnectTimeoutError from None

    async def _addresses(self, host: str, port: int) -> Addresses:
        if (literal := _literal(host, port)) is not None:
            return literal
        loop, place = asyncio.get_running_loop(), (host, port)
        good_until, looking = self._resolved.get(place, (0.0, None))
        if looking is None or loop.time() > good_until or _has_failed(looking):
            if len(self._resolved) > MOST_NAMES:
                self._resolved.clear()
            looking = asyncio.ensure_future(_look_up(host, port))
            self._resolved[place] = loop.time() + RESOLVED_SECONDS, looking
        return await asyncio.shield(looking)


def _has_failed(looking: asyncio.Future[Addresses]) -> bool:
    return looking.done() and (looking.cancelled() or looking.exception() is not None)


async def _look_up(host: str, port: int) -> Addresses:
    loop = asyncio.get_running_loop()
    kind, flags = socket.SOCK_STREAM, socket.AI_ADDRCONFIG
    try:
        return [*await loop.getaddrinfo(host, port, type=kind, flags=flags)]
    except OSError as error:
        raise ResolveError(error) from error


def _literal(host: str, port: int) -> Addresses | None:
    """The one address of a host that is written as one; None for a name."""
    if "%" in host:
        return None
    try:
        is_old = ip_address(host).version == 4
    except ValueError:
        return None
    kind = socket.SOCK_STREAM, socket.IPPROTO_TCP, ""
    if is_old:
        return [(socket.AF_INET, *kind, (host, port))]
    return [(socket.AF_INET6, *kind, (host, port, 0, 0))]


async def _connected(
    addresses: Addresses,
    host: str,
    context: ssl.SSLContext | None,
    make: Callable[[], HttpConnection],
) -> HttpConnection:
    """A connection to one of the addresses. TLS that fails at one may be agreed on at the next."""
    name = host.rstrip(".") if context is not None else None
    loop, left = asyncio.get_running_loop(), list(addresses)
    while True:
        own = await _socket(left)
        place = None
        try:
            place = own.getpeername()
            made = await loop.create_connection(make, sock=own, ssl=context, server_hostname=name)
            return made[1]
        except OSError as error:
            own.close()
            others = [each for each in left if each[4] != place]
            if not others or len(others) == len(left):
                raise _connect_error(error) from error
            left = others
        except BaseException:
            own.close()
            raise


async def _socket(addresses: Addresses) -> socket.socket:
    """Connected to the first of them that answers."""
    try:
        return await aiohappyeyeballs.start_connection(
            addresses, happy_eyeballs_delay=NEXT_ADDRESS_SECONDS, interleave=1
        )
    except OSError as error:
        raise ConnectError(error) from error


def _connect_error(error: OSError) -> ConnectError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return CertificateError(error)
    return HandshakeError(error) if isinstance(error, ssl.SSLError) else ConnectError(error)
