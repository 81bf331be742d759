"""Which requests are traced: begun here, and handed to the exporter when they are over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Protocol

from bridge.ledger.record import Record
from bridge.process_settings import TracingSettings
from bridge.tracing.context import RemoteParent, SpanIds, new_id, parent_of
from bridge.tracing.fates import SpanFate
from bridge.tracing.request_trace import SPAN_DIGITS, TRACE_DIGITS, RequestTrace


class SpanExport(Protocol):
    """What takes spans to the collector."""

    fates: Counter[SpanFate]

    @property
    def waiting(self) -> int: ...

    def is_wanted(self, trace_id: int, parent: RemoteParent | None) -> bool: ...

    def take(self, record: Record, trace: RequestTrace) -> None: ...

    async def aclose(self) -> None: ...


class Tracer:
    """The traces of one process."""

    def __init__(self, export: SpanExport, clock: Callable[[], float]) -> None:
        self.export = export
        self._clock = clock

    def begin(self, headers: Mapping[str, str]) -> RequestTrace:
        """The trace of a request with these headers: its client's, or a new one."""
        parent = parent_of(headers)
        trace_id = parent.ids.trace_id if parent is not None else new_id(TRACE_DIGITS)
        is_sampled = self.export.is_wanted(trace_id, parent)
        ids = SpanIds(trace_id, new_id(SPAN_DIGITS), is_sampled)
        return RequestTrace(ids, self._clock, self.export, parent)


def tracer_of(settings: TracingSettings, version: str, clock: Callable[[], float]) -> Tracer | None:
    """The tracer of this process; None without OTEL_EXPORTER_OTLP_ENDPOINT."""
    if not settings.otel_exporter_otlp_endpoint:
        return None
    # Here, because the import takes a fifth of a second and most gateways have no collector.
    from bridge.tracing.export import CollectorExport

    return Tracer(CollectorExport(settings, version), clock)
