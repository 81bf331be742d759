"""Rows -> what they add to the sums of their hours and of their sessions.

Sums are made of rows and never of records, so that what a check adds up later is the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import msgspec

from bridge import attempts
from bridge.attempts import ANSWERED, KINDS, AttemptRecord
from bridge.models import AttemptHour, UsageHour
from bridge.models.latency import bucket
from bridge.models.usage import JUDGE_CLASS, OTHER_CLASS
from bridge.outcomes import ABANDONED
from bridge.translation.request.purpose import REQUEST_CLASSES

UNAUTHORIZED = 401
_KNOWN_CLASSES = {*REQUEST_CLASSES, JUDGE_CLASS, ""}
Amounts = dict[str, int]
"""Column -> how much is added to it; a column that is not named gets nothing."""


class RollupEntry(Protocol):
    """The columns of a `UsageRecord` that sums are made of."""

    time: datetime
    key_id: int
    fingerprint: str
    key: str
    person_id: int
    person: str
    team_id: int
    team: str
    client: str
    session: str
    request_class: str
    alias: str
    backend: str
    model: str
    streamed: bool
    status: int
    attempts: int
    attempt_list: Any
    repairs: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    thinking_tokens: int | None
    estimated: bool
    cost_nano_usd: int | None
    prompt_bytes: int
    repeated_bytes: int
    tool_lists_changed: int
    tools_added: int
    calls_flagged: int
    calls_not_flagged: int
    calls_skipped: int
    calls_unanswered: int
    translated_ms: int | None
    headers_ms: int | None
    first_token_ms: int | None
    duration_ms: int


COLUMNS = tuple(RollupEntry.__annotations__)


class Added(msgspec.Struct, gc=False):
    """What one request adds, by the columns of `Sums`.

    Tuples of numbers are summed in a fifth of the time that dictionaries of them take.
    """

    requests: int
    errors: int
    refused: int
    abandoned: int
    streamed: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    thinking_tokens: int
    cost_nano_usd: int
    unpriced: int
    estimated: int
    repaired: int
    retried: int
    prompt_bytes: int
    repeated_bytes: int
    tool_lists_changed: int
    tools_added: int
    calls_flagged: int
    calls_not_flagged: int
    calls_skipped: int
    calls_unanswered: int
    duration_ms: int = 0
    first_tokens: int = 0
    first_token_ms: int = 0
    generated_tokens: int = 0
    generation_ms: int = 0


def added(row: RollupEntry) -> Added:
    """What one request adds to the sums of its hour and of its session."""
    status, cost = row.status, row.cost_nano_usd
    tokens = row.input_tokens + row.output_tokens + row.cache_read_tokens + row.cache_write_tokens
    sums = Added(
        requests=1,
        errors=status >= 500,
        refused=400 <= status < 500 and status != ABANDONED,
        abandoned=status == ABANDONED,
        streamed=row.streamed,
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
        cache_read_tokens=row.cache_read_tokens,
        cache_write_tokens=row.cache_write_tokens,
        thinking_tokens=row.thinking_tokens or 0,
        cost_nano_usd=cost or 0,
        unpriced=tokens > 0 and cost is None,
        estimated=tokens > 0 and row.estimated,
        repaired=row.repairs > 0,
        retried=row.attempts > 1,
        prompt_bytes=row.prompt_bytes,
        repeated_bytes=row.repeated_bytes,
        tool_lists_changed=row.tool_lists_changed,
        tools_added=row.tools_added,
        calls_flagged=row.calls_flagged,
        calls_not_flagged=row.calls_not_flagged,
        calls_skipped=row.calls_skipped,
        calls_unanswered=row.calls_unanswered,
    )
    if status < 400:
        _add_times(sums, row)
    return sums


def _add_times(sums: Added, row: RollupEntry) -> None:
    sums.duration_ms, first = row.duration_ms, row.first_token_ms
    if first is not None:
        sums.first_tokens, sums.first_token_ms = 1, first
        sums.generated_tokens = row.output_tokens
        sums.generation_ms = max(0, row.duration_ms - first)


def amounts(rows: Iterable[RollupEntry]) -> Amounts:
    """What these requests add together, by the columns of `Sums`."""
    columns = zip(*(msgspec.structs.astuple(added(row)) for row in rows), strict=True)
    return dict(zip(Added.__struct_fields__, map(sum, columns), strict=True))


def latencies(rows: Iterable[RollupEntry]) -> Amounts:
    """What these requests add to the histograms of their hour."""
    counts: Amounts = {}
    for row in rows:
        if row.status >= 400:
            continue
        duration = UsageHour.DURATION[bucket(row.duration_ms / 1000)]
        counts[duration] = counts.get(duration, 0) + 1
        if row.first_token_ms is not None:
            first = UsageHour.FIRST_TOKEN[bucket(row.first_token_ms / 1000)]
            counts[first] = counts.get(first, 0) + 1
    return counts


def payer(row: RollupEntry) -> tuple[int, str, str]:
    """(key_id, fingerprint, key) under which a request is summed.

    A forwarded key that was refused is nobody's: who guesses keys must not fill the reports.
    """
    if row.status == UNAUTHORIZED and not row.key_id:
        return 0, "", ""
    return row.key_id, row.fingerprint, row.key


def summed_class(request_class: str) -> str:
    """The class under which a request is summed; "" where its client named none."""
    return request_class if request_class in _KNOWN_CLASSES else OTHER_CLASS


@dataclass(frozen=True, slots=True)
class Hour:
    """What is added to one row of `UsageHour`. `amounts` also holds the histograms."""

    key: str
    person: str
    team: str
    amounts: Amounts

    @property
    def columns(self) -> dict[str, Any]:
        """Everything but the sums."""
        return {"key": self.key, "person": self.person, "team": self.team}


@dataclass(frozen=True, slots=True)
class Session:
    """What is added to one row of `UsageSession` by the turns with one model."""

    key: str
    client: str
    first_at: datetime
    last_at: datetime
    largest_context: int
    amounts: Amounts

    @property
    def columns(self) -> dict[str, Any]:
        """Everything but the sums."""
        return {
            "key": self.key,
            "client": self.client,
            "first_at": self.first_at,
            "last_at": self.last_at,
            "largest_context": self.largest_context,
        }


Group = tuple[Any, ...]


def hours(rows: Iterable[RollupEntry]) -> Mapping[Group, Hour]:
    """What these rows add, by the columns of `UsageHour.UNIQUE`."""
    found: dict[Group, list[RollupEntry]] = {}
    for row in rows:
        key_id, fingerprint, _ = payer(row)
        start = row.time.replace(minute=0, second=0, microsecond=0)
        what = row.backend, row.model, row.alias, summed_class(row.request_class)
        group = (start, key_id, fingerprint, *what, row.person_id, row.team_id)
        found.setdefault(group, []).append(row)
    return {
        group: Hour(payer(few[-1])[2], few[-1].person, few[-1].team, amounts(few) | latencies(few))
        for group, few in found.items()
    }


def attempt_hours(rows: Iterable[RollupEntry]) -> Mapping[Group, Amounts]:
    """What the attempts of these rows add, by the columns of `AttemptHour.UNIQUE`."""
    found: dict[Group, Amounts] = {}
    for row in rows:
        start = row.time.replace(minute=0, second=0, microsecond=0)
        for attempt in attempts.of_request(row):
            group = start, attempt.backend, attempt.model
            _add_attempt(found.setdefault(group, {}), attempt, row.first_token_ms)
    return found


def _add_attempt(sums: Amounts, attempt: AttemptRecord, first_token_ms: int | None) -> None:
    """`first_token_ms`: since the request arrived."""
    kind = attempt.kind
    for name in ("asked", kind) if kind in KINDS else ("asked",):
        sums[name] = sums.get(name, 0) + 1
    if attempt.fell_back:
        sums["fell_back"] = sums.get("fell_back", 0) + 1
    if kind != ANSWERED:
        return
    _add_time(sums, "took_ms", AttemptHour.DURATION, attempt.took_ms)
    if attempt.headers_ms is not None:
        _add_time(sums, "headers_ms", AttemptHour.HEADERS, attempt.headers_ms)
    if first_token_ms is not None:
        after = max(0, first_token_ms - attempt.began_ms)
        _add_time(sums, "first_token_ms", AttemptHour.FIRST_TOKEN, after)


def _add_time(sums: Amounts, column: str, histogram: Sequence[str], milliseconds: int) -> None:
    place = histogram[bucket(milliseconds / 1000)]
    sums[place] = sums.get(place, 0) + 1
    sums[column] = sums.get(column, 0) + milliseconds


def sessions(rows: Iterable[RollupEntry]) -> Mapping[Group, Session]:
    """What these rows add, by the columns of `UsageSession.UNIQUE` and the model."""
    found: dict[Group, list[RollupEntry]] = {}
    for row in rows:
        if row.session:
            key_id, fingerprint, _ = payer(row)
            found.setdefault((row.session, key_id, fingerprint, row.model), []).append(row)
    return {group: _session(few) for group, few in found.items()}


def _session(rows: Sequence[RollupEntry]) -> Session:
    last, times = rows[-1], [row.time for row in rows]
    return Session(
        key=payer(last)[2],
        client=last.client,
        first_at=min(times),
        last_at=max(times),
        largest_context=max(map(context, rows)),
        amounts=amounts(rows),
    )


def context(row: RollupEntry) -> int:
    """Tokens of the prompt together with its answer."""
    return row.input_tokens + row.cache_read_tokens + row.cache_write_tokens + row.output_tokens
