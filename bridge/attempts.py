"""The attempts of a request: what each call of a backend came to. Pure.

A target that is passed over, since its breaker is open or it asked to be left alone, is a step of
the route and no attempt. Nearly every request has one attempt that answered; that one follows from
the request itself, so no list is written for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from bridge.outcomes import ABANDONED as CLIENT_LEFT

MAX_TEXT = 300
"""Characters that are kept of a backend's words."""

ANSWERED = "answered"
ABANDONED = "abandoned"
REFUSED = "refused"
SERVER_ERROR = "server_error"
UNREACHABLE = "unreachable"
TIMED_OUT = "timed_out"
BROKEN = "broken"
NOT_SENT = "not_sent"


@dataclass(frozen=True, slots=True)
class AttemptKind:
    """What an attempt came to, in words: `happened` behind its backend's name, `noun` in a list.

    is_failure   the backend failed, or the way to it; a refused request may be at fault itself
    """

    happened: str
    noun: str
    is_failure: bool = False


KINDS: Mapping[str, AttemptKind] = {
    ANSWERED: AttemptKind("answered", "answered"),
    ABANDONED: AttemptKind("was left before its end", "left before the end"),
    REFUSED: AttemptKind("answered {status}", "refused"),
    SERVER_ERROR: AttemptKind("answered {status}", "server error", is_failure=True),
    UNREACHABLE: AttemptKind("could not be reached", "not reachable", is_failure=True),
    TIMED_OUT: AttemptKind("did not answer in time", "timed out", is_failure=True),
    BROKEN: AttemptKind("broke off its answer", "broke off", is_failure=True),
    NOT_SENT: AttemptKind("was not asked: the gateway's machine had no room", "not sent"),
}
FAILURES = tuple(name for name, kind in KINDS.items() if kind.is_failure)
UNSUCCESSFUL = frozenset(KINDS) - {ANSWERED, ABANDONED}
"""Kinds after which another attempt may follow, and of which a list is kept."""


class AttemptRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """One attempt. Times in whole milliseconds.

    kind        one of KINDS
    status      that the backend answered with; 0 where none came
    text        what the backend said of it, or the connection where the backend said nothing
    began_ms    since the request arrived;  headers_ms, took_ms   since the attempt began
    fell_back   another target was asked next
    """

    backend: str
    model: str
    kind: str
    status: int = 0
    text: str = ""
    began_ms: int = 0
    headers_ms: int | None = None
    took_ms: int = 0
    fell_back: bool = False

    @property
    def happened(self) -> str:
        """Behind the backend's name: `answered 404`."""
        kind = KINDS.get(self.kind)
        return kind.happened.format(status=self.status) if kind else self.kind

    @property
    def is_unsuccessful(self) -> bool:
        return self.kind in UNSUCCESSFUL


_read = msgspec.json.Decoder(tuple[AttemptRecord, ...]).decode


class AttemptedRequest(Protocol):
    """The columns of a `UsageRecord` that its attempts follow from.

    attempt_list   a list of attempts, or that as JSON text; empty where one attempt was all
    """

    backend: str
    model: str
    status: int
    attempts: int
    attempt_list: Any
    translated_ms: int | None
    headers_ms: int | None
    duration_ms: int


def of_request(row: AttemptedRequest) -> Sequence[AttemptRecord]:
    """Every attempt in its order; none where no backend was asked.

    Of several attempts without a list, only the last is known.
    """
    if not row.attempts:
        return ()
    listed = row.attempt_list
    if not listed or listed == "[]":
        times = row.translated_ms, row.headers_ms, row.duration_ms
        return (only_attempt(row.backend, row.model, row.status, *times),)
    if isinstance(listed, str):
        return _read(listed)
    return msgspec.convert(listed, tuple[AttemptRecord, ...])


def only_attempt(
    backend: str,
    model: str,
    status: int,
    began_ms: int | None,
    headers_ms: int | None,
    ended_ms: int,
) -> AttemptRecord:
    """The attempt of a request that had no other. Times since its arrival, `status` its own."""
    began = began_ms or 0
    kind = kind_of_status(status)
    answered = 200 if headers_ms is not None or kind == ANSWERED else 0
    return AttemptRecord(
        backend,
        model,
        kind,
        status if kind in UNSUCCESSFUL else answered,
        began_ms=began,
        headers_ms=None if headers_ms is None else max(0, headers_ms - began),
        took_ms=max(0, ended_ms - began),
    )


def kind_of_status(status: int) -> str:
    """What the last attempt of a request came to, where only the status of its reply is known."""
    if status < 400:
        return ANSWERED
    if status == CLIENT_LEFT:
        return ABANDONED
    return SERVER_ERROR if status >= 500 else REFUSED
