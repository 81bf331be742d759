"""Backend status and body -> ApiError.

Meaning goes before status: llama-server refuses images with a 500, llama-cpp-python nearly
everything, so the wordings are looked for at any 4xx and 5xx first (`_MEANINGS`), and the table
by status (`_ROWS`) decides what is left. The exact wording of two messages is a contract: Claude
Code compacts its conversation on ``prompt is too long: N tokens > M maximum`` and strips images on
``Could not process image``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bridge.translation.errors import context_overflow
from bridge.translation.errors.api_error import ApiError, Remedy
from bridge.translation.errors.redaction import redact
from bridge.translation.json import JSON, decode

MAX_TEXT = 1000
LONGEST_REST = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class ErrorContext:
    """What is known of the request when its refusal is read.

    prompt_tokens is an estimate; context is 0 when unknown; `operator_key` says whose key the
    backend saw; `added` are optional fields of the sent body that the gateway may leave out;
    `secrets` never appear in a message.
    """

    model: str = ""
    prompt_tokens: int = 0
    max_tokens: int = 0
    context: int = 0
    operator_key: bool = False
    added: frozenset[str] = frozenset()
    secrets: tuple[str, ...] = ()
    max_retry_after: int = 60


@dataclass(frozen=True, slots=True)
class StatusRow:
    """One backend status: what the client gets, whether the breaker counts it, who may retry."""

    status: int
    message: str = "{text}"
    blames_backend: bool = False
    retryable: bool = False


_MISCONFIGURED = StatusRow(502, "Backend misconfigured: status {status}", blames_backend=True)
_REJECTED = StatusRow(400, "Backend rejected the request: {text}")
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

_TEXT_CODES: dict[str, int] = {
    "context_length_exceeded": 400,
    "model_not_found": 404,
    "invalid_api_key": 401,
    "insufficient_quota": 402,
    "rate_limit_exceeded": 429,
    "server_error": 500,
}
"""`error.code` where it is a word (the reference API's habit)."""


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


@dataclass(frozen=True, slots=True)
class BackendRefusal:
    """A backend's error reply, taken apart."""

    status: int
    text: str
    body: JSON
    headers: dict[str, str]

    @property
    def code(self) -> str:
        """The error's own code, where it is a word."""
        error = self.body.get("error", self.body) if isinstance(self.body, dict) else None
        code = error.get("code") if isinstance(error, dict) else None
        return code if isinstance(code, str) else ""


def from_reply(status: int, headers: dict[str, str], raw: bytes, asked: ErrorContext) -> ApiError:
    """A reply with an error status. Header names are lower case."""
    try:
        body = decode(raw)
    except ValueError:
        body = raw.decode("utf-8", "replace")
    refusal = _taken_apart(status, headers, body, asked)
    return _by_meaning(refusal, asked) or _by_status(refusal, asked)


def from_fault(status: int, body: JSON, asked: ErrorContext) -> ApiError:
    """An error object inside a 200 answer; `status` is 0 when it carries no usable code."""
    refusal = _taken_apart(status or 502, {}, body, asked)
    if error := _by_meaning(refusal, asked):
        return error
    error = _by_status(refusal, asked)
    error.stream_type = _STREAM_TYPES.get(status, "api_error")
    error.retryable = error.retryable and bool(status)
    return error


def fault_status(error: JSON) -> int:
    """The status that an error object names by `code` (a number or a known word), else 0."""
    code = error.get("code") if isinstance(error, dict) else None
    if isinstance(code, str):
        return _TEXT_CODES.get(code, int(code) if re.fullmatch("[45][0-9][0-9]", code) else 0)
    return code if isinstance(code, int) and 400 <= code <= 599 else 0


def _taken_apart(
    status: int, headers: dict[str, str], body: JSON, asked: ErrorContext
) -> BackendRefusal:
    text = redact(message_text(body), asked.secrets)[:MAX_TEXT].strip()
    return BackendRefusal(status, text or f"status {status}", body, headers)


def _by_meaning(refusal: BackendRefusal, asked: ErrorContext) -> ApiError | None:
    found = (meaning(refusal, asked) for meaning in _MEANINGS) if refusal.status >= 400 else ()
    return next((error for error in found if error), None)


def _by_status(refusal: BackendRefusal, asked: ErrorContext) -> ApiError:
    status = refusal.status
    row = _ROWS.get(status) or _UNLISTED.get(status // 100, _BROKEN)
    retry_after = retry_after_seconds(refusal.headers, asked.max_retry_after)
    return ApiError(
        row.status,
        row.message.format(text=refusal.text, status=status),
        retry_after=retry_after,
        blames_backend=row.blames_backend,
        retryable=row.retryable or status == 429,
        rest_seconds=_rest_seconds(refusal) if status == 429 else None,
    )


def _rest_seconds(refusal: BackendRefusal) -> int | None:
    """How long the backend asks to be left alone, however long that is."""
    return retry_after_seconds(refusal.headers, LONGEST_REST)


# --- meanings, looked for in this order -------------------------------------------------------


def _unauthorized(refusal: BackendRefusal, asked: ErrorContext) -> ApiError | None:
    if refusal.status != 401:
        return None
    if asked.operator_key:
        # The user's own key is fine; telling them to log in would be wrong.
        return ApiError.bad_gateway("Gateway credentials were rejected by the backend")
    return ApiError(401, "Backend rejected the credentials")


def _overflow(refusal: BackendRefusal, asked: ErrorContext) -> ApiError | None:
    found = context_overflow.recognise(refusal.text, refusal.body)
    if found is None:
        return None
    sizes = found.filled(asked.prompt_tokens, asked.context, asked.max_tokens)
    return context_overflow.to_error(sizes)


_IMAGE = re.compile(
    "not a multimodal model|image input is not supported|does not support image"
    "|no endpoints found that support image input|unsupported content part type"
    "|invalid image input|at most 0 image|mmproj",
    re.I,
)
_PDF = re.compile("does not support (pdf|file)|pdf (input )?is not supported", re.I)
_TOOLS = re.compile("tool choice requires|does not support tools|--jinja", re.I)
_QUOTA = re.compile(
    r"\b(credits?|balance|billing|funds)\b|quota exceeded|exceeded your .{0,20}quota"
    r"|(insufficient|consume|not enough|no remaining)[ _][a-z]{0,12}[ _]?(quota|balance)"
    r"|quota[ _](is |was |has been )?(not enough|insufficient|exhausted|used up|exceeded|failed)"
    "|额度|余额",
    re.I,
)
"""Also as relays word it: `insufficient_user_quota`, `pre_consume_token_quota_failed`."""
_NO_MODEL = re.compile(
    r"\bmodel\b.{0,300}?(not (be )?found|does ?n[o']t exist|not exist)"
    r"|(unknown|no such|unrecognized|invalid) model\b|model_not_found",
    re.I | re.S,
)


def _image(refusal: BackendRefusal, _: ErrorContext) -> ApiError | None:
    if _PDF.search(refusal.text):
        return ApiError.invalid("Could not process PDF: this model does not support PDF input")
    if _IMAGE.search(refusal.text):
        return ApiError.invalid(f"Could not process image: {refusal.text}")
    return None


def _tool_support(refusal: BackendRefusal, _: ErrorContext) -> ApiError | None:
    if not _TOOLS.search(refusal.text):
        return None
    return ApiError.invalid(f"This backend or model does not support tool use: {refusal.text}")


def _quota(refusal: BackendRefusal, _: ErrorContext) -> ApiError | None:
    if refusal.status in (402, 403, 429) and _QUOTA.search(f"{refusal.text} {refusal.code}"):
        return ApiError(402, refusal.text, rest_seconds=_rest_seconds(refusal))
    return None


def _unknown_model(refusal: BackendRefusal, asked: ErrorContext) -> ApiError | None:
    # Most servers say 404; a router in front of llama-server and transformers say 400.
    if refusal.status in (400, 404) and _NO_MODEL.search(f"{refusal.text} {refusal.code}"):
        return ApiError(404, f"model: {asked.model}")
    return None


_REFUSING = re.compile(
    "not (supported|permitted|allowed|recogni[sz]ed|accepted|implemented|valid|available)"
    "|unsupported|unavailable|unknown|unrecogni[sz]ed|unexpected|invalid"
    "|extra (inputs?|fields?|key)"
    "|does ?n[o']t (support|accept|allow)|cannot|can't|no longer|forbidden",
    re.I,
)


def _refused_field(refusal: BackendRefusal, asked: ErrorContext) -> ApiError | None:
    """A 400 that refuses an optional field of ours: the same request without it will do.

    The field is named by place (`param`, `loc`) or, as a whole word, in a sentence that refuses
    something; a word that merely occurs ("in thinking mode ...") is no refusal.
    """
    if refusal.status not in (400, 422):
        return None
    words = set(_places(refusal.body))
    if _REFUSING.search(refusal.text):
        words.update(re.findall(r"\w+", refusal.text))
    named = tuple(sorted(asked.added & words))
    if not named:
        return None
    message = _REJECTED.message.format(text=refusal.text)
    return ApiError(400, message, remedy=Remedy(without=named))


def _places(body: JSON) -> Iterator[str]:
    """Names of fields that an error body points at."""
    if isinstance(body, list):
        for item in body:
            yield from _places(item)
    if not isinstance(body, dict):
        return
    place = body.get("loc", body.get("param"))
    for part in place if isinstance(place, list) else [place]:
        if isinstance(part, str):
            yield from re.findall(r"\w+", part)
    for name in ("error", "detail", "errors", "message"):
        yield from _places(body.get(name))


_MEANINGS: tuple[Callable[[BackendRefusal, ErrorContext], ApiError | None], ...] = (
    _unauthorized,
    _overflow,
    _image,
    _tool_support,
    _quota,
    _unknown_model,
    _refused_field,
)


# --- reading an error body --------------------------------------------------------------------


def message_text(body: JSON) -> str:
    """The human sentence in an error body of any known shape; "" when there is none."""
    if isinstance(body, str):
        return _folded(_without_tags(body))
    if not isinstance(body, dict):
        return ""
    error, detail, errors = body.get("error"), body.get("detail"), body.get("errors")
    first_detail = detail[0] if isinstance(detail, list) and detail else None
    first_error = errors[0] if isinstance(errors, list) and errors else None
    candidates = (
        error.get("message") if isinstance(error, dict) else None,
        error,
        body.get("message"),
        detail,
        first_detail.get("msg") if isinstance(first_detail, dict) else first_detail,
        first_error.get("message") if isinstance(first_error, dict) else first_error,
    )
    return next((_folded(text) for text in candidates if isinstance(text, str) and text), "")


def _without_tags(text: str) -> str:
    """The first 300 characters of what a page says to a reader."""
    return re.sub(r"<(script|style).*?</\1>|<[^>]*>", " ", text, flags=re.S | re.I).strip()[:300]


def _folded(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def retry_after_seconds(headers: dict[str, str], limit: int) -> int | None:
    """`retry-after` in whole seconds, rounded up and capped; None when absent or unreadable.

    The HTTP-date form needs a clock and is turned into seconds before it gets here.
    """
    text = headers.get("retry-after", "").strip()
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", text):
        return None
    seconds = float(text)
    return min(limit, int(seconds) + (seconds > int(seconds)))
