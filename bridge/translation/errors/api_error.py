"""The one error type, and how it looks to a Claude client.

An `ApiError` may be raised anywhere. It is rendered in one of two ways: as a JSON reply with its
status while nothing has been sent, as an ``error`` event after that. Clients act on what it
carries: SDKs pick the exception class by status and retry 408, 409, 429 and 5xx; Claude Code
retries a 401 for three minutes unless ``x-should-retry: false`` stands beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bridge.translation.facts import Fact
from bridge.translation.json import JSON, encode

TYPES: dict[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
    500: "api_error",
    502: "api_error",
    503: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""HTTP status -> `error.type`, as the Messages API pairs them."""

STREAM_TYPES: dict[int, str] = {
    405: "invalid_request_error",
    408: "timeout_error",
    409: "invalid_request_error",
    413: "invalid_request_error",
    502: "overloaded_error",
    503: "overloaded_error",
}
"""Where an open stream says something else: there no status speaks, so the type has to.
Claude Code tries again on `overloaded_error`."""

FINAL = frozenset({401, 402, 403, 404, 501})
"""Statuses that a retry cannot mend: they carry ``x-should-retry: false``."""

WITH_RETRY_AFTER = frozenset({429, 503, 529})

LONGEST_RETRY_AFTER = 60
"""Seconds. A longer wait is passed on as it is, with the word not to try again: Claude Code shows
the message at once then, and SDKs do not sleep for hours."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """What would make the same request work: habits of the backend to respect, or a smaller
    `max_tokens` for this request alone."""

    facts: tuple[Fact, ...] = ()
    max_tokens: int | None = None


@dataclass(eq=False)
class ApiError(Exception):
    """What went wrong, in the client's terms, and what it means for us.

    status, message   what the client sees; `type` follows from the status unless given
    stream_type       the type that an ``error`` event gives it
    retry_after       seconds, only shown on 429, 503 and 529
    should_retry      False tells SDKs and Claude Code to give up at once
    error_code        `error.details.error_code`, which selects behaviour in clients
    blames_backend    counts as a failure for the backend's circuit breaker
    retryable         the gateway itself may try once more before the client sees anything
    remedy            a change to the request under which a second try makes sense
    rest_seconds      how long the backend asks to be left alone with this model
    cause             what operators read beside the message; no client ever does
    backend_text      the backend's own sentence, as far as it may be quoted
    family            the family of backends that the reply gives away, see `family_signs.py`
    unreachable       no connection to the backend came about
    learned           what earlier tries of the same request taught, each with its sentence
    context_limit     tokens of a window that the prompt does not fit; 0 for any other error
    """

    status: int
    message: str
    type: str = ""
    stream_type: str = ""
    retry_after: int | None = None
    should_retry: bool | None = None
    error_code: str | None = None
    blames_backend: bool = False
    retryable: bool = False
    remedy: Remedy | None = None
    learned: list[tuple[tuple[Fact, ...], str]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    rest_seconds: int | None = None
    cause: str = ""
    unreachable: bool = False
    backend_text: str = ""
    family: str = ""
    context_limit: int = 0

    def __post_init__(self) -> None:
        Exception.__init__(self, self.message)
        self.type = self.type or TYPES.get(self.status, "api_error")
        self.stream_type = self.stream_type or STREAM_TYPES.get(self.status, self.type)
        if self.should_retry is None and (self.status in FINAL or self._takes_long):
            self.should_retry = False

    @property
    def _takes_long(self) -> bool:
        return self.status in WITH_RETRY_AFTER and (self.retry_after or 0) > LONGEST_RETRY_AFTER

    @classmethod
    def invalid(cls, message: str, *, error_code: str | None = None) -> ApiError:
        """A 400 that names the field at fault."""
        return cls(400, message, error_code=error_code)

    @classmethod
    def bad_gateway(cls, message: str, *, retryable: bool = False, cause: str = "") -> ApiError:
        """A 502 for something that the backend did, or failed to do."""
        return cls(
            502,
            message,
            stream_type="api_error",
            blames_backend=True,
            retryable=retryable,
            cause=cause,
        )

    @property
    def for_operators(self) -> str:
        """The message, and the cause where there is one."""
        return f"{self.message} ({self.cause})" if self.cause else self.message

    @property
    def details(self) -> dict[str, JSON]:
        """`error.details`; empty where there are none."""
        return {"error_code": self.error_code} if self.error_code else {}

    def envelope(self, request_id: str) -> JSON:
        """The body of the reply."""
        error: dict[str, JSON] = {"type": self.type, "message": self.message}
        if self.details:
            error["details"] = self.details
        return {"type": "error", "error": error, "request_id": request_id}

    def body(self, request_id: str) -> bytes:
        """The body of the reply, as bytes."""
        return encode(self.envelope(request_id))

    def reply_headers(self) -> dict[str, str]:
        """Headers beside content type and request id."""
        headers = dict(self.headers)
        if self.retry_after is not None and self.status in WITH_RETRY_AFTER:
            headers["retry-after"] = str(self.retry_after)
        if self.should_retry is False:
            headers["x-should-retry"] = "false"
        return headers
