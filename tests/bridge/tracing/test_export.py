"""Spans on their way: which are wanted, what is dropped, and how it ends."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bridge.process_settings import TracingSettings
from bridge.tracing import export
from bridge.tracing.export import CollectorExport
from bridge.tracing.fates import SpanFate
from bridge.tracing.request_trace import RequestTrace
from bridge.tracing.tracer import Tracer, tracer_of
from tests.bridge.tracing.test_request_spans import a_record
from tests.fakes.collector import collecting
from tests.fakes.spans import received

ROOT = Path(__file__).resolve().parents[3]
SAMPLED = {"traceparent": f"00-{1:032x}-{1:016x}-01"}
UNSAMPLED = {"traceparent": f"00-{1:032x}-{1:016x}-00"}
WAIT_SECONDS = 60.0


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits is sent after 20 milliseconds, and not after the SDK's five seconds."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")


def settings(url: str = "http://127.0.0.1:9", **changes: Any) -> TracingSettings:
    known: dict[str, Any] = {
        "otel_exporter_otlp_endpoint": url,
        "otel_exporter_otlp_headers": [],
        "otel_service_name": "claude-bridge",
        "otel_traces_sampler": "parentbased_always_on",
        "otel_traces_sampler_arg": 1.0,
    }
    return TracingSettings(**known | changes)


@contextmanager
def exporting(url: str = "http://127.0.0.1:9", **changes: Any) -> Iterator[Tracer]:
    """A tracer whose thread ends with the test."""
    tracer = Tracer(CollectorExport(settings(url, **changes), "0"), time.monotonic)
    try:
        yield tracer
    finally:
        tracer.export._processor.shutdown()  # type: ignore[attr-defined]


def wait_over(tracer: Tracer) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while tracer.export.waiting:
        assert time.monotonic() < deadline
        time.sleep(0.01)


# --- which are wanted ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sampler", "share", "alone", "sampled", "unsampled"),
    [
        ("always_on", 0.0, True, True, True),
        ("always_off", 1.0, False, False, False),
        ("traceidratio", 1.0, True, True, True),
        ("traceidratio", 0.0, False, False, False),
        ("parentbased_always_on", 0.0, True, True, False),
        ("parentbased_always_off", 1.0, False, True, False),
        ("parentbased_traceidratio", 0.0, False, True, False),
        ("parentbased_traceidratio", 1.0, True, True, False),
    ],
)
def test_samplers_are_those_of_the_standard(
    sampler: str, share: float, alone: bool, sampled: bool, unsampled: bool
) -> None:
    with exporting(otel_traces_sampler=sampler, otel_traces_sampler_arg=share) as tracer:
        found = [tracer.begin(each).ids.is_sampled for each in ({}, SAMPLED, UNSAMPLED)]
    assert found == [alone, sampled, unsampled]


def test_share_of_requests_is_about_what_was_asked_for() -> None:
    with exporting(otel_traces_sampler="traceidratio", otel_traces_sampler_arg=0.25) as tracer:
        count = sum(tracer.begin({}).ids.is_sampled for _ in range(4000))
    assert 800 < count < 1200


def test_no_tracer_without_a_collector() -> None:
    assert tracer_of(settings(""), "0", time.monotonic) is None


def test_opentelemetry_is_imported_by_one_module() -> None:
    """Which is loaded only where traces are on."""
    importing = re.compile(r"^\s*(?:from|import) opentelemetry\b", re.M)
    files = [
        path
        for name in ("bridge", "dashboard", "proxysite")
        for path in (ROOT / name).rglob("*.py")
    ]
    found = {str(path.relative_to(ROOT)) for path in files if importing.search(path.read_text())}
    assert found == {"bridge/tracing/export.py"}


# --- what becomes of them ------------------------------------------------------------------------


def finish(tracer: Tracer, **fields: Any) -> RequestTrace:
    trace = tracer.begin({})
    trace.finish(a_record(attempts=0, **fields))
    return trace


def test_halves_of_characters_spoil_no_export() -> None:
    """Ours: one strange name must not cost what was to be sent with it."""
    with collecting() as collector, exporting(collector.url) as tracer:
        finish(tracer, asked_model="a\ud800b")
        wait_over(tracer)
        assert {span.name for span in received(collector)} == {"chat a?b", "authenticate"}
        assert tracer.export.fates == {SpanFate.EXPORTED: 2}


def test_parent_of_another_process_is_marked_as_one() -> None:
    """And only it: collectors tell the edges of services by that."""
    with exporting() as tracer:
        kept: list[Any] = []
        tracer.export._processor.on_end = kept.append  # type: ignore[attr-defined]
        trace = tracer.begin(SAMPLED | {"tracestate": "a=1"})
        trace.finish(a_record(attempts=0))
    request, step = kept
    assert (request.parent.is_remote, step.parent.is_remote) == (True, False)
    assert request.parent.span_id == 1 and step.parent.span_id == trace.ids.span_id
    assert {span.context.trace_state.to_header() for span in kept} == {"a=1"}
    tracer.export._handed = tracer.export._over  # type: ignore[attr-defined]


def test_queue_has_bounds(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """docs, Traces: what finds no room is dropped whole, counted, and told of once."""
    monkeypatch.setattr(export, "MOST_WAITING", 10)
    monkeypatch.setattr(export, "AT_ONCE", 10)
    with collecting() as collector:
        collector.is_open.clear()
        with exporting(collector.url) as tracer, caplog.at_level(logging.WARNING):
            for _ in range(8):
                finish(tracer)
            assert tracer.export.waiting == 10
            assert tracer.export.fates[SpanFate.DROPPED] == 6
            assert caplog.text.count("spans are dropped") == 1
            collector.is_open.set()
            wait_over(tracer)
            finish(tracer)
            wait_over(tracer)
        assert tracer.export.fates[SpanFate.EXPORTED] == 12


@pytest.mark.parametrize("statuses", [[400], [302]])
def test_what_a_collector_does_not_take_is_counted(
    caplog: pytest.LogCaptureFixture, statuses: list[int]
) -> None:
    with collecting() as collector, exporting(collector.url) as tracer:
        collector.statuses.extend(statuses)
        with caplog.at_level(logging.INFO, logger="bridge.tracing"):
            finish(tracer)
            wait_over(tracer)
            finish(tracer)
            wait_over(tracer)
        assert tracer.export.fates == {SpanFate.FAILED: 2, SpanFate.EXPORTED: 2}
        assert [record.getMessage() for record in caplog.records if "bridge" in record.name] == [
            f"the trace collector takes no spans: it answered {statuses[0]}",
            "the trace collector takes spans again",
        ]


async def test_collector_that_hangs_does_not_hold_the_end_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(export, "CLOSE_SECONDS", 0.05)
    with collecting() as collector:
        collector.is_open.clear()
        tracer = Tracer(CollectorExport(settings(collector.url), "0"), time.monotonic)
        finish(tracer)
        await tracer.export.aclose()
        assert "2 spans did not reach the trace collector" in caplog.text
        collector.is_open.set()
        wait_over(tracer)


async def test_last_spans_are_sent_at_the_end() -> None:
    with collecting() as collector:
        tracer = Tracer(CollectorExport(settings(collector.url), "0"), time.monotonic)
        finish(tracer)
        await tracer.export.aclose()
        assert len(received(collector)) == 2


def test_environment_does_not_lead_spans_elsewhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """docs/security.md: no proxy and no netrc."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with collecting() as collector, collecting() as elsewhere:
        monkeypatch.setenv("HTTP_PROXY", elsewhere.url)
        headers = [("authorization", "Bearer s3cret")]
        with exporting(collector.url, otel_exporter_otlp_headers=headers) as tracer:
            finish(tracer)
            wait_over(tracer)
        assert [each.headers["authorization"] for each in collector.received] == ["Bearer s3cret"]
        assert not elsewhere.received
