"""The spans of a request that is over, from its record and its trace. Pure.

    chat MODEL                        server; internal where it is a judge's
      authenticate
      translate
      wait for limits
      chat MODEL AT THE BACKEND       client: one for each attempt
        wait for headers
        wait for first token
        stream
      judge
        chat JUDGE                    a request of its own

Attributes go by OpenTelemetry's semantic conventions for generative AI and HTTP. No text of
prompts, answers, tool calls or errors is among them, and nothing of keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from bridge.attempts import AttemptRecord
from bridge.keys.limits import NANO
from bridge.ledger.record import Record
from bridge.outcomes import ABANDONED, outcome
from bridge.tracing.context import SpanIds
from bridge.tracing.request_trace import AttemptSpan, RequestTrace

CHAT = "chat"
CLIENT_LEFT = "client_left"
MILLI = 1e-3
_PROVIDERS = {
    "azure": "azure.ai.openai",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
}
"""Families of backends that the conventions call by another name."""

Attribute = str | bool | int | float | tuple[str, ...]
Attributes = dict[str, Attribute]


class SpanKind(Enum):
    SERVER = auto()
    CLIENT = auto()
    INTERNAL = auto()


@dataclass(frozen=True, slots=True)
class FinishedSpan:
    """One span. `begin` and `end` in seconds since the request arrived; `above` is its parent."""

    name: str
    ids: SpanIds
    above: SpanIds | None
    begin: float
    end: float
    kind: SpanKind = SpanKind.INTERNAL
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    has_failed: bool = False


def spans_of(record: Record, trace: RequestTrace) -> Iterator[FinishedSpan]:
    """All of them, the request's own first."""
    yield _of_request(record, trace)
    for name, begin, end in _steps(record, trace):
        yield _step(name, trace.below(), trace.ids, begin, end)
    made = list(zip(record.attempts_made(), trace.attempts, strict=False))
    for number, (attempt, span) in enumerate(made, 1):
        is_last = number == len(made)
        yield from _of_attempt(record, trace, attempt, span, number, is_last=is_last)
    if trace.judge_span is not None:
        asked_at = record.at(trace.judge_asked_at) or 0.0
        ended_at = _moment(record, trace.judged_at, record.seconds)
        yield _step("judge", trace.judge_span, trace.ids, asked_at, ended_at)


def _steps(record: Record, trace: RequestTrace) -> Iterator[tuple[str, float, float]]:
    """What the gateway itself does before it calls a backend: name, begin and end."""
    known = record.auth_after or 0.0
    if record.auth_after is not None:
        yield "authenticate", 0.0, known
    if trace.routed_at is not None:
        yield "translate", known, _moment(record, trace.routed_at, known)
    if trace.limits_asked_at is not None:
        asked = _moment(record, trace.limits_asked_at, known)
        yield "wait for limits", asked, _moment(record, trace.limits_at, record.seconds)


def _moment(record: Record, at: float | None, otherwise: float) -> float:
    found = record.at(at)
    return otherwise if found is None else found


def _step(name: str, ids: SpanIds, above: SpanIds, begin: float, end: float) -> FinishedSpan:
    return FinishedSpan(name, ids, above, begin, max(begin, end))


# --- the request ------------------------------------------------------------------------------


def _of_request(record: Record, trace: RequestTrace) -> FinishedSpan:
    is_server = trace.above is None
    above = trace.above or (trace.parent.ids if trace.parent is not None else None)
    least = 500 if is_server else 400
    name = f"{CHAT} {record.asked_model}" if record.backend else CHAT  # others clients make up
    return FinishedSpan(
        name,
        trace.ids,
        above,
        0.0,
        record.seconds,
        SpanKind.SERVER if is_server else SpanKind.INTERNAL,
        _chat(record, trace) | (_http(record, trace) if is_server else {}) | _own(record),
        has_failed=record.status >= least and record.status != ABANDONED,
    )


