"""Records -> the rows of the ledger: one for each request, and what it adds to its sums.

Sums are made of rows and never of records, so that what a check adds up later is the same.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec

from bridge.models import UsageHour, UsageRecord
from bridge.models.latency import bucket
from bridge.translation.jsontext import clean
from bridge.usage import ABANDONED, Record

Amounts = Counter[str]
"""Column of `Sums` (or of a histogram) -> how much is added to it."""

MOST = 2**40
"""More tokens, bytes or milliseconds than this are nonsense, and would spoil every sum."""
MOST_COST = 2**53
DETAIL = (
    "path",
    "error",
    "route",
    "dropped",
    "refused",
    "clamped",
    "remedies",
    "repaired",
    "tools",
    "sample",
    "auth_after",
    "translated_after",
    "connected_after",
    "headers_after",
)
UNAUTHORIZED = 401


def row_of(record: Record) -> UsageRecord:
    """The row of one request. Whatever the record says, a database takes it."""
    told = msgspec.to_builtins(record)
    issued = record.key_id or 0
    return UsageRecord(
        key_id=issued,
        fingerprint="" if issued else _text(record, "fingerprint"),
        **{name: _text(record, name) for name in _TEXTS},
        **{name: _whole(getattr(record, name)) for name in _COUNTS},
        time=datetime.fromtimestamp(record.started_at, UTC),
        streamed=record.streamed,
        status=_whole(record.status, 999),
        attempts=_whole(record.attempts, 999),
        repairs=_whole(len(record.repaired), 999),
        thinking_tokens=_known(record.thinking_tokens),
        estimated=record.estimated,
        cost_nano_usd=_known(record.cost_nano_usd, MOST_COST),
        first_token_ms=_milliseconds(record.first_token_after),
        duration_ms=_milliseconds(record.seconds) or 0,
        detail={name: _cleaned(told[name]) for name in DETAIL if name in told},
    )


_TEXTS = (
    "request_id",
    "key",
    "client",
    "session",
    "asked_model",
    "alias",
    "backend",
    "model",
    "error_type",
    "stop_reason",
)
_COUNTS = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "prompt_bytes",
    "repeated_bytes",
)
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""What databases refuse, or terminals obey."""
_WIDTHS: dict[str, int] = {
    field.name: field.max_length for field in UsageRecord._meta.fields if field.max_length
}


def _text(record: Record, name: str) -> str:
    text: str = getattr(record, name)
    return _printable(text)[: _WIDTHS[name]]


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return _printable(value)
    if isinstance(value, dict):
        return {
            name: clean(item) if isinstance(item, str) else item for name, item in value.items()
        }
    return [_printable(item) for item in value] if isinstance(value, (list, tuple)) else value


def _printable(text: str) -> str:
    return _UNPRINTABLE.sub(" ", text)


def _whole(number: int, most: int = MOST) -> int:
    return min(max(number, 0), most)


def _known(number: int | None, most: int = MOST) -> int | None:
    return None if number is None else _whole(number, most)


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else _whole(round(seconds * 1000), 2**31 - 1)


# --- sums ---------------------------------------------------------------------------------------


class Entry(Protocol):
    """The columns of a `UsageRecord` that sums are made of."""

    time: datetime
    key_id: int
    fingerprint: str
    key: str
    client: str
    session: str
    alias: str
    backend: str
    model: str
    streamed: bool
    status: int
    attempts: int
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
    first_token_ms: int | None
    duration_ms: int


COLUMNS = tuple(Entry.__annotations__)


def amounts(row: Entry) -> Amounts:
    """What one request adds to the sums of its hour and of its session."""
    answered = row.status < 400
    tokens = row.input_tokens + row.output_tokens + row.cache_read_tokens + row.cache_write_tokens
    return Counter(
        requests=1,
        errors=int(row.status >= 500),
        refused=int(400 <= row.status < 500 and row.status != ABANDONED),
        abandoned=int(row.status == ABANDONED),
        streamed=int(row.streamed),
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
        cache_read_tokens=row.cache_read_tokens,
        cache_write_tokens=row.cache_write_tokens,
        thinking_tokens=row.thinking_tokens or 0,
        cost_nano_usd=row.cost_nano_usd or 0,
        unpriced=int(tokens > 0 and row.cost_nano_usd is None),
        estimated=int(tokens > 0 and row.estimated),
        repaired=int(row.repairs > 0),
        retried=int(row.attempts > 1),
        prompt_bytes=row.prompt_bytes,
        repeated_bytes=row.repeated_bytes,
        duration_ms=row.duration_ms if answered else 0,
        **(_after_first_token(row) if answered else {}),
    )


def _after_first_token(row: Entry) -> dict[str, int]:
    if row.first_token_ms is None:
        return {}
    return {
        "first_tokens": 1,
        "first_token_ms": row.first_token_ms,
        "generated_tokens": row.output_tokens,
        "generation_ms": max(0, row.duration_ms - row.first_token_ms),
    }


def latencies(row: Entry) -> Amounts:
    """What one request adds to the histograms of its hour."""
    counts: Amounts = Counter()
    if row.status < 400:
        counts[UsageHour.DURATION[bucket(row.duration_ms / 1000)]] = 1
        if row.first_token_ms is not None:
            counts[UsageHour.FIRST_TOKEN[bucket(row.first_token_ms / 1000)]] = 1
    return counts


def payer(row: Entry) -> tuple[int, str, str]:
    """(key_id, fingerprint, key) under which a request is summed.

    A forwarded key that was refused is nobody's: who guesses keys must not fill the reports.
    """
    if row.status == UNAUTHORIZED and not row.key_id:
        return 0, "", ""
    return row.key_id, row.fingerprint, row.key


@dataclass(slots=True)
class Hour:
    """What is added to one row of `UsageHour`."""

    key: str = ""
    amounts: Amounts = field(default_factory=Counter)


@dataclass(slots=True)
class Session:
    """What is added to one row of `UsageSession` by the turns with one model."""

    key: str
    client: str
    first_at: datetime
    last_at: datetime
    largest_context: int = 0
    amounts: Amounts = field(default_factory=Counter)

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


def hours(rows: Iterable[Entry]) -> Mapping[tuple[Any, ...], Hour]:
    """What these rows add, by the columns of `UsageHour.UNIQUE`."""
    found: dict[tuple[Any, ...], Hour] = {}
    for row in rows:
        key_id, fingerprint, key = payer(row)
        start = row.time.replace(minute=0, second=0, microsecond=0)
        group = (start, key_id, fingerprint, row.backend, row.model, row.alias)
        hour = found.setdefault(group, Hour())
        hour.key = key
        hour.amounts.update(amounts(row))
        hour.amounts.update(latencies(row))
    return found


def sessions(rows: Iterable[Entry]) -> Mapping[tuple[Any, ...], Session]:
    """What these rows add, by the columns of `UsageSession.UNIQUE` and the model."""
    found: dict[tuple[Any, ...], Session] = {}
    for row in rows:
        if not row.session:
            continue
        key_id, fingerprint, key = payer(row)
        group = (row.session, key_id, fingerprint, row.model)
        session = found.setdefault(group, Session(key, row.client, row.time, row.time))
        session.key, session.client = key, row.client
        session.first_at = min(session.first_at, row.time)
        session.last_at = max(session.last_at, row.time)
        session.largest_context = max(session.largest_context, context(row))
        session.amounts.update(amounts(row))
    return found


def context(row: Entry) -> int:
    """Tokens of the prompt together with its answer."""
    return row.input_tokens + row.cache_read_tokens + row.cache_write_tokens + row.output_tokens
