"""Backend status and body -> ApiError.

Meaning goes before status: llama-server refuses images with a 500, llama-cpp-python nearly
everything, so the wordings are looked for at any 4xx and 5xx first (`_MEANINGS`), and the table
by status (`_ROWS`) decides what is left. The exact wording of two messages is a contract: Claude
Code compacts its conversation on ``prompt is too long: N tokens > M maximum`` and strips images on
``Could not process image``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from bridge.translation.errors import (
    context_overflow,
    family_signs,
    refusals,
    waiting,
)
from bridge.translation.errors.api_error import ApiError
from bridge.translation.errors.context import BackendRefusal, ErrorContext
from bridge.translation.errors.error_body import (
    fault_status,
    message_text,
    read_error,
    status_of_code,
)
from bridge.translation.errors.redaction import redact
from bridge.translation.json import JSON, decode

NOT_QUOTED = "Backend answered with status {}; its words are not kept"
MAX_TEXT = 1000
"""Characters of a sentence that are passed on."""
MAX_READ = 8000
"""Characters in which a meaning is looked for."""

__all__ = ["ErrorContext", "fault_status", "from_fault", "from_reply", "message_text"]


@dataclass(frozen=True, slots=True)
class StatusRow:
    """One backend status: what the client gets, whether the breaker counts it, who may retry."""

    status: int
    message: str = "{text}"
    blames_backend: bool = False
    retryable: bool = False


_MISCONFIGURED = StatusRow(502, "Backend misconfigured: status {status}", blames_backend=True)
_REJECTED = StatusRow(400, refusals.REJECTED)
_BUSY = StatusRow(
    529, "Backend is overloaded or loading: {text}", blames_backend=True, retryable=True
)
_TIMED_OUT = StatusRow(504, "Backend timed out: {text}", blames_backend=True)
_BROKEN = StatusRow(502, "Backend error: {text}", blames_backend=True)

_ROWS: dict[int, StatusRow] = {
    400: _REJECTED,
    402: StatusRow(402),
    403: StatusRow(403),
    404: StatusRow(502, "Backend endpoint not found (check the base URL)", blames_backend=True),
    **dict.fromkeys((405, 406, 410, 411, 415), _MISCONFIGURED),
    408: StatusRow(504, "Backend timed out: {text}", blames_backend=True, retryable=True),
    409: StatusRow(529, "Backend is busy: {text}", retryable=True),
    413: StatusRow(413, "Request too large for the backend: {text}"),
    422: _REJECTED,
    424: _BUSY,
    425: _BUSY,
    429: StatusRow(429),
    499: StatusRow(502, "Backend error: {text}"),
    500: StatusRow(500, "Backend error: {text}", blames_backend=True),
    501: StatusRow(400, "Backend does not support this request: {text}"),
    502: StatusRow(502, "Backend error: {text}", blames_backend=True, retryable=True),
    503: _BUSY,
    504: _TIMED_OUT,
    522: _TIMED_OUT,
    524: _TIMED_OUT,
    529: StatusRow(529, "Backend is overloaded or loading: {text}", blames_backend=True),
}
_UNLISTED: dict[int, StatusRow] = {
    3: StatusRow(502, "Backend redirected", blames_backend=True),
    4: StatusRow(502, "Backend error: {text}"),
}
"""By the first digit, where the status itself has no row."""

_STREAM_TYPES: dict[int, str] = {
    **dict.fromkeys((400, 404, 405, 409, 413, 422), "invalid_request_error"),
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    408: "timeout_error",
    429: "rate_limit_error",
    **dict.fromkeys((502, 503, 529), "overloaded_error"),
    504: "timeout_error",
}
"""The backend's code -> the type of an ``error`` event; any other is an `api_error`."""


def from_reply(
    status: int, headers: dict[str, str], raw: bytes, error_context: ErrorContext
) -> ApiError:
    """A reply with an error status. Header names are lower case."""
    try:
        body = decode(raw)
    except ValueError:
        body = raw.decode("utf-8", "replace")
    refusal = _taken_apart(status, headers, body, error_context)
    error = _by_meaning(refusal, error_context) or _by_status(refusal, error_context)
    error.family = family_signs.by_headers(headers) or family_signs.by_sentence(refusal.text)
    error.backend_text = refusal.own_text
    return error if error_context.may_quote else _unquoted(error, refusal)


def from_fault(status: int, body: JSON, error_context: ErrorContext) -> ApiError:
    """An error object inside a 200 answer; `status` is 0 when it carries no usable code."""
    refusal = _taken_apart(status or 502, {}, body, error_context)
    error = _by_meaning(refusal, error_context)
    if error is None:
        error = _by_status(refusal, error_context)
        error.stream_type = _STREAM_TYPES.get(status, "api_error")
        error.retryable = error.retryable and bool(status)
    error.family = family_signs.by_sentence(refusal.text)
    error.backend_text = refusal.own_text
    return error if error_context.may_quote else _unquoted(error, refusal)