def _chat(record: Record, trace: RequestTrace) -> Attributes:
    """gen_ai.*, as far as it is known."""
    found: Attributes = {"gen_ai.operation.name": CHAT}
    if trace.attempts:
        found["gen_ai.provider.name"] = _provider(trace.attempts[-1])
    if record.asked_model:
        found["gen_ai.request.model"] = record.asked_model
    if record.streamed:
        found["gen_ai.request.stream"] = True
    if record.session:
        found["gen_ai.conversation.id"] = record.session
    if record.streamed and record.first_token_after is not None:
        found["gen_ai.response.time_to_first_chunk"] = record.first_token_after
    return found | _answer(record)


def _answer(record: Record) -> Attributes:
    """What came of it. The whole prompt is input, cached or not."""
    found: Attributes = {}
    if record.tokens:
        found["gen_ai.usage.input_tokens"] = record.tokens - record.output_tokens
        found["gen_ai.usage.output_tokens"] = record.output_tokens
    for name, count in (
        ("cache_read.input_tokens", record.cache_read_tokens),
        ("cache_creation.input_tokens", record.cache_write_tokens),
        ("reasoning.output_tokens", record.thinking_tokens),
    ):
        if count:
            found[f"gen_ai.usage.{name}"] = count
    if record.stop_reason:
        found["gen_ai.response.finish_reasons"] = (record.stop_reason,)
        found["gen_ai.response.model"] = record.model
    return found


def _http(record: Record, trace: RequestTrace) -> Attributes:
    found: Attributes = {"http.request.method": "POST", "url.path": record.path}
    if record.client:
        found["user_agent.original"] = record.client
    status = trace.head_status or (0 if record.status == ABANDONED else record.status)
    if status:
        found["http.response.status_code"] = status
    return found


def _own(record: Record) -> Attributes:
    """What no convention has a name for."""
    found: Attributes = {
        "claude_bridge.request_id": record.request_id,
        "claude_bridge.outcome": outcome(record.status),
    }
    for name, text in (
        ("error.type", record.error_type or (CLIENT_LEFT if record.status == ABANDONED else "")),
        ("claude_bridge.alias", record.alias),
        ("claude_bridge.request_class", record.request_class),
    ):
        if text:
            found[name] = text
    if record.cost_nano_usd is not None:
        found["claude_bridge.cost_usd"] = record.cost_nano_usd / NANO
    return found


# --- attempts ---------------------------------------------------------------------------------


def _of_attempt(
    record: Record,
    trace: RequestTrace,
    attempt: AttemptRecord,
    span: AttemptSpan,
    number: int,
    *,
    is_last: bool,
) -> Iterator[FinishedSpan]:
    begin = _moment(record, span.began_at, 0.0)
    end = max(begin, (attempt.began_ms + attempt.took_ms) * MILLI)
    headers = end
    if attempt.headers_ms is not None:
        headers = max(begin, (attempt.began_ms + attempt.headers_ms) * MILLI)
    if is_last:
        end = max(headers, min(end, _moment(record, trace.answered_at, end)))
    attributes = _call(attempt, span, number)
    if is_last and not attempt.is_unsuccessful:
        attributes |= _answer(record)
    yield FinishedSpan(
        f"{CHAT} {attempt.model}",
        span.ids,
        trace.ids,
        begin,
        end,
        SpanKind.CLIENT,
        attributes,
        has_failed=attempt.is_unsuccessful,
    )
    yield _step("wait for headers", trace.below(), span.ids, begin, headers)
    first = record.first_token_after
    if is_last and attempt.headers_ms is not None and first is not None:
        first = max(headers, first)  # which is written down more exactly
        yield _step("wait for first token", trace.below(), span.ids, headers, first)
        yield _step("stream", trace.below(), span.ids, first, end)


def _call(attempt: AttemptRecord, span: AttemptSpan, number: int) -> Attributes:
    found: Attributes = {
        "gen_ai.operation.name": CHAT,
        "gen_ai.provider.name": _provider(span),
        "gen_ai.request.model": attempt.model,
        "http.request.method": "POST",
        "claude_bridge.backend": attempt.backend,
        "claude_bridge.attempt": number,
    }
    host, port = span.server
    if host:
        found |= {"server.address": host, "server.port": port}
    if attempt.status:
        found["http.response.status_code"] = attempt.status
    if attempt.is_unsuccessful:
        found["error.type"] = attempt.kind
    return found


def _provider(span: AttemptSpan) -> str:
    family = span.backend.profile.name
    return _PROVIDERS.get(family, family)
