"""Metrics as text."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector


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
