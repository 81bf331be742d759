"""Records -> rows of `UsageRecord`, as plain as the database takes them.

They are no instances of the model: making those takes as long as writing them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from bridge.attempts import MAX_TEXT, AttemptRecord
from bridge.error_groups import error_group
from bridge.ledger.record import Record
from bridge.models import UsageRecord
from bridge.models.usage import lines_of
from bridge.translation.json import clean, encode_text
from bridge.translation.safeguards import FLAGGED, NOT_FLAGGED, SKIPPED, UNAVAILABLE

MOST = 2**40
"""More tokens, bytes or milliseconds than this are nonsense, and would spoil every sum."""
MOST_COST = 2**53
LAST_TIME = datetime(3000, 1, 1, tzinfo=UTC).timestamp()
MOST_MILLISECONDS = 2**31 - 1
LONGEST_KIND = 20
DETAIL = (
    "trace_id",
    "path",
    "key_four",
    "address",
    "route",
    "dropped",
    "refused",
    "clamped",
    "head_status",
    "reported_cost_nano_usd",
    "remedies",
    "learnt",
    "repaired",
    "tools",
    "tool_changes",
    "verdicts",
    "sample",
    "auth_after",
    "translated_after",
    "connected_after",
    "headers_after",
)


class UsageRow(msgspec.Struct, gc=False):
    """One row, member by column. `detail`, `attempt_list` and `tool_milliseconds` are JSON text."""

    request_id: str
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
    agent_type: str
    agent_id: str
    parent_agent_id: str
    prompt_id: str
    compaction: str
    compacted: str
    tool_milliseconds: str
    asked_model: str
    alias: str
    backend: str
    model: str
    streamed: bool
    status: int
    error_type: str
    error: str
    error_group: str
    stop_reason: str
    attempts: int
    attempt_list: str
    failed_lines: str
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
    parent_id: str
    sample_bytes: int
    detail: str


def row_of(record: Record) -> UsageRow:
    """The row of one request, as a database takes it.

    Raises ValueError or ArithmeticError where a time is none.
    """
    if not 0 <= record.started_at < LAST_TIME:
        raise ValueError(f"started_at: {record.started_at} is no time")
    return UsageRow(
        request_id=_text(record.request_id, _WIDTHS["request_id"]),
        time=datetime.fromtimestamp(record.started_at, UTC),
        **_whose(record),
        client=_text(record.client, _WIDTHS["client"]),
        session=_text(record.session, _WIDTHS["session"]),
        request_class=_text(record.request_class, _WIDTHS["request_class"]),
        agent_type=_text(record.agent_type, _WIDTHS["agent_type"]),
        agent_id=_text(record.agent_id, _WIDTHS["agent_id"]),
        parent_agent_id=_text(record.parent_agent_id, _WIDTHS["parent_agent_id"]),
        prompt_id=_text(record.prompt_id, _WIDTHS["prompt_id"]),
        compaction=_text(record.compaction, _WIDTHS["compaction"]),
        compacted=_text(record.compacted, _WIDTHS["compacted"]),
        tool_milliseconds=_tool_milliseconds(record.tool_milliseconds),
        asked_model=_text(record.asked_model, _WIDTHS["asked_model"]),
        alias=_text(record.alias, _WIDTHS["alias"]),
        backend=_text(record.backend, _WIDTHS["backend"]),
        model=_text(record.model, _WIDTHS["model"]),
        streamed=record.streamed,
        status=_whole(record.status, 999),
        error_type=_text(record.error_type, _WIDTHS["error_type"]),
        **_error(record),
        stop_reason=_text(record.stop_reason, _WIDTHS["stop_reason"]),
        attempts=_whole(record.attempts, 999),
        **_attempts(record),
        repairs=_whole(len(record.repaired), 999),
        input_tokens=_whole(record.input_tokens),
        output_tokens=_whole(record.output_tokens),
        cache_read_tokens=_whole(record.cache_read_tokens),
        cache_write_tokens=_whole(record.cache_write_tokens),
        thinking_tokens=_known(record.thinking_tokens),
        estimated=record.estimated,
        cost_nano_usd=_known(record.cost_nano_usd, MOST_COST),
        prompt_bytes=_whole(record.prompt_bytes),
        repeated_bytes=_whole(record.repeated_bytes),
        tool_lists_changed=int(bool(record.tool_changes)),
        tools_added=_whole(record.tools_added),
        **_judged(record),
        **_times(record),
        parent_id=_text(record.parent_id, _WIDTHS["parent_id"]),
        sample_bytes=_sample_bytes(record),
        detail=_detail(record),
    )


def _whose(record: Record) -> dict[str, Any]:
    """For whom it counts, by column."""
    issued = record.key_id or 0
    return {
        "key_id": issued,
        "fingerprint": "" if issued else _text(record.fingerprint, _WIDTHS["fingerprint"]),
        "key": _text(record.key, _WIDTHS["key"]),
        "person_id": record.person_id,
        "person": _text(record.person, _WIDTHS["person"]),
        "team_id": record.team_id,
        "team": _text(record.team, _WIDTHS["team"]),
    }


def _error(record: Record) -> dict[str, Any]:
    """Its message, and which others say the same, by column."""
    if not record.error and record.status < 400:
        return _NO_ERROR
    text = _text(record.error, _WIDTHS["error"])
    names = record.asked_model, record.model
    return {
        "error": text,
        "error_group": error_group(record.status, record.error_type, text, names),
    }


_NO_ERROR: dict[str, Any] = {"error": "", "error_group": ""}
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""What databases refuse, or terminals obey."""
_WIDTHS: dict[str, int] = {
    field.name: field.max_length for field in UsageRecord._meta.fields if field.max_length
}
_JUDGED = {
    FLAGGED: "calls_flagged",
    NOT_FLAGGED: "calls_not_flagged",
    SKIPPED: "calls_skipped",
    UNAVAILABLE: "calls_unanswered",
}
_NONE_JUDGED = dict.fromkeys(_JUDGED.values(), 0)
_NO_LIST: dict[str, Any] = {"attempt_list": "[]", "failed_lines": ""}
_NOTHING: tuple[Any, ...] = (None, "", (), [])