def _unquoted(error: ApiError, refusal: BackendRefusal) -> ApiError:
    """The same error without a word of the backend."""
    error.message = NOT_QUOTED.format(refusal.status)
    error.cause = error.backend_text = ""
    error.args = (error.message,)
    return error


def _taken_apart(
    status: int, headers: dict[str, str], body: JSON, error_context: ErrorContext
) -> BackendRefusal:
    found = read_error(body)
    text = redact(found.text[: 4 * MAX_TEXT], error_context.secrets)[:MAX_TEXT].strip()
    everything = redact(found.everything[:MAX_READ], error_context.secrets)
    shown = text or f"status {status}"
    return BackendRefusal(status, shown, body, headers, everything, found.codes, found.fields, text)


def _by_meaning(refusal: BackendRefusal, error_context: ErrorContext) -> ApiError | None:
    found = (
        (meaning(refusal, error_context) for meaning in _MEANINGS) if refusal.status >= 400 else ()
    )
    return next((error for error in found if error), None)


def _by_status(refusal: BackendRefusal, error_context: ErrorContext) -> ApiError:
    status = refusal.status
    row = _ROWS.get(status) or _UNLISTED.get(status // 100, _BROKEN)
    rest = waiting.of_headers(refusal.headers)
    told = rest if rest is not None else waiting.of_body(refusal.body, refusal.text)
    return ApiError(
        row.status,
        row.message.format(text=refusal.text, status=status),
        retry_after=told,
        blames_backend=row.blames_backend,
        retryable=row.retryable or status == 429,
        rest_seconds=rest if status == 429 else None,
    )


# --- meanings, looked for in this order -------------------------------------------------------


def _unauthorized(refusal: BackendRefusal, error_context: ErrorContext) -> ApiError | None:
    if refusal.status != 401:
        return None
    if error_context.operator_key:
        # The user's own key is fine; telling them to log in would be wrong.
        return ApiError.bad_gateway("Gateway credentials were rejected by the backend")
    return ApiError(401, "Backend rejected the credentials")


def _overflow(refusal: BackendRefusal, error_context: ErrorContext) -> ApiError | None:
    found = context_overflow.recognise(refusal.everything, refusal.body, error_context.max_tokens)
    if found is None or (refusal.status in _NO_OVERFLOW and not found.context):
        return None
    sizes = found.filled(
        error_context.prompt_tokens, error_context.context, error_context.max_tokens
    )
    return context_overflow.to_error(sizes)


_NO_OVERFLOW = frozenset({402, 403, 429})
"""Statuses of other limits: only a text with the size of a context is believed."""

_TOOLS = re.compile("tool choice requires|does not support tools|--jinja", re.I)
_QUOTA = re.compile(
    r"\b(credits?|balance|billing|funds)\b|quota exceeded|exceeded your .{0,20}quota"
    r"|(insufficient|consume|not enough|no remaining)[ _][a-z]{0,12}[ _]?(quota|balance)"
    r"|quota[ _](is |was |has been )?(not enough|insufficient|exhausted|used up|exceeded|failed)"
    "|额度|余额|欠费|充值|arrearage",
    re.I,
)
"""Also as relays word it: `insufficient_user_quota`, `pre_consume_token_quota_failed`."""
_NO_MODEL = re.compile(
    r"\bmodel\b.{0,300}?(not (be )?found|does ?n[o']t exist|not exist)"
    r"|(unknown|no such|unrecognized|invalid) model\b|model_not_found",
    re.I | re.S,
)


def _tool_support(refusal: BackendRefusal, _: ErrorContext) -> ApiError | None:
    if not _TOOLS.search(refusal.everything):
        return None
    return ApiError.invalid(f"This backend or model does not support tool use: {refusal.text}")


def _quota(refusal: BackendRefusal, _: ErrorContext) -> ApiError | None:
    by_code = any(status_of_code(code) == 402 for code in refusal.codes)
    if refusal.status in (402, 403, 429) and (by_code or _QUOTA.search(refusal.everything)):
        return ApiError(402, refusal.text, rest_seconds=waiting.of_headers(refusal.headers))
    return None


def _unknown_model(refusal: BackendRefusal, error_context: ErrorContext) -> ApiError | None:
    # Most servers say 404; a router in front of llama-server and transformers say 400.
    if refusal.status in (400, 404) and _NO_MODEL.search(refusal.everything):
        return ApiError(404, f"model: {error_context.model}")
    return None


_MEANINGS: tuple[Callable[[BackendRefusal, ErrorContext], ApiError | None], ...] = (
    _unauthorized,
    _overflow,
    refusals.token_field,
    refusals.stream_only,
    refusals.answer_length,
    _tool_support,
    refusals.forced_choice,
    refusals.effort_beside_tools,
    refusals.refused_effort,
    refusals.signature,
    refusals.reasoning,
    refusals.image,
    refusals.grammar,
    _quota,
    _unknown_model,
    refusals.refused_field,
)
