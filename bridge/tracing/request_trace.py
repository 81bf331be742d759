"""The ids of one request's spans, and the moments of it that its record does not hold.

Whoever is at such a moment writes it here, an attribute each; spans are made of them when the
request is over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, Self
from urllib.parse import urlsplit

from bridge.ledger.record import Record
from bridge.routing.types import BackendConfig
from bridge.tracing.context import RemoteParent, SpanIds, new_id

SPAN_DIGITS = 16
TRACE_DIGITS = 32
_PORTS = {"http": 80, "https": 443}


class FinishedTraces(Protocol):
    """Takes requests that are over. Must neither raise nor wait."""

    def take(self, record: Record, trace: RequestTrace) -> None: ...


@dataclass(frozen=True, slots=True)
class AttemptSpan:
    """The span of one attempt, whom it calls, and the moment of its begin."""

    ids: SpanIds
    backend: BackendConfig
    began_at: float

    @property
    def server(self) -> tuple[str, int]:
        """Host and port; "" and 0 where the address has none."""
        try:
            parts = urlsplit(self.backend.url)
            return parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
        except ValueError:
            return "", 0


@dataclass(slots=True)
class RequestTrace:
    """One request. Moments are those of `clock`, the steady one.

    ids        of the span of the request itself
    parent     the span of the client that this one continues
    above      the span of the gateway's own request that this one serves: it is a judge's
    attempts   spans of the attempts, in their order
    routed_at  a first target was found and the request translated for it
    limits_asked_at, limits_at   around the question whether the limits have room
    answered_at   the answer was complete, or broke off
    head_status   what the client was answered with, where that came before the end
    judge_asked_at, judged_at    around the wait for verdicts;  judge_span  the id of that span
    """

    ids: SpanIds
    clock: Callable[[], float]
    finished: FinishedTraces
    parent: RemoteParent | None = None
    above: SpanIds | None = None
    attempts: list[AttemptSpan] = field(default_factory=list)
    routed_at: float | None = None
    limits_asked_at: float | None = None
    limits_at: float | None = None
    answered_at: float | None = None
    judge_asked_at: float | None = None
    judged_at: float | None = None
    judge_span: SpanIds | None = None
    head_status: int = 0

    @property
    def trace_id(self) -> str:
        """Of a trace that is recorded; "" where nobody could look it up."""
        return self.ids.trace if self.ids.is_sampled else ""

    @property
    def traceparent(self) -> str:
        """The header for the backend that is called now."""
        return self.attempts[-1].ids.traceparent if self.attempts else self.ids.traceparent

    def routed(self) -> None:
        self.routed_at = self.clock()

    def asks_limits(self) -> None:
        self.limits_asked_at = self.clock()

    def has_limits(self) -> None:
        self.limits_at = self.clock()

    def begin_attempt(self, backend: BackendConfig) -> None:
        """This backend is called next."""
        self.attempts.append(AttemptSpan(self.below(), backend, self.clock()))

    def answered(self) -> None:
        self.answered_at = self.clock()

    def for_judge(self) -> Self:
        """The trace of a request to a judge, on behalf of this one."""
        if self.judge_span is None:
            self.judge_span, self.judge_asked_at = self.below(), self.clock()
        ids = self.below()
        return type(self)(ids, self.clock, self.finished, above=self.judge_span)

    def judged(self) -> None:
        self.judged_at = self.clock()

    def finish(self, record: Record) -> None:
        """The request is over, and this is what it came to."""
        if self.ids.is_sampled:
            self.finished.take(record, self)

    def below(self) -> SpanIds:
        """Ids for another span of this trace."""
        return SpanIds(self.ids.trace_id, new_id(SPAN_DIGITS), self.ids.is_sampled)