def _text(text: str, width: int) -> str:
    return (text if text.isprintable() else _printable(text))[:width]


def _sample_bytes(record: Record) -> int:
    """About what its texts take."""
    if not record.sample:
        return 0
    return sum(len(text) for text in record.sample.values() if isinstance(text, str))


def _detail(record: Record) -> str:
    detail = {name: found for name in DETAIL if (found := getattr(record, name)) not in _NOTHING}
    if record.verdicts:
        detail["verdicts"] = msgspec.to_builtins(record.verdicts)
    text = encode_text(detail)
    if "\\" in text or not text.isprintable():
        return encode_text({name: _cleaned(value) for name, value in detail.items()})
    return text


def _attempts(record: Record) -> dict[str, Any]:
    """Its attempts where one of them failed, and at which backends, by column."""
    if not record.attempt_list:
        return _NO_LIST
    cleaned = [_attempt(attempt) for attempt in record.attempt_list]
    failed = dict.fromkeys(a.backend for a in cleaned if a.is_unsuccessful)
    return {
        "attempt_list": encode_text(msgspec.to_builtins(cleaned)),
        "failed_lines": lines_of(failed),
    }


def _attempt(attempt: AttemptRecord) -> AttemptRecord:
    """As a database takes it."""
    return AttemptRecord(
        backend=_text(attempt.backend, _WIDTHS["backend"]),
        model=_text(attempt.model, _WIDTHS["model"]),
        kind=_text(attempt.kind, LONGEST_KIND),
        status=_whole(attempt.status, 999),
        text=_text(attempt.text, MAX_TEXT),
        began_ms=_whole(attempt.began_ms, MOST_MILLISECONDS),
        headers_ms=_known(attempt.headers_ms, MOST_MILLISECONDS),
        took_ms=_whole(attempt.took_ms, MOST_MILLISECONDS),
        fell_back=attempt.fell_back,
    )


def _tool_milliseconds(reported: Mapping[str, int]) -> str:
    """JSON of names and whole numbers."""
    if not reported:
        return "{}"
    return encode_text(
        {_printable(name): _whole(ms, MOST_MILLISECONDS) for name, ms in reported.items()}
    )


def _cleaned(value: Any) -> Any:
    """Text of a conversation (a sample) keeps its lines."""
    if isinstance(value, str):
        return _printable(value)
    if isinstance(value, dict):
        return {
            name: clean(item) if isinstance(item, str) else item for name, item in value.items()
        }
    return [_cleaned(item) for item in value] if isinstance(value, (list, tuple)) else value


def _printable(text: str) -> str:
    return _UNPRINTABLE.sub(" ", text)


def _times(record: Record) -> dict[str, Any]:
    """How long after its arrival things happened, by column."""
    return {
        "translated_ms": _milliseconds(record.translated_after),
        "headers_ms": _milliseconds(record.headers_after),
        "first_token_ms": _milliseconds(record.first_token_after),
        "duration_ms": _milliseconds(record.seconds) or 0,
    }


def _judged(record: Record) -> dict[str, Any]:
    """How many of its tool calls ended how before a judge, by column."""
    if not record.verdicts:
        return _NONE_JUDGED
    counts = Counter(verdict.outcome for verdict in record.verdicts)
    return {column: counts[outcome] for outcome, column in _JUDGED.items()}


def _whole(number: int, most: int = MOST) -> int:
    return number if 0 <= number <= most else min(max(number, 0), most)


def _known(number: int | None, most: int = MOST) -> int | None:
    return None if number is None else _whole(number, most)


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else _whole(round(seconds * 1000), MOST_MILLISECONDS)
