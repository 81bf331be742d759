"""`GET /metrics`: what Prometheus reads.

Totals are the ledger's, which all processes share: whichever of them is asked, counters never jump
back. Gauges are those of the process that answers. Labels hold names of backends, models and
aliases, and nothing of keys, neither their text nor their names.

docs/reference/metrics.md has every metric in a table.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from prometheus_client import Metric
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from bridge.backends.breaker import State
from bridge.keys.authentication import KeyPolicy, is_loopback, presented
from bridge.keys.limits import NANO
from bridge.ledger.totals import Total, Totals, added_up
from bridge.models import UsageHour
from bridge.models.latency import BOUNDS
from bridge.process_settings import AccessSettings
from bridge.routing import resolve
from bridge.runtime.gateway import Gateway
from bridge.telemetry.forwarding import Fate, Signal, TelemetryForwarder
from bridge.translation.errors.api_error import ApiError

OFF = "Metrics are off in this gateway (setting METRICS_ACCESS)"
ONLY_LOCAL = "Metrics are served to loopback addresses only (setting METRICS_ACCESS)"
UNAUTHORIZED = "Metrics need the token of this gateway: send Authorization: Bearer (METRICS_TOKEN)"
DOLLARS = 1 / NANO
MILLI = 1e-3
_EDGES = [*map(floatToGoString, BOUNDS), "+Inf"]

PerModel = Mapping[tuple[str, str], Total]
"""Backend and model -> its total."""


# --- who may read them ------------------------------------------------------------------------


def check_access(
    settings: AccessSettings, policy: KeyPolicy, headers: Mapping[str, str], address: str
) -> None:
    """Raise an ApiError unless METRICS_ACCESS lets this request in. `address` is the server's."""
    access = settings.metrics_access
    if access == "off":
        raise ApiError(404, OFF)
    if access == "local" and not (policy.bound_to_loopback and is_loopback(address)):
        raise ApiError(403, ONLY_LOCAL)
    if access == "key" and not any(
        _is_token(given, settings.metrics_token) for given in presented(headers)
    ):
        raise ApiError(401, UNAUTHORIZED, headers={"www-authenticate": "Bearer"})


def _is_token(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode(), token.encode())


# --- totals of the ledger ---------------------------------------------------------------------


def of_ledger(totals: Totals | None) -> Iterator[Metric]:
    """What was ever asked and answered; without totals only that they are missing."""
    yield GaugeMetricFamily(
        "claude_bridge_ledger_up",
        "Whether the totals could be read from the database just now",
        value=totals is not None,
    )
    if totals is None:
        return
    yield _requests(totals)
    models = added_up(((group[0], group[1]), total) for group, total in totals.items())
    yield _tokens(models)
    yield from (_counter(spec, models) for spec in _COUNTERS)
    yield from (_histogram(spec, models) for spec in _HISTOGRAMS)


def _requests(totals: Totals) -> Metric:
    """All outcomes of each group, also those that never happened: a rate needs a nought first."""
    family = CounterMetricFamily(
        "claude_bridge_requests",
        "Requests to /v1/messages that have ended",
        labels=("outcome", "backend", "model", "alias"),
    )
    for group, total in totals.items():
        others = total["refused"] + total["abandoned"] + total["errors"]
        family.add_metric(("answered", *group), total["requests"] - others)
        family.add_metric(("refused", *group), total["refused"])
        family.add_metric(("abandoned", *group), total["abandoned"])
        family.add_metric(("error", *group), total["errors"])
    return family


TOKENS = ("input", "output", "cache_read", "cache_write")


def _tokens(models: PerModel) -> Metric:
    family = CounterMetricFamily(
        "claude_bridge_tokens",
        "Tokens of prompts and answers; the whole prompt is input, cache_read and cache_write",
        labels=("kind", "backend", "model"),
    )
    for names, total in models.items():
        counts = {kind: total[f"{kind}_tokens"] for kind in TOKENS}
        if any(counts.values()):
            for kind, count in counts.items():
                family.add_metric((kind, *names), count)
    return family


class _Counter(NamedTuple):
    """A counter for each model: a column of the ledger's sums, in another unit."""

    name: str
    help: str
    column: str
    unit: float = 1


