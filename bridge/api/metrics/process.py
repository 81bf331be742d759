"""How the process that answers is doing: read from memory alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily

from bridge.backends.breaker import State
from bridge.keys.limits import AccountKind, LimitKind
from bridge.routing import resolve
from bridge.runtime.gateway import Gateway
from bridge.telemetry.forwarding import Fate, Signal, TelemetryForwarder
from bridge.tracing.fates import SpanFate
from bridge.tracing.tracer import Tracer


def of_process(gateway: Gateway, tasks: int) -> Iterator[Metric]:
    """The state of this process; `tasks` are those of its event loop."""
    yield InfoMetricFamily(
        "claude_bridge_build", "What is running", value={"version": gateway.settings.version}
    )
    yield from _of_backends(gateway)
    yield _streams(gateway)
    yield _refusals(gateway)
    yield _exports(gateway.telemetry)
    yield _spans(gateway.tracer)
    for name, value in _gauges(gateway, tasks).items():
        yield GaugeMetricFamily(f"claude_bridge_{name}", _GAUGES[name], value=value)
    ledger = gateway.ledger.state
    for name, value in (
        ("ledger_set_aside_records", ledger.set_aside),
        ("spool_lost_records", ledger.lost),
    ):
        yield CounterMetricFamily(f"claude_bridge_{name}", _COUNTERS[name], value=value)


def _gauges(gateway: Gateway, tasks: int) -> dict[str, float]:
    snapshot, ledger, limits = gateway.snapshot, gateway.ledger.state, gateway.limiter.state
    return {
        "requests_running": len(gateway.exchanges),
        "processes": gateway.processes.others + 1,
        "limits_shared": limits.is_shared,
        "limits_problem": bool(limits.problem),
        "event_loop_tasks": tasks,
        "models_known": len(resolve.known_names(snapshot.routes)),
        "configuration_version": snapshot.version,
        "configuration_faults": len(snapshot.faults),
        "ledger_lag_seconds": ledger.lag_seconds,
        "spool_records": ledger.waiting,
        "spool_bytes": ledger.spool_bytes,
        "telemetry_waiting": gateway.telemetry.waiting,
        "spans_waiting": gateway.tracer.export.waiting if gateway.tracer is not None else 0,
    }


_GAUGES = {
    "requests_running": "Requests under way in this process",
    "event_loop_tasks": "Tasks of this process's event loop",
    "processes": "Processes that serve with this database",
    "limits_shared": "Whether requests are counted for all processes together, in Redis",
    "limits_problem": "1 while several processes each count for themselves what is limited, "
    "since Redis is missing or cannot be used",
    "models_known": "Names that a client may ask for",
    "configuration_version": "Number of the configuration that this process goes by",
    "configuration_faults": "Rows of the configuration that make no sense as they stand",
    "ledger_lag_seconds": "How far the ledger's rows are behind what this process has served",
    "spool_records": "Records of this process that wait to become rows",
    "spool_bytes": "Size of the spool's folder, also of other processes",
    "spans_waiting": "Spans of traces whose way to the collector is not over",
    "telemetry_waiting": "Exports of clients' telemetry whose way to the collector is not over",
}
_COUNTERS = {
    "ledger_set_aside_records": "Records that no row could be made of, since the process started",
    "spool_lost_records": "Records that neither disk nor memory took, since the process started",
}


def _of_backends(gateway: Gateway) -> Iterator[Metric]:
    breaker = GaugeMetricFamily(
        "claude_bridge_backend_breaker_state",
        "1 for the state that the backend's circuit breaker is in, 0 for the others",
        labels=("backend", "state"),
    )
    reachable = GaugeMetricFamily(
        "claude_bridge_backend_reachable",
        "Whether the last request for the model list was answered; absent before the first one",
        labels=("backend",),
    )
    for backend in gateway.snapshot.routes.backends:
        current = gateway.health.state(backend)
        for state in State:
            breaker.add_metric((backend.name, state.value), state is current)
        condition = gateway.health.of(backend)
        if condition.reachable is not None:
            reachable.add_metric((backend.name,), condition.reachable)
    yield from (breaker, reachable)


def _streams(gateway: Gateway) -> Metric:
    """Also of backends that stream nothing just now: an autoscaler needs the nought."""
    family = GaugeMetricFamily(
        "claude_bridge_streams_running",
        "Requests for a stream under way in this process; backend is empty until one is chosen",
        labels=("backend",),
    )
    running = [exchange.seen() for exchange in gateway.exchanges]
    counts = Counter(each.backend for each in running if each.streamed)
    names = [backend.name for backend in gateway.snapshot.routes.backends]
    for name in dict.fromkeys([*names, *counts]):
        family.add_metric((name,), counts[name])
    return family


def _refusals(gateway: Gateway) -> Metric:
    """All kinds of limits of each kind of account, also those that refused nothing."""
    family = CounterMetricFamily(
        "claude_bridge_limit_refusals",
        "Requests that a limit refused, by whose and which, since the process started",
        labels=("account", "limit"),
    )
    for account in AccountKind:
        for limit in LimitKind:
            count = gateway.limiter.refusals[account, limit]
            family.add_metric((account.value, limit.value), count)
    return family


def _exports(telemetry: TelemetryForwarder) -> Metric:
    """All outcomes of each signal, also those that never happened: a rate needs a nought first."""
    family = CounterMetricFamily(
        "claude_bridge_telemetry_exports",
        "Exports of clients' telemetry by what became of them, since the process started",
        labels=("signal", "outcome"),
    )
    for signal in Signal:
        for fate in Fate:
            family.add_metric((signal.value, fate.value), telemetry.fates[signal, fate])
    return family


def _spans(tracer: Tracer | None) -> Metric:
    """All fates of spans, also where traces are off."""
    family = CounterMetricFamily(
        "claude_bridge_spans",
        "Spans of traces by what became of them, since the process started",
        labels=("outcome",),
    )
    for fate in SpanFate:
        family.add_metric((fate.value,), tracer.export.fates[fate] if tracer is not None else 0)
    return family
