"""Each call of a backend: what it came to, and how long its headers took. Sums of the ledger."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily

from bridge.api.metrics.served import Histogram, histogram
from bridge.attempts import KINDS
from bridge.ledger.totals import Totals
from bridge.models import AttemptHour

_HEADERS = Histogram(
    "claude_bridge_attempt_headers_seconds",
    "From the call of a backend to the headers of its reply, of calls that it answered",
    AttemptHour.HEADERS,
    "headers_ms",
)


def of_attempts(totals: Totals | None) -> Iterator[Metric]:
    """By backend; nothing without totals."""
    if totals is None:
        return
    yield _by_kind(totals)
    yield _fallbacks(totals)
    yield histogram(_HEADERS, totals, ("backend",))


def _by_kind(totals: Totals) -> Metric:
    """All kinds of each backend, also those that never happened: a rate needs a nought first."""
    family = CounterMetricFamily(
        "claude_bridge_attempts",
        "Calls of backends by what they came to; a request that falls back makes several",
        labels=("backend", "kind"),
    )
    for (backend,), total in totals.items():
        for kind in KINDS:
            family.add_metric((backend, kind), total[kind])
    return family


def _fallbacks(totals: Totals) -> Metric:
    family = CounterMetricFamily(
        "claude_bridge_attempt_fallbacks",
        "Calls of backends after which another target was asked",
        labels=("backend",),
    )
    for group, total in totals.items():
        family.add_metric(group, total["fell_back"])
    return family
