"""Who was asked, what came of it, and how the request ended, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bridge import attempts
from bridge.attempts import AttemptRecord
from bridge.models import UsageRecord
from bridge.outcomes import ABANDONED
from dashboard.display import formatting
from dashboard.display.cells import StateCell
from dashboard.display.formatting import UNKNOWN

_TONES = {
    attempts.ANSWERED: "good",
    attempts.ABANDONED: "quiet",
    attempts.REFUSED: "warn",
    attempts.NOT_SENT: "warn",
}
"""Of the kinds that are no failure of the backend."""


@dataclass(frozen=True, slots=True)
class AttemptLine:
    """One attempt of the table. `words`: the backend's own, as they came; `then`: what followed."""

    number: int
    backend: str
    model: str
    came_to: StateCell
    words: str
    began: str
    headers: str
    took: str
    then: str


def attempt_lines(made: Sequence[AttemptRecord]) -> list[AttemptLine]:
    """The attempts in their order."""
    return [_line(number, attempt, made) for number, attempt in enumerate(made, 1)]


def _line(number: int, attempt: AttemptRecord, made: Sequence[AttemptRecord]) -> AttemptLine:
    headers = attempt.headers_ms
    then = "fell back" if attempt.fell_back else "tried again" if number < len(made) else ""
    return AttemptLine(
        number,
        attempt.backend,
        attempt.model,
        StateCell(attempt.happened, _TONES.get(attempt.kind, "bad")),
        attempt.text,
        formatting.duration(attempt.began_ms).text,
        UNKNOWN if headers is None else formatting.duration(headers).text,
        formatting.duration(attempt.took_ms).text,
        then,
    )


@dataclass(frozen=True, slots=True)
class RequestEnding:
    """How a request ended.

    heading    what became of it, and after how long
    received   what the client had before the error; "" where the error was all
    asked      title of the target that was asked last: whether it answered; "" for none
    by_gateway   the gateway answered by itself
    """

    heading: str
    received: str
    asked: str
    by_gateway: bool


def ending(row: UsageRecord) -> RequestEnding:
    """From the row of a request."""
    is_answered = row.status < 400
    return RequestEnding(
        _heading(row),
        _received(row),
        _asked(row) if row.attempts else "",
        is_answered and not row.attempts,
    )


def _asked(row: UsageRecord) -> str:
    if row.status < 400:
        return "Answered by"
    return "Asked last" if row.first_token_ms is None else "Began to answer"


def _heading(row: UsageRecord) -> str:
    took, word = formatting.duration(row.duration_ms).text, row.outcome.capitalize()
    if row.detail.get("head_status"):
        return f"{word} within the stream, after {_tokens(row)} and {took}"
    status = "" if row.status == 200 else f", {row.status},"
    return f"{word}{status} after {took}"


def _received(row: UsageRecord) -> str:
    head = row.detail.get("head_status")
    return f"Status {head} and {_tokens(row)}, then this error within the stream:" if head else ""


def _tokens(row: UsageRecord) -> str:
    count = row.output_tokens
    return f"{formatting.whole(count)} token{'' if count == 1 else 's'}"


def route_steps(row: UsageRecord, made: Sequence[AttemptRecord]) -> Iterator[str]:
    """The way to the backend, from the name that was asked for to what happened at its end; nothing
    where no route was looked for."""
    steps = row.detail.get("route") or ()
    if not steps:
        return
    if row.asked_model:
        yield f"requested: {row.asked_model}"
    yield from steps
    yield _last_step(row, made)


def _last_step(row: UsageRecord, made: Sequence[AttemptRecord]) -> str:
    if made and row.status < 400:
        return f"answered by {row.model} on {row.backend}"
    if made:
        return f"{made[-1].backend} {made[-1].happened}"
    if row.status < 400:
        return "answered by the gateway itself"
    left = "the client left" if row.status == ABANDONED else f"ended with {row.status}"
    return f"{left} before a backend was asked"
