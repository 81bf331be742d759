"""The open connections of this process, whichever server holds them: how many, and for how long.

Servers say when a connection opens, waits for a header block, writes or closes. One timer looks at
all of them and ends what takes too long. That costs less than timers of their own, and a peer that
sends a byte now and then cannot push its deadline away.
"""

from __future__ import annotations

import asyncio
import resource
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Protocol

from bridge import process_settings
from bridge.process_settings import ConnectionSettings
from bridge.translation.errors.api_error import ApiError

SWEEP_SECONDS = 0.5
LINGER_SECONDS = 10.0
"""How long a client may go on sending a body that nobody reads, so that it sees the answer."""
MOST_LINGERING = 64
OWN_FILES = 64 + MOST_LINGERING
"""Files beside connections: database, spool, sockets it listens on, and those that linger."""
FILES_EACH = 2
"""A relayed request is two connections: the client's and the one to the backend."""
NETWORK_BITS = 64
"""Bits of an IPv6 address that one customer of a provider has; the rest anybody can vary."""


class Transport(Protocol):
    """A server's side of a connection."""

    def unsent(self) -> int:
        """Bytes that were written and that the kernel has not taken yet."""
        ...

    def abort(self) -> None:
        """Close at once, whatever is unsent."""
        ...

    def is_busy(self) -> bool:
        """Whether a request is being answered, or its answer is not sent yet."""
        ...

    def finish(self) -> None:
        """Close, after the answer that is under way if one is."""
        ...


@dataclass(eq=False, slots=True)
class Connection:
    """One connection. Times are those of the running loop; None where nothing is waited for."""

    address: str
    transport: Transport
    settings: ConnectionSettings
    head_since: float | None
    stuck_since: float | None = None
    ends_at: float | None = None
    unsent: int = 0

    def waits_for_head(self) -> None:
        """The first bytes of a request have come, or should come now."""
        if self.head_since is None:
            self.head_since = _now()

    def has_head(self) -> None:
        self.head_since = None

    def linger(self) -> None:
        """It is answered and only read to its end."""
        self.head_since = None
        self.ends_at = _now() + LINGER_SECONDS

    def is_overdue(self, now: float) -> bool:
        """Whether it has used up one of its times. Called by the sweep, which it tells apart."""
        self._look_at_writing(now)
        longest = self.settings
        return (
            (self.head_since is not None and now - self.head_since > longest.header_timeout)
            or (self.stuck_since is not None and now - self.stuck_since > longest.write_timeout)
            or (self.ends_at is not None and now > self.ends_at)
        )

    def _look_at_writing(self, now: float) -> None:
        """A peer that takes nothing leaves at least as much unsent as at the last look."""
        unsent = self.transport.unsent()
        if unsent == 0 or unsent < self.unsent:
            self.stuck_since = None
        if unsent and self.stuck_since is None:
            self.stuck_since = now
        self.unsent = unsent


class Connections:
    """The open ones. Made for one event loop."""

    def __init__(self, settings: ConnectionSettings) -> None:
        self.settings = settings
        self.is_draining = False
        self._open: set[Connection] = set()
        self._by_address: Counter[str] = Counter()
        self._timer: asyncio.TimerHandle | None = None
        self._emptied = asyncio.Event()

    def __len__(self) -> int:
        return len(self._open)

    def open(self, peer: str, transport: Transport) -> tuple[Connection, ApiError | None]:
        """A new connection, and why it is to be refused, if it is."""
        connection = Connection(counted_as(peer), transport, self.settings, _now())
        refusal = self._refusal(connection.address)
        self._open.add(connection)
        self._by_address[connection.address] += 1
        if self._timer is None:
            self._schedule()
        return connection, refusal

    def close(self, connection: Connection) -> None:
        """It is gone. May be called twice."""
        if connection not in self._open:
            return
        self._open.discard(connection)
        self._by_address[connection.address] -= 1
        if not self._by_address[connection.address]:
            del self._by_address[connection.address]
        if not self._open:
            self._emptied.set()

    # --- the end of the process ---

    def drain(self) -> None:
        """From here on the next answer on each connection is its last."""
        self.is_draining = True
        for connection in self._open:
            if connection.transport.is_busy():
                connection.transport.finish()

    def is_busy(self) -> bool:
        return any(connection.transport.is_busy() for connection in self._open)

    def busy(self) -> int:
        """How many of them have a request under way."""
        return sum(connection.transport.is_busy() for connection in self._open)

    async def finish(self, seconds: float) -> None:
        """Close all of them; those that take longer at once."""
        self._emptied.clear()
        for connection in list(self._open):
            connection.transport.finish()
        if self._open:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._emptied.wait(), seconds)
        for connection in list(self._open):
            connection.transport.abort()

    # --- limits ---

    def may_linger(self) -> bool:
        return sum(each.ends_at is not None for each in self._open) < MOST_LINGERING

    def _refusal(self, address: str) -> ApiError | None:
        if len(self) >= (self.settings.max_connections or most_connections()):
            return _too_many("this gateway", "MAX_CONNECTIONS")
        of_one = self.settings.max_connections_per_address
        if 0 < of_one <= self._by_address[address]:
            return _too_many("your address", "MAX_CONNECTIONS_PER_ADDRESS")
        return None

    def _schedule(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(SWEEP_SECONDS, self._sweep)

    def _sweep(self) -> None:
        self._timer, now = None, _now()
        for connection in [each for each in self._open if each.is_overdue(now)]:
            self.close(connection)
            connection.transport.abort()
        if self._open:
            self._schedule()


def _now() -> float:
    return asyncio.get_running_loop().time()


def _too_many(whose: str, setting: str) -> ApiError:
    return ApiError(529, f"Too many connections of {whose} (setting {setting})", retry_after=1)


@lru_cache(maxsize=4096)
def counted_as(peer: str) -> str:
    """The address that a peer counts under: an IPv6 network for an IPv6 address."""
    try:
        address = ip_address(peer)
    except ValueError:
        return peer
    if not isinstance(address, IPv6Address):
        return peer
    network = IPv6Network((int(address), NETWORK_BITS), strict=False)
    return str(address.ipv4_mapped or network.network_address)


def most_connections() -> int:
    """As many as the process may have files for, with a backend connection for each."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, (files - OWN_FILES) // FILES_EACH)


def raise_file_limit() -> None:
    """Take what the system allows: the usual soft limit of 1024 files is for programs that poll."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


_of_loops: dict[asyncio.AbstractEventLoop, Connections] = {}


def current() -> Connections:
    """Those of the running loop."""
    loop = asyncio.get_running_loop()
    if loop not in _of_loops:
        _of_loops[loop] = Connections(process_settings.read().connections)
    return _of_loops[loop]
