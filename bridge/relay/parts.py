"""What the relay of a request works with: the parts of the process that it calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from bridge.backends.client import BackendClient
from bridge.backends.discovery import Discovery
from bridge.backends.health import Health
from bridge.backends.learned import LearnedFacts
from bridge.backends.prefix_cache import Prefixes
from bridge.clocks import Clocks
from bridge.configuration.snapshot import Snapshot
from bridge.configuration.snapshot_store import SnapshotStore
from bridge.keys.authentication import KeyPolicy
from bridge.keys.limiter import Limiter
from bridge.ledger.spool import Spool
from bridge.live.publisher import ActivityPublisher, RunningExchange
from bridge.places import Places
from bridge.process_settings import RelaySettings
from bridge.routing.sessions import Sessions
from bridge.tracing.tracer import Tracer
from bridge.translation.request.schema import RequestLimits

STARTING = "Gateway is starting: its configuration is not loaded yet"


class ActiveRequest(RunningExchange, Protocol):
    """A request under way, as a shutdown and the live view know it."""

    def interrupt(self) -> None:
        """The process must end: finish with an error that clients retry."""
        ...


@dataclass(slots=True, kw_only=True)
class RelayParts:
    """The parts of one process. `exchanges` are the requests under way.

    ready     waits until the configuration is loaded; raises a 529 when that takes too long
    counting  places of the requests to count_tokens that are worked on
    tracer    begins the trace of each request; None where traces are off
    """

    settings: RelaySettings
    clocks: Clocks
    limits: RequestLimits
    keys: KeyPolicy
    store: SnapshotStore
    upstream: BackendClient
    health: Health
    discovery: Discovery
    learned: LearnedFacts
    prefixes: Prefixes
    limiter: Limiter
    spool: Spool
    counting: Places
    activity: ActivityPublisher
    sessions: Sessions = field(default_factory=Sessions)
    ready: Callable[[], Awaitable[None]]
    tracer: Tracer | None = None
    exchanges: set[ActiveRequest] = field(default_factory=set)

    @property
    def snapshot(self) -> Snapshot:
        """The configuration as it is now; a request under way keeps the one that it began with."""
        return self.store.current
