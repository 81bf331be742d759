"""What happens to one request on its way to an answer: noted as it goes, put on record at its end.

The attempts and the change from one target to the next write here and nowhere else, so that the
record of a request is filled in one place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import msgspec

from bridge.attempts import (
    ABANDONED,
    ANSWERED,
    BROKEN,
    MAX_TEXT,
    NOT_SENT,
    REFUSED,
    SERVER_ERROR,
    TIMED_OUT,
    UNREACHABLE,
    AttemptRecord,
    kind_of_status,
)
from bridge.backends.prefix_cache import SAME, ToolChanges
from bridge.clocks import Clock
from bridge.ledger.record import Record
from bridge.routing.types import Target
from bridge.tracing.request_trace import RequestTrace
from bridge.translation.errors.api_error import ApiError
from bridge.translation.request.translate import ChatRequest

LONGEST_STEP = 200
"""Characters of one step of the route."""


_FAILED_AS: tuple[tuple[str, Callable[[ApiError, int], bool]], ...] = (
    (UNREACHABLE, lambda error, _: error.unreachable),
    (REFUSED, lambda _, status: 300 <= status < 500),
    (SERVER_ERROR, lambda _, status: status >= 500),
    (TIMED_OUT, lambda error, _: error.status == 504),
    (NOT_SENT, lambda error, status: not status and not error.blames_backend),
    (BROKEN, lambda _error, _status: True),
)
"""What an attempt came to, by its error and by the status that the backend answered with, 0 for
none: the first row that fits."""


@dataclass(frozen=True, slots=True)
class EndedAttempt:
    """One attempt that is over, with the moments of the trace's clock."""

    target: Target
    kind: str
    status: int
    text: str
    began_at: float
    headers_at: float | None
    ended_at: float

    def on(self, record: Record) -> AttemptRecord:
        """The same, in milliseconds of this request."""
        headers = None if self.headers_at is None else self.headers_at - self.began_at
        return AttemptRecord(
            self.target.backend.name,
            self.target.model,
            self.kind,
            self.status,
            self.text,
            began_ms=_milliseconds(record.at(self.began_at)) or 0,
            headers_ms=_milliseconds(headers),
            took_ms=_milliseconds(self.ended_at - self.began_at) or 0,
        )


