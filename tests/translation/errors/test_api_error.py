"""The one error type, as a reply with a status and as an event in a stream."""

from __future__ import annotations

import json

import pytest

from bridge.translation.errors.api_error import ApiError

TYPES: list[tuple[int, str, str]] = [
    (400, "invalid_request_error", "invalid_request_error"),
    (401, "authentication_error", "authentication_error"),
    (402, "billing_error", "billing_error"),
    (403, "permission_error", "permission_error"),
    (404, "not_found_error", "not_found_error"),
    (405, "invalid_request_error", "invalid_request_error"),
    (408, "timeout_error", "timeout_error"),
    (409, "conflict_error", "invalid_request_error"),
    (413, "request_too_large", "invalid_request_error"),
    (422, "invalid_request_error", "invalid_request_error"),
    (429, "rate_limit_error", "rate_limit_error"),
    (500, "api_error", "api_error"),
    (502, "api_error", "overloaded_error"),
    (503, "api_error", "overloaded_error"),
    (504, "timeout_error", "timeout_error"),
    (529, "overloaded_error", "overloaded_error"),
    (418, "api_error", "api_error"),
]


@pytest.mark.parametrize(("status", "kind", "in_stream"), TYPES, ids=[str(t[0]) for t in TYPES])
def test_status_decides_the_type(status: int, kind: str, in_stream: str) -> None:
    """API documentation (A12), and the table for streams (E3)."""
    error = ApiError(status, "why")
    assert (error.type, error.stream_type, str(error)) == (kind, in_stream, "why")


def test_given_types_win() -> None:
    """The specification: an exhausted budget is a 429 that is a billing error."""
    error = ApiError(429, "why", type="billing_error")
    assert (error.type, error.stream_type) == ("billing_error", "billing_error")
    assert ApiError(502, "why", stream_type="api_error").stream_type == "api_error"


HEADERS: list[tuple[str, ApiError, dict[str, str]]] = [
    ("an ordinary error has none", ApiError(400, "x"), {}),
    ("401 is final", ApiError(401, "x"), {"x-should-retry": "false"}),
    ("402 is final", ApiError(402, "x"), {"x-should-retry": "false"}),
    ("403 is final", ApiError(403, "x"), {"x-should-retry": "false"}),
    ("404 is final", ApiError(404, "x"), {"x-should-retry": "false"}),
    ("501 is final", ApiError(501, "x"), {"x-should-retry": "false"}),
    ("unless it is said otherwise", ApiError(404, "x", should_retry=True), {}),
    ("429 may say when", ApiError(429, "x", retry_after=7), {"retry-after": "7"}),
    ("529 may say when", ApiError(529, "x", retry_after=0), {"retry-after": "0"}),
    ("others never say when", ApiError(500, "x", retry_after=7), {}),
    (
        "a reached cap",
        ApiError(429, "x", retry_after=9, should_retry=False, headers={"a": "b"}),
        {"a": "b", "retry-after": "9", "x-should-retry": "false"},
    ),
]


@pytest.mark.parametrize(
    ("error", "headers"), [h[1:] for h in HEADERS], ids=[h[0] for h in HEADERS]
)
def test_headers_tell_clients_whether_to_try_again(
    error: ApiError, headers: dict[str, str]
) -> None:
    """The specification, A3; SDKs and Claude Code observed obeying them."""
    assert error.reply_headers() == headers


def test_envelope_is_the_same_everywhere() -> None:
    """API documentation, A12; the error code selects behaviour in the SDKs."""
    error = ApiError.invalid("thread: no", error_code="thread_unsupported_request")
    expected = {
        "type": "error",
        "error": {
            "type": "invalid_request_error",
            "message": "thread: no",
            "details": {"error_code": "thread_unsupported_request"},
        },
        "request_id": "req_1",
    }
    assert error.envelope("req_1") == json.loads(error.body("req_1")) == expected
    plain = {"type": "api_error", "message": "x"}
    assert ApiError(500, "x").envelope("req_1")["error"] == plain


def test_bad_gateway_blames_the_backend() -> None:
    """The specification, E2: what a backend did counts for its breaker."""
    error = ApiError.bad_gateway("x", retryable=True)
    said = (error.status, error.type, error.stream_type, error.blames_backend, error.retryable)
    assert said == (502, "api_error", "api_error", True, True)
    assert not ApiError.bad_gateway("x").retryable
