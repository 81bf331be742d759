"""New connections: the name of a host, its addresses, TLS.

Of several addresses the next is tried a quarter of a second after the one before, and the first to
answer wins. Names are resolved in a thread, once for all that ask at the same time, and are good
for ten seconds.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
    ProxyError,
    ResolveError,
)
from bridge.outbound.tunnel import ForwardProxy, open_tunnel

NEXT_ADDRESS_SECONDS = 0.25
RESOLVED_SECONDS = 10.0
MOST_NAMES = 1000
GOODBYE_SECONDS = 1.0
"""How long a connection with TLS that is closed waits for the server to say that it heard so."""

Addresses = list[tuple[Any, ...]]


@cache
def trust() -> ssl.SSLContext:
    """Whom to believe: the authorities of the system, or those of SSL_CERT_FILE."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(("http/1.1",))
    return context


class Dialer:
    """Makes connections. `connect_timeout`: seconds for a connection with its TLS.

    `proxy`: through which servers are reached, unless it leaves them out.
    """

    def __init__(self, connect_timeout: float, proxy: ForwardProxy | None = None) -> None:
        self._seconds = connect_timeout
        self._proxy = proxy
        self._resolved: dict[tuple[str, int], tuple[float, asyncio.Future[Addresses]]] = {}

    async def dial(self, server: HttpServer, make: Callable[[], HttpConnection]) -> HttpConnection:
        """A connection that `make` made. Raises ConnectError and ConnectTimeoutError."""
        proxy = self._proxy if self._proxy and self._proxy.serves(server.host) else None
        near = proxy.server if proxy else server
        with _told_of(proxy):
            found = await self._addresses(near.host, near.port)
        context = None
        if server.is_secure:
            context = await asyncio.to_thread(trust)
        try:
            async with asyncio.timeout(self._seconds):
                return await _connected(found, server, proxy, context, make)
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
    server: HttpServer,
    proxy: ForwardProxy | None,
    context: ssl.SSLContext | None,
    make: Callable[[], HttpConnection],
) -> HttpConnection:
    """A connection to one of the addresses, which are the proxy's where there is one.

    TLS that fails at one may be agreed on at the next.
    """
    name = server.host.rstrip(".") if context is not None else None
    left = list(addresses)
    while True:
        with _told_of(proxy):
            own = await _socket(left)
        place = None
        try:
            with _closed_on_failure(own):
                place = own.getpeername()
                if proxy:
                    await open_tunnel(own, proxy, server)
            return await _taken_over(own, context, name, make)
        except OSError as error:
            others = [each for each in left if each[4] != place]
            if not others or len(others) == len(left):
                raise _connect_error(error) from error
            left = others


@contextmanager
def _closed_on_failure(own: socket.socket) -> Iterator[None]:
    try:
        yield
    except BaseException:
        own.close()
        raise


async def _taken_over(
    own: socket.socket,
    context: ssl.SSLContext | None,
    name: str | None,
    make: Callable[[], HttpConnection],
) -> HttpConnection:
    """A connection over this socket, which from now on is its transport's to close: a number that
    is closed beneath the event loop is soon somebody else's."""
    made = list[HttpConnection]()

    def protocol() -> HttpConnection:
        made.append(make())
        return made[0]

    loop, goodbye = asyncio.get_running_loop(), GOODBYE_SECONDS if context else None
    try:
        await loop.create_connection(
            protocol, sock=own, ssl=context, server_hostname=name, ssl_shutdown_timeout=goodbye
        )
    except BaseException:
        for each in made:
            each.abort()  # else it says goodbye, and waits for an answer
        raise
    return made[0]


async def _socket(addresses: Addresses) -> socket.socket:
    """Connected to the first of them that answers."""
    try:
        return await aiohappyeyeballs.start_connection(
            addresses, happy_eyeballs_delay=NEXT_ADDRESS_SECONDS, interleave=1
        )
    except OSError as error:
        raise ConnectError(error) from error


@contextmanager
def _told_of(proxy: ForwardProxy | None) -> Iterator[None]:
    """What fails on the way to a proxy is no fault of the server behind it."""
    try:
        yield
    except ResolveError as error:
        if proxy:
            raise ProxyError("its name does not resolve") from error
        raise
    except ConnectError as error:
        if proxy and error.errno == errno.ECONNREFUSED:
            raise ProxyError("it refuses connections") from error
        raise


def _connect_error(error: OSError) -> ConnectError:
    if isinstance(error, ConnectError):
        return error
    if isinstance(error, ssl.SSLCertVerificationError):
        return CertificateError(error)
    return HandshakeError(error) if isinstance(error, ssl.SSLError) else ConnectError(error)
