"""Errors inside good answers, and finding the sentence in an error of any shape."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.translation.errors.from_backend import (
    ErrorContext,
    fault_status,
    from_fault,
    message_text,
)
from tests.shapes import Json

ASKED = ErrorContext(model="X", prompt_tokens=100, max_tokens=50)
OVERFLOW = "This model's maximum context length is 40 tokens. Your prompt contains 60 input tokens"
TOO_LONG = "prompt is too long: 60 tokens > 40 maximum"


def said(message: str, **more: Any) -> Json:
    return {"error": {"message": message, **more}}


STREAM_TYPES: list[tuple[int, str]] = [
    *((code, "invalid_request_error") for code in (400, 404, 405, 409, 413, 422)),
    (401, "authentication_error"),
    (402, "billing_error"),
    (403, "permission_error"),
    (408, "timeout_error"),
    (504, "timeout_error"),
    (429, "rate_limit_error"),
    *((code, "overloaded_error") for code in (502, 503, 529)),
    *((code, "api_error") for code in (0, 500, 501, 499, 418, 520, 424, 425)),
]


@pytest.mark.parametrize(("code", "kind"), STREAM_TYPES)
def test_code_inside_a_stream_decides_the_type_of_the_event(code: int, kind: str) -> None:
    """The specification, E3."""
    assert from_fault(code, said("why", code=code), ASKED).stream_type == kind


STREAM_MEANINGS: list[tuple[str, Any, str, str]] = [
    ("overflow without a code", said(OVERFLOW), "invalid_request_error", TOO_LONG),
    (
        "an unknown model",
        said("The model X does not exist", code=404),
        "not_found_error",
        "model: X",
    ),
    ("a used-up quota", said("why", code="insufficient_quota"), "billing_error", "why"),
    ("an image", said("mmproj"), "invalid_request_error", "Could not process image: mmproj"),
]


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [m[1:] for m in STREAM_MEANINGS],
    ids=[m[0] for m in STREAM_MEANINGS],
)
def test_meaning_goes_before_code_inside_a_stream(body: Any, kind: str, message: str) -> None:
    """The specification, E3."""
    error = from_fault(fault_status(body["error"]), body, ASKED)
    assert (error.stream_type, error.message) == (kind, message)


CODES: list[tuple[Any, int]] = [
    ({"code": 503}, 503),
    ({"code": "429"}, 429),
    ({"code": "context_length_exceeded"}, 400),
    ({"code": "model_not_found"}, 404),
    ({"code": "invalid_api_key"}, 401),
    ({"code": "insufficient_quota"}, 402),
    ({"code": "rate_limit_exceeded"}, 429),
    ({"code": "server_error"}, 500),
    ({"code": "42900"}, 0),
    ({"code": "whatever"}, 0),
    ({"code": 200}, 0),
    ({"code": 600}, 0),
    ({"code": None}, 0),
    ({}, 0),
    ("text", 0),
    ("Rate limit exceeded", 429),
    ({"message": "Open api qps request limit reached", "code": 18}, 429),
    ({"message": "The model is overloaded"}, 529),
    ({"message": "Insufficient balance"}, 402),
    ("Not authenticated", 401),
    ({"message": "The model is overloaded", "code": 500}, 500),
]


@pytest.mark.parametrize(("error", "status"), CODES)
def test_code_of_an_error_object_is_a_status_or_nothing(error: Any, status: int) -> None:
    """The specification, D1.1 and B8."""
    assert fault_status(error) == status


TEXTS: list[tuple[str, Any, str]] = [
    ("reference", said("why", type="x", param=None, code=None), "why"),
    ("vLLM wrong key", {"error": "Unauthorized"}, "Unauthorized"),
    ("SGLang", {"object": "error", "message": "why", "type": "BadRequest", "code": 400}, "why"),
    ("FastAPI", {"detail": "why"}, "why"),
    ("FastAPI validation", {"detail": [{"loc": ["body"], "msg": "why", "type": "x"}]}, "why"),
    ("a list of texts", {"detail": ["why"]}, "why"),
    ("errors", {"errors": [{"message": "why"}]}, "why"),
    ("Apigee", {"fault": {"faultstring": "why"}}, "why"),
    ("AWS", {"Message": "why"}, "why"),
    ("errors as texts", {"errors": ["why"]}, "why"),
    ("the first that says something", {"error": {"message": ""}, "message": "why"}, "why"),
    ("white space is folded", said("a\n  b"), "a b"),
    ("signs of comparison", said("n must be < 4 and > 0"), "n must be < 4 and > 0"),
    (
        "a page",
        "<html><style>b{}</style><body><h1>502</h1> Bad\nGateway</body></html>",
        "502 Bad Gateway",
    ),
    ("plain text", "Internal Server Error", "Internal Server Error"),
    ("a long page", "<p>" + "x" * 900, "x" * 300),
    ("a long text", "x" * 900, "x" * 300),
    ("an empty object", {}, ""),
    ("empty lists", {"detail": [], "errors": []}, ""),
    ("nothing readable", {"error": {"message": 5}, "detail": [5], "errors": [5]}, ""),
    ("a number", 5, ""),
]


@pytest.mark.parametrize(("body", "text"), [t[1:] for t in TEXTS], ids=[t[0] for t in TEXTS])
def test_sentence_is_found_in_any_shape(body: Any, text: str) -> None:
    """The specification, B8."""
    assert message_text(body) == text
