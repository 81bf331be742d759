"""Exports of OpenTelemetry on their way to the operator's collector, beside all requests.

A client's export is answered at once. What is to be forwarded waits in a queue with bounds in
number and bytes; what finds no room, or what the collector does not take after a few tries, is
dropped and counted. Nothing of the client's request goes along but the body and its type: above
all no key.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum

import httpx

from bridge.outbound import transport
from bridge.outbound.errors import OutboundError
from bridge.process_settings import TelemetrySettings

logger = logging.getLogger(__name__)

MOST_WAITING = 1000
MOST_BYTES = 16 * 1024 * 1024
AT_ONCE = 4
SEND_SECONDS = 10.0
PAUSES = (1.0, 5.0)
"""Seconds between the tries of one export."""
AGAIN = frozenset({429, 502, 503, 504})
"""What OTLP calls retryable."""

_sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class Signal(StrEnum):
    METRICS = "metrics"
    LOGS = "logs"
    TRACES = "traces"


class Fate(StrEnum):
    """What became of an export. DISCARDED: nobody wants this signal. DROPPED: it was lost."""

    FORWARDED = "forwarded"
    DISCARDED = "discarded"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Export:
    """One request of a client's exporter, its body not encoded any more."""

    signal: Signal
    content_type: str
    body: bytes = field(repr=False)


class TelemetryForwarder:
    """The exports of one process that wait for the collector. `run` it in the event loop."""

    def __init__(self, settings: TelemetrySettings) -> None:
        self.fates: Counter[tuple[Signal, Fate]] = Counter()
        self._url = settings.otlp_forward_url.rstrip("/")
        self._headers = dict(settings.otlp_forward_headers)
        self.signals = frozenset(map(Signal, settings.otlp_forward_signals)) if self._url else set()
        self._waiting: deque[Export] = deque()
        self._bytes = self._on_the_way = 0
        self._arrived = asyncio.Event()
        self._is_failing = False

    @property
    def waiting(self) -> int:
        """Exports whose fate is open: in the queue, or on their way."""
        return len(self._waiting) + self._on_the_way

    def take(self, export: Export) -> None:
        """Put it into the queue, or count why not. Never waits."""
        if export.signal not in self.signals:
            self._count(export, Fate.DISCARDED)
        elif len(self._waiting) >= MOST_WAITING or self._bytes + len(export.body) > MOST_BYTES:
            self._count(export, Fate.DROPPED)
        else:
            self._waiting.append(export)
            self._bytes += len(export.body)
            self._arrived.set()

    async def run(self) -> None:
        """Forward until cancelled. Ends at once where there is no collector."""
        if not self._url:
            return
        headers = {"user-agent": "claude-bridge", **self._headers}
        client = transport.client(SEND_SECONDS, headers)
        async with client, asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(self._work(client))

    async def _work(self, client: httpx.AsyncClient) -> None:
        while True:
            while not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
            export = self._waiting.popleft()
            self._on_the_way += 1
            try:
                was_taken = await self._deliver(client, export)
            finally:
                self._bytes -= len(export.body)
                self._on_the_way -= 1
            self._count(export, Fate.FORWARDED if was_taken else Fate.DROPPED)

    async def _deliver(self, client: httpx.AsyncClient, export: Export) -> bool:
        """Whether the collector took it, after as many tries as make sense."""
        for pause in (*PAUSES, None):
            fault, is_final = await self._send(client, export)
            self._note(fault)
            if not fault:
                return True
            if is_final or pause is None:
                return False
            await _sleep(pause)
        return False

    async def _send(self, client: httpx.AsyncClient, export: Export) -> tuple[str, bool]:
        """(what went wrong or "", whether another try is of no use)."""
        address = f"{self._url}/v1/{export.signal}"
        lines = {"content-type": export.content_type}
        try:
            # closed without a look at the body
            async with client.stream("POST", address, headers=lines, content=export.body) as reply:
                status = reply.status_code
        except (OutboundError, httpx.InvalidURL, OSError) as error:
            return type(error).__name__, False
        if status < 300:
            return "", False
        return f"it answered {status}", status not in AGAIN

    def _note(self, fault: str) -> None:
        """Say it once when the collector begins to fail, and when it takes exports again."""
        if fault and not self._is_failing:
            logger.warning("the telemetry collector takes no exports: %s", fault)
        elif not fault and self._is_failing:
            logger.info("the telemetry collector takes exports again")
        self._is_failing = bool(fault)

    def _count(self, export: Export, fate: Fate) -> None:
        self.fates[export.signal, fate] += 1