@dataclass(slots=True)
class Trace:
    """One request's way. Moments are those of `clock`, the steady one.

    tracing    what its spans are made of; None where traces are off
    accepted   done once a backend's headers say that an answer will come
    steps      how the target was found, and which ones were tried before it
    target     the one that was tried last
    chat       what was sent last, or is to be sent
    attempts   how many were begun, the latest at `began_at`
    failed     those that came to nothing; at most one, the latest, is not among them
    status     that the backend answered the latest one with; 0: none yet
    is_unanswered   whether a backend has the request and has not answered it yet
    remedies   what was changed or waited for before a second try
    refused    optional fields that the backend does not take
    clamped    limits that were lowered
    tool_changes   how the list of tools differs from that of the turn before
    """

    clock: Clock
    steps: tuple[str, ...] = ()
    tracing: RequestTrace | None = None
    accepted: asyncio.Future[None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    target: Target | None = None
    chat: ChatRequest | None = None
    is_unanswered: bool = False
    attempts: int = 0
    failed: list[EndedAttempt] = field(default_factory=list)
    status: int = 0
    began_at: float = 0.0
    remedies: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    clamped: list[str] = field(default_factory=list)
    prompt_bytes: int = 0
    repeated_bytes: int = 0
    tool_changes: ToolChanges = SAME
    translated_at: float | None = None
    connected_at: float | None = None
    headers_at: float | None = None

    def step(self, target: Target, text: str) -> None:
        """Why this target is not the one that answers."""
        line = f"{target.backend.name}: {text}"
        shown = line if len(line) < LONGEST_STEP else f"{line[:LONGEST_STEP]}…"
        self.steps = (*self.steps, shown)

    def take(self, target: Target) -> None:
        """This target is called next."""
        self.target = target
        self.translated_at = self.clock()

    def place(self, chat: ChatRequest, clamped: list[str]) -> None:
        """This is what is sent, with the limits that were lowered for it."""
        self.chat, self.clamped = chat, clamped

    def begin_attempt(self) -> None:
        """The request is sent, for the first time or once more."""
        self.attempts += 1
        self.began_at, self.status = self.clock(), 0
        if self.tracing is not None and self.target is not None:
            self.tracing.begin_attempt(self.target.backend)
        self.connected_at = self.headers_at = None
        self.is_unanswered = False

    def attempt_failed(self, error: ApiError) -> None:
        """The attempt under way came to nothing. No effect where none is under way."""
        if not self._is_attempting or self.target is None:
            return
        self.is_unanswered = False
        kind = next(kind for kind, fits in _FAILED_AS if fits(error, self.status))
        self.failed.append(self._ended(self.target, kind, error.backend_text or error.cause))

    def _ended(self, target: Target, kind: str, text: str = "") -> EndedAttempt:
        """The latest attempt, over at this moment."""
        times = self.began_at, self.headers_at, self.clock()
        return EndedAttempt(target, kind, self.status, text[:MAX_TEXT], *times)

    @property
    def _is_attempting(self) -> bool:
        """An attempt is followed by another only when it has failed."""
        return self.attempts > len(self.failed)

    def answer_headers(self, status: int, connected_at: float | None) -> None:
        """The backend's reply has begun, on a connection that was there at that moment."""
        self.is_unanswered, self.status = True, status
        self.headers_at, self.connected_at = self.clock(), connected_at

    @property
    def traceparent(self) -> str:
        """What the backend is told of the trace; "" where traces are off."""
        return "" if self.tracing is None else self.tracing.traceparent

    def accept(self) -> None:
        """An answer will come. Only the first one counts."""
        if not self.accepted.done():
            self.accepted.set_result(None)

    def put_on(self, record: Record) -> None:
        """Fill the record. Later calls bring it up to date."""
        record.route = self.steps
        if self.target is not None:
            record.backend, record.model = self.target.backend.name, self.target.model
        if self.chat is not None:
            record.dropped = self.chat.dropped
            record.learnt = [str(fact) for fact in self.chat.learnt]
        record.attempts = self.attempts
        if self.failed or (self._is_attempting and _has_failed(record.status)):
            record.attempt_list = self._all_attempts(record)
        record.remedies, record.refused = self.remedies, self.refused
        record.clamped = self.clamped
        record.prompt_bytes, record.repeated_bytes = self.prompt_bytes, self.repeated_bytes
        record.tools_added = self.tool_changes.added
        record.tool_changes = list(self.tool_changes.labels())
        record.translated_after = record.at(self.translated_at)
        record.connected_after = record.at(self.connected_at)
        record.headers_after = record.at(self.headers_at)

    def _all_attempts(self, record: Record) -> list[AttemptRecord]:
        """Every attempt in its order; the last of them may have answered, or been left."""
        ended = [*self.failed]
        if self._is_attempting and self.target is not None:
            kind = ABANDONED if _has_failed(record.status) else kind_of_status(record.status)
            ended.append(self._ended(self.target, kind))
        return _with_fallbacks([attempt.on(record) for attempt in ended])


def _has_failed(status: int) -> bool:
    """Whether a request came to nothing although its client stayed."""
    return kind_of_status(status) not in (ANSWERED, ABANDONED)


def _with_fallbacks(listed: list[AttemptRecord]) -> list[AttemptRecord]:
    """The same attempts, those marked after which another target was asked."""
    return [
        msgspec.structs.replace(
            attempt, fell_back=(attempt.backend, attempt.model) != (after.backend, after.model)
        )
        for attempt, after in pairwise([*listed, *listed[-1:]])
    ]


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else max(0, round(seconds * 1000))