_COUNTERS = (
    _Counter(
        "claude_bridge_thinking_tokens",
        "Those of the output tokens that were thinking, where the backend tells",
        "thinking_tokens",
    ),
    _Counter(
        "claude_bridge_cost_usd",
        "Cost at the prices of the moment, in US dollars",
        "cost_nano_usd",
        DOLLARS,
    ),
    _Counter(
        "claude_bridge_unpriced_requests",
        "Requests that used tokens of a model without a known price; the cost lacks them",
        "unpriced",
    ),
)


def _counter(spec: _Counter, models: PerModel) -> Metric:
    family = CounterMetricFamily(spec.name, spec.help, labels=("backend", "model"))
    for names, total in models.items():
        if names[0]:
            family.add_metric(names, total[spec.column] * spec.unit)
    return family


class _Histogram(NamedTuple):
    """A histogram for each model: the buckets, and the sum in milliseconds."""

    name: str
    help: str
    buckets: tuple[str, ...]
    sum: str


_HISTOGRAMS = (
    _Histogram(
        "claude_bridge_first_token_seconds",
        "From the arrival of a request to the first piece of its answer, of answered requests",
        UsageHour.FIRST_TOKEN,
        "first_token_ms",
    ),
    _Histogram(
        "claude_bridge_request_duration_seconds",
        "From the arrival of a request to the end of its answer, of answered requests",
        UsageHour.DURATION,
        "duration_ms",
    ),
)


def _histogram(spec: _Histogram, models: PerModel) -> Metric:
    family = HistogramMetricFamily(spec.name, spec.help, labels=("backend", "model"))
    for names, total in models.items():
        below, buckets = 0, []
        for edge, count in zip(_EDGES, total.histogram(spec.buckets), strict=True):
            below += count
            buckets.append((edge, float(below)))
        if below:
            family.add_metric(names, buckets, total[spec.sum] * MILLI)
    return family


# --- gauges of this process -------------------------------------------------------------------


def of_process(gateway: Gateway, tasks: int) -> Iterator[Metric]:
    """How this process is doing; `tasks` are those of its event loop. Reads memory only."""
    yield InfoMetricFamily(
        "claude_bridge_build", "What is running", value={"version": gateway.settings.version}
    )
    yield from _of_backends(gateway)
    yield _exports(gateway.telemetry)
    snapshot, ledger = gateway.snapshot, gateway.ledger.state
    limits = gateway.limiter.state
    values = {
        "requests_running": len(gateway.exchanges),
        "processes": gateway.processes.others + 1,
        "limits_shared": limits.is_shared,
        "limits_problem": bool(limits.problem),
        "event_loop_tasks": tasks,
        "models_known": len(resolve.known_names(snapshot.routes)),
        "configuration_version": snapshot.version,
        "configuration_faults": len(snapshot.faults),
        "ledger_lag_seconds": ledger.lag_seconds,
        "ledger_set_aside_records": ledger.set_aside,
        "spool_records": ledger.waiting,
        "spool_bytes": ledger.spool_bytes,
        "spool_lost_records": ledger.lost,
        "telemetry_waiting": gateway.telemetry.waiting,
    }
    for name, value in values.items():
        yield GaugeMetricFamily(f"claude_bridge_{name}", _GAUGES[name], value=value)


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
    "ledger_set_aside_records": "Records that no row could be made of, since the process started",
    "spool_records": "Records of this process that wait to become rows",
    "spool_bytes": "Size of the spool's folder, also of other processes",
    "spool_lost_records": "Records that neither disk nor memory took, since the process started",
    "telemetry_waiting": "Exports of clients' telemetry whose way to the collector is not over",
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


def _exports(telemetry: TelemetryForwarder) -> Metric:
    """All outcomes of each signal, also those that never happened: a rate needs a nought first."""
    family = GaugeMetricFamily(
        "claude_bridge_telemetry_exports",
        "Exports of clients' telemetry by what became of them, since the process started",
        labels=("signal", "outcome"),
    )
    for signal in Signal:
        for fate in Fate:
            family.add_metric((signal.value, fate.value), telemetry.fates[signal, fate])
    return family


# --- text -------------------------------------------------------------------------------------


class _Collected(Collector):
    """Metrics that are there already."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def text(metrics: Iterable[Metric], accept: str) -> tuple[bytes, str]:
    """The body and its content type, in the newest form that `accept` names."""
    encode, content_type = choose_encoder(accept)
    return encode(_Collected(metrics)), content_type
