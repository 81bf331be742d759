"""Spans on their way to the operator's collector, by OpenTelemetry's own SDK and its thread.

The one module that imports OpenTelemetry. A request hands its spans over when it has ended; they
wait in a queue with bounds, and what finds no room is dropped and counted. A collector that hangs,
or is not there, keeps no request waiting, and the end of the process for CLOSE_SECONDS only.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import requests
from opentelemetry import trace as otel
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, sampling
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState
from opentelemetry.trace.status import Status, StatusCode

from bridge.ledger.record import Record
from bridge.process_settings import TracingSettings
from bridge.tracing import request_spans
from bridge.tracing.context import RemoteParent, SpanIds
from bridge.tracing.fates import SpanFate
from bridge.tracing.request_spans import FinishedSpan
from bridge.tracing.request_trace import RequestTrace

logger = logging.getLogger(__name__)

MOST_WAITING = 4096
"""Spans that wait or are on their way: a few megabytes."""
AT_ONCE = 512
CLOSE_SECONDS = 3.0
"""What the last spans get when the process ends."""
NANO = 10**9

_SAMPLERS: Mapping[str, Callable[[float], sampling.Sampler]] = {
    "always_on": lambda _: sampling.ALWAYS_ON,
    "always_off": lambda _: sampling.ALWAYS_OFF,
    "traceidratio": sampling.TraceIdRatioBased,
    "parentbased_always_on": lambda _: sampling.ParentBased(sampling.ALWAYS_ON),
    "parentbased_always_off": lambda _: sampling.ParentBased(sampling.ALWAYS_OFF),
    "parentbased_traceidratio": sampling.ParentBasedTraceIdRatio,
}
_KINDS = {kind: otel.SpanKind[kind.name] for kind in request_spans.SpanKind}
_FAILED, _UNSET = Status(StatusCode.ERROR), Status(StatusCode.UNSET)


class _Session(requests.Session):
    """Connections to the collector, which are told nothing by the environment: no proxy, no netrc.

    `fault`: what was wrong with the last request, "" for nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        self.fault = ""

    def request(self, *given: Any, **named: Any) -> requests.Response:
        try:
            response = super().request(*given, **named)
        except requests.RequestException as error:
            self.fault = type(error).__name__
            raise
        self.fault = f"it answered {response.status_code}" if response.status_code >= 300 else ""
        return response


class _CountedExporter(SpanExporter):
    """Exports, and says of how many spans it was the end; in the thread of the SDK."""

    def __init__(
        self, settings: TracingSettings, is_over: Callable[[int, bool, str], None]
    ) -> None:
        self._session = _Session()
        self._is_over = is_over
        self._exporter = OTLPSpanExporter(
            endpoint=f"{settings.otel_exporter_otlp_endpoint.rstrip('/')}/v1/traces",
            headers=dict(settings.otel_exporter_otlp_headers),
            session=self._session,
        )

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = SpanExportResult.FAILURE
        try:
            result = self._exporter.export(spans)
        finally:
            fault = self._session.fault
            was_taken = result is SpanExportResult.SUCCESS and not fault
            self._is_over(len(spans), was_taken, fault)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()  # type: ignore[no-untyped-call]


class CollectorExport:
    """The spans of one process that wait for the collector."""

    def __init__(self, settings: TracingSettings, version: str) -> None:
        self.fates: Counter[SpanFate] = Counter()
        self._handed = self._over = 0
        self._is_failing = self._is_full = False
        self._sampler = _SAMPLERS[settings.otel_traces_sampler](settings.otel_traces_sampler_arg)
        self._scope = InstrumentationScope("claude_bridge", version)
        self._resource = Resource.create(
            {
                "service.name": settings.otel_service_name,
                "service.version": version,
                "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
            }
        )
        self._processor = BatchSpanProcessor(
            _CountedExporter(settings, self._end),
            max_queue_size=MOST_WAITING,
            max_export_batch_size=AT_ONCE,
        )

    @property
    def waiting(self) -> int:
        """Spans whose fate is open: in the queue, or on their way."""
        return self._handed - self._over

    def is_wanted(self, trace_id: int, parent: RemoteParent | None) -> bool:
        """Whether this trace is recorded, as OTEL_TRACES_SAMPLER decides."""
        above = Context()
        if parent is not None:
            above = otel.set_span_in_context(NonRecordingSpan(_context(parent.ids, remote=True)))
        chosen = self._sampler.should_sample(above, trace_id, request_spans.CHAT)
        return chosen.decision is sampling.Decision.RECORD_AND_SAMPLE

    def take(self, record: Record, trace: RequestTrace) -> None:
        """Put the spans of this request into the queue, or count why not. Never waits."""
        state = TraceState.from_header([trace.parent.state]) if trace.parent else TraceState()
        spans = [
            self._span(span, record.started_at, trace, state)
            for span in request_spans.spans_of(record, trace)
        ]
        if self.waiting + len(spans) > MOST_WAITING:
            self.fates[SpanFate.DROPPED] += len(spans)
            self._warn_of_drops()
            return
        self._handed += len(spans)
        for span in spans:
            self._processor.on_end(span)

    def _warn_of_drops(self) -> None:
        if not self._is_full:
            logger.warning("spans are dropped: %d wait for the trace collector", self.waiting)
        self._is_full = True

    def _span(
        self, span: FinishedSpan, started_at: float, trace: RequestTrace, state: TraceState
    ) -> ReadableSpan:
        remote = trace.parent is not None and span.above is trace.parent.ids
        return ReadableSpan(
            _sendable(span.name),
            _context(span.ids, state),
            _context(span.above, state, remote=remote) if span.above is not None else None,
            self._resource,
            {name: _sendable(value) for name, value in span.attributes.items()},
            kind=_KINDS[span.kind],
            status=_FAILED if span.has_failed else _UNSET,
            start_time=round((started_at + span.begin) * NANO),
            end_time=round((started_at + span.end) * NANO),
            instrumentation_scope=self._scope,
        )

    # --- in the SDK's thread ---

    def _end(self, count: int, was_taken: bool, fault: str) -> None:
        self._over += count
        self.fates[SpanFate.EXPORTED if was_taken else SpanFate.FAILED] += count
        if was_taken:
            if self._is_failing:
                logger.info("the trace collector takes spans again")
            self._is_failing = self._is_full = False
        elif not self._is_failing:
            self._is_failing = True
            logger.warning("the trace collector takes no spans: %s", fault or "not encodable")

    # --- at the end ---

    async def aclose(self) -> None:
        """Send what waits, as far as that can be done soon."""
        loop, ended = asyncio.get_running_loop(), asyncio.Event()

        def close() -> None:
            self._processor.shutdown()  # type: ignore[no-untyped-call]
            if not loop.is_closed():
                loop.call_soon_threadsafe(ended.set)

        # No thread of a pool: the process would wait for one of those.
        threading.Thread(target=close, name="end of traces", daemon=True).start()
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await ended.wait()
        except TimeoutError:
            logger.warning("%d spans did not reach the trace collector", self.waiting)


def _context(ids: SpanIds, state: TraceState | None = None, *, remote: bool = False) -> SpanContext:
    flags = TraceFlags(TraceFlags.SAMPLED if ids.is_sampled else TraceFlags.DEFAULT)
    return SpanContext(ids.trace_id, ids.span_id, remote, flags, state)


def _sendable(value: Any) -> Any:
    """The same, without halves of characters, which no export could be written with."""
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-8", "replace").decode("utf-8")
    return value
