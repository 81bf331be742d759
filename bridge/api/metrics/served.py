"""What was ever asked and answered, by backend, model and alias: sums of the ledger."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from prometheus_client import Metric
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.utils import floatToGoString

from bridge.keys.limits import NANO
from bridge.ledger.totals import Total, Totals, added_up
from bridge.models import UsageHour
from bridge.models.latency import BOUNDS

DOLLARS = 1 / NANO
MILLI = 1e-3
_EDGES = [*map(floatToGoString, BOUNDS), "+Inf"]

PerModel = Mapping[tuple[str, ...], Total]
"""Backend and model -> its total."""


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
    yield from (histogram(spec, models) for spec in _HISTOGRAMS)


def _requests(totals: Totals) -> Metric:
    """All outcomes of each group, also those that never happened: a rate needs a nought first."""
    family = CounterMetricFamily(
        "claude_bridge_requests",
        "Requests to /v1/messages that have ended",
        labels=("outcome", "backend", "model", "alias"),
    )
    for group, total in totals.items():
        for outcome, count in outcomes(total):
            family.add_metric((outcome, *group), count)
    return family


def outcomes(total: Total) -> Iterator[tuple[str, int]]:
    """How many requests ended in which way."""
    others = total["refused"] + total["abandoned"] + total["errors"]
    yield "answered", total["requests"] - others
    yield "refused", total["refused"]
    yield "abandoned", total["abandoned"]
    yield "error", total["errors"]


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


class Histogram(NamedTuple):
    """A histogram for each group: the buckets, and the sum in milliseconds."""

    name: str
    help: str
    buckets: tuple[str, ...]
    sum: str


_HISTOGRAMS = (
    Histogram(
        "claude_bridge_first_token_seconds",
        "From the arrival of a request to the first piece of its answer, of answered requests",
        UsageHour.FIRST_TOKEN,
        "first_token_ms",
    ),
    Histogram(
        "claude_bridge_request_duration_seconds",
        "From the arrival of a request to the end of its answer, of answered requests",
        UsageHour.DURATION,
        "duration_ms",
    ),
)


def histogram(
    spec: Histogram, totals: Totals, labels: tuple[str, ...] = ("backend", "model")
) -> Metric:
    """Of each group that answered anything; `labels` are the names of a group's parts."""
    family = HistogramMetricFamily(spec.name, spec.help, labels=labels)
    for names, total in totals.items():
        below, buckets = 0, []
        for edge, count in zip(_EDGES, total.histogram(spec.buckets), strict=True):
            below += count
            buckets.append((edge, float(below)))
        if below:
            family.add_metric(names, buckets, total[spec.sum] * MILLI)
    return family
