"""A backend's refusal -> ours: the table of statuses row by row, and the wordings above it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bridge.translation.errors.api_error import ApiError, Remedy
from bridge.translation.errors.from_backend import ErrorContext, from_reply
from bridge.translation.facts import MAX_OUTPUT, STREAM_ONLY, VISION, Fact, refuses
from tests.shapes import Json
from tests.translation.transcripts import error_members

ASKED = ErrorContext(model="X", prompt_tokens=100, max_tokens=50)
FINAL = {"x-should-retry": "false"}


def refusal(status: int, body: Any, asked: ErrorContext = ASKED, **headers: str) -> ApiError:
    """What becomes of a reply; `body` is text as it is, an object as JSON, or the message."""
    raw = body if isinstance(body, str) else json.dumps(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return from_reply(status, named, raw.encode(), asked)


def said(message: str, **more: Any) -> Json:
    return {"error": {"message": message, **more}}


REJECTED = "Backend rejected the request: why"
BUSY = "Backend is overloaded or loading: why"
BROKEN = "Backend error: why"
TIMED_OUT = "Backend timed out: why"
NO_ENDPOINT = "Backend endpoint not found (check the base URL)"

# backend status, ours, type, message, counts for the breaker, may be tried again
ROWS: list[tuple[int, int, str, str, bool, bool]] = [
    (301, 502, "api_error", "Backend redirected", True, False),
    (308, 502, "api_error", "Backend redirected", True, False),
    (400, 400, "invalid_request_error", REJECTED, False, False),
    (401, 401, "authentication_error", "Backend rejected the credentials", False, False),
    (402, 402, "billing_error", "why", False, False),
    (403, 403, "permission_error", "why", False, False),
    (404, 502, "api_error", NO_ENDPOINT, True, False),
    (405, 502, "api_error", "Backend misconfigured: status 405", True, False),
    (406, 502, "api_error", "Backend misconfigured: status 406", True, False),
    (408, 504, "timeout_error", TIMED_OUT, True, True),
    (409, 529, "overloaded_error", "Backend is busy: why", False, True),
    (410, 502, "api_error", "Backend misconfigured: status 410", True, False),
    (411, 502, "api_error", "Backend misconfigured: status 411", True, False),
    (413, 413, "request_too_large", "Request too large for the backend: why", False, False),
    (415, 502, "api_error", "Backend misconfigured: status 415", True, False),
    (422, 400, "invalid_request_error", REJECTED, False, False),
    (424, 529, "overloaded_error", BUSY, True, True),
    (425, 529, "overloaded_error", BUSY, True, True),
    (429, 429, "rate_limit_error", "why", False, True),
    (499, 502, "api_error", BROKEN, False, False),
    (500, 500, "api_error", BROKEN, True, False),
    (501, 400, "invalid_request_error", "Backend does not support this request: why", False, False),
    (502, 502, "api_error", BROKEN, True, True),
    (503, 529, "overloaded_error", BUSY, True, True),
    (504, 504, "timeout_error", TIMED_OUT, True, False),
    (520, 502, "api_error", BROKEN, True, False),
    (522, 504, "timeout_error", TIMED_OUT, True, False),
    (524, 504, "timeout_error", TIMED_OUT, True, False),
    (527, 502, "api_error", BROKEN, True, False),
    (529, 529, "overloaded_error", BUSY, True, False),
    (530, 502, "api_error", BROKEN, True, False),
]


@pytest.mark.parametrize(
    ("status", "ours", "kind", "message", "blamed", "again"), ROWS, ids=[f"{r[0]}" for r in ROWS]
)
def test_status_of_the_backend_becomes_ours(
    status: int, ours: int, kind: str, message: str, blamed: bool, again: bool
) -> None:
    """The specification, E2, row by row."""
    error = refusal(status, said("why"))
    assert (error.status, error.type, error.message) == (ours, kind, message)
    assert (error.blames_backend, error.retryable) == (blamed, again)


IMAGE = "Could not process image: "
TOOLS = "This backend or model does not support tool use: "
OVERFLOW = "This model's maximum context length is 40 tokens. Your prompt contains 60 input tokens"
TOO_LONG = "prompt is too long: 60 tokens > 40 maximum"
BY_ESTIMATE = "prompt is too long: 100 tokens > 99 maximum"
NO_MODEL = {"status": 404, "type": "not_found_error", "message": "model: X", **FINAL}
BILLED = {"status": 402, "type": "billing_error", "message": "why", **FINAL}
BALANCER = {"status": 429, "type": "rate_limit_error", "message": "The balancer is busy"}
UNAUTHORIZED = {
    "status": 401,
    "type": "authentication_error",
    "message": "Backend rejected the credentials",
    **FINAL,
}
LOADING = {"status": 529, "type": "overloaded_error", "message": BUSY, "retry-after": "4"}


def invalid(message: str) -> Json:
    return {"status": 400, "type": "invalid_request_error", "message": message}


def bad_gateway(message: str) -> Json:
    return {"status": 502, "type": "api_error", "message": message}


# what the message begins with, backend status, what the backend says
PASSED_ON: list[tuple[str, str, int, str]] = [
    ("F125 an image", IMAGE, 400, "image input is not supported"),
    ("F125 an image with 500", IMAGE, 500, "image input is not supported - hint: mmproj"),
    ("E5 vLLM", IMAGE, 400, "m is not a multimodal model"),
    ("E5 does not support image", IMAGE, 400, "It does not support image input"),
    ("E5 OpenRouter", IMAGE, 404, "No endpoints found that support image input"),
    ("E5 unsupported part", IMAGE, 400, "Unsupported content part type: 'image_url'"),
    ("E5 Ollama", IMAGE, 400, "invalid image input"),
    ("E5 vLLM limit", IMAGE, 400, "At most 0 image(s) may be provided"),
    ("E5 llama.cpp", IMAGE, 500, "you may need to provide the mmproj"),
    ("E2 tools: vLLM", TOOLS, 400, '"auto" tool choice requires --enable-auto-tool-choice'),
    ("E2 tools: Ollama", TOOLS, 400, "m does not support tools"),
    ("E2 tools: llama.cpp with 500", TOOLS, 500, "tools param requires --jinja flag"),
]


@pytest.mark.parametrize(
    ("prefix", "status", "message"), [p[1:] for p in PASSED_ON], ids=[p[0] for p in PASSED_ON]
)
def test_what_the_model_cannot_do_is_an_invalid_request(
    prefix: str, status: int, message: str
) -> None:
    """The specification, E2, E5 and G16; Claude Code strips images on this wording."""
    error = refusal(status, said(message))
    assert error_members(error) == invalid(prefix + message)
    assert not error.blames_backend


NO_PDF = "Could not process PDF: this model does not support PDF input"
MEANINGS: list[tuple[str, int, Any, Json]] = [
    ("F96 overflow with 400", 400, said(OVERFLOW), invalid(TOO_LONG)),
    ("E2 overflow with 413", 413, said(OVERFLOW), invalid(TOO_LONG)),
    ("G16 overflow with 500", 500, said(OVERFLOW), invalid(TOO_LONG)),
    ("E2 overflow by code", 400, said("no", code="context_length_exceeded"), invalid(BY_ESTIMATE)),
    ("E5 PDF", 400, said("This model does not support PDF input"), invalid(NO_PDF)),
    ("F118 402", 402, said("Insufficient credits"), BILLED | {"message": "Insufficient credits"}),
    ("F118 429 with a code", 429, said("why", code="insufficient_quota"), BILLED),
    ("F118 429 balance", 429, said("No balance"), BILLED | {"message": "No balance"}),
    ("F118 403 quota", 403, said("Quota exceeded"), BILLED | {"message": "Quota exceeded"}),
    ("F118 429 that is no quota", 429, said("The balancer is busy"), BALANCER),
    ("F119 an unknown model", 404, said("The model X does not exist"), NO_MODEL),
    ("F119 by its code", 404, said("no", code="model_not_found"), NO_MODEL),
    ("F119 llama.cpp's router with 400", 400, said("model 'X' not found"), NO_MODEL),
    ("F119 transformers with 400", 400, {"detail": "Unknown model: X"}, NO_MODEL),
    ("F119 no such path", 404, {"detail": "Not Found"}, bad_gateway(NO_ENDPOINT)),
    ("F120 details", 422, {"detail": [{"loc": ["body"], "msg": "why"}]}, invalid(REJECTED)),
    ("F121 an error that is a string", 401, {"error": "Unauthorized"}, UNAUTHORIZED),
    ("F121 the same with 502", 502, {"error": "why"}, bad_gateway(BROKEN)),
    ("F127 503 with a delay", 503, said("why"), LOADING),
]


@pytest.mark.parametrize(
    ("status", "body", "expected"), [m[1:] for m in MEANINGS], ids=[m[0] for m in MEANINGS]
)
def test_meaning_goes_before_status(status: int, body: Any, expected: Json) -> None:
    """The specification, E2, E4 and G16; backends observed."""
    headers = {"retry_after": expected["retry-after"]} if "retry-after" in expected else {}
    assert error_members(refusal(status, body, **headers)) == expected


def test_f117_rejected_credentials_of_the_operator_are_not_the_users_fault() -> None:
    """F117: with the operator's key it is a 502, so that users are not told to log in."""
    error = refusal(401, said("no"), ErrorContext(operator_key=True))
    message = "Gateway credentials were rejected by the backend"
    assert error_members(error) == {"status": 502, "type": "api_error", "message": message}
    assert error.blames_backend
    assert not refusal(401, said("no")).blames_backend


def test_f115_absent_delay_stays_absent() -> None:
    """F115: nothing is invented."""
    assert "retry-after" not in refusal(429, said("why")).reply_headers()


ALL = {"stream_options", "reasoning_effort", "thinking", "response_format", "strict"}
ALL |= {"parallel_tool_calls", "enable_thinking", "chat_template_kwargs"}
EXTRA = {"detail": [{"loc": ["body", "reasoning_effort"], "msg": "Extra inputs", "type": "x"}]}
POINTED = {"errors": [{"message": "no", "loc": "tools.0.function.strict"}]}
REFUSED_FIELDS: list[tuple[str, int, Any, tuple[str, ...]]] = [
    ("F126 named", 400, said("Unknown field: stream_options"), ("stream_options",)),
    ("F126 pointed at", 400, said("why", param="stream_options"), ("stream_options",)),
    ("pointed at by a 422", 422, EXTRA, ("reasoning_effort",)),
    ("pointed at inside another", 400, POINTED, ("strict",)),
    (
        "two at once",
        400,
        said("thinking and reasoning_effort are not supported together"),
        ("reasoning_effort", "thinking"),
    ),
    (
        "the reference",
        400,
        said("Unsupported parameter: 'parallel_tool_calls' is not supported with this model."),
        ("parallel_tool_calls",),
    ),
    (
        "DeepSeek",
        400,
        said("This response_format type is unavailable now"),
        ("response_format",),
    ),
    (
        "inside the template's arguments",
        400,
        said("chat_template_kwargs: unexpected key enable_thinking"),
        ("chat_template_kwargs", "enable_thinking"),
    ),
]


@pytest.mark.parametrize(
    ("status", "body", "without"),
    [r[1:] for r in REFUSED_FIELDS],
    ids=[r[0] for r in REFUSED_FIELDS],
)
def test_refused_field_of_ours_may_be_left_out(
    status: int, body: Any, without: tuple[str, ...]
) -> None:
    """The specification, E2 and C7: one more try without it."""
    error = refusal(status, body, ErrorContext(added=frozenset(ALL)))
    assert error.remedy == Remedy(facts=refuses(*without))
    assert (error.status, error.type) == (400, "invalid_request_error")


ONE_OF_TWO = "`temperature` and `top_p` cannot both be specified for this model. Use only one."
JSON_SCHEMA = "`response_format.type` is not valid: `json_schema` is not supported by this model"


def test_of_two_fields_that_exclude_each_other_one_stays() -> None:
    """Bedrock: the temperature is what people set."""
    asked = ErrorContext(added=frozenset({"temperature", "top_p"}))
    assert refusal(400, said(ONE_OF_TWO), asked).remedy == Remedy(facts=refuses("top_p"))


def test_refused_response_format_is_no_refused_schema_of_a_tool() -> None:
    """Ark: narrowed schemas would be refused as well."""
    asked = ErrorContext(added=frozenset({"response_format"}), can_narrow=True)
    error = refusal(400, said(JSON_SCHEMA), asked)
    assert error.remedy == Remedy(facts=refuses("response_format"))


LIMITS: list[tuple[str, str, int]] = [
    ("less than", "max_tokens must be less than 8193", 8192),
    (
        "Vertex",
        "maxOutputTokens of 32000 but the range is from 1 (inclusive) to 8193 (exclusive)",
        8192,
    ),
    ("smaller than", "max_tokens has to be a positive integer smaller than 5,001", 5000),
    ("at most as many", "max_tokens must be less than or equal to 8192", 8192),
    (
        "a comparison",
        "max_tokens: 32000 > 8192, the maximum number of output tokens",
        8192,
    ),
    ("Cohere", "max tokens must be less than or equal to 4096; received 32000.", 4096),
    (
        "Bedrock",
        "The maximum tokens you requested exceeds the model limit of 8192. Try again with a "
        "maximum tokens value that is lower than 8192.",
        8191,
    ),
]


@pytest.mark.parametrize(("message", "limit"), [m[1:] for m in LIMITS], ids=[m[0] for m in LIMITS])
def test_longest_answer_is_one_that_the_backend_takes(message: str, limit: int) -> None:
    """A2: a limit that must not be reached is refused once more itself."""
    asked = ErrorContext(max_tokens=32000, sent={"max_tokens": 32000})
    learnt = Remedy(facts=(Fact(MAX_OUTPUT, str(limit)),))
    assert refusal(400, said(message), asked).remedy == learnt


LONG_ANSWERS_STREAM = "Requests with max_tokens > 4096 must have stream=true"


def test_long_answer_that_must_be_streamed_is_streamed() -> None:
    """Fireworks: a shorter one is not what was asked for."""
    asked = ErrorContext(max_tokens=32000, sent={"max_tokens": 32000, "stream": False})
    error = refusal(400, said(LONG_ANSWERS_STREAM), asked)
    assert error.remedy == Remedy(facts=(Fact(STREAM_ONLY),))


PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
SEEING: Json = {"messages": [{"role": "user", "content": [PICTURE]}]}
BLIND = Remedy(facts=(Fact(VISION, "no"),))
SEEN: list[tuple[str, int, str]] = [
    ("DashScope", 400, "The item of content should be a message of a certain modal"),
    ("a template", 500, 'can only concatenate str (not "list") to str'),
]


@pytest.mark.parametrize(("status", "message"), [s[1:] for s in SEEN], ids=[s[0] for s in SEEN])
def test_image_is_refused_in_other_words(status: int, message: str) -> None:
    """A7: some templates simply break on content that is a list."""
    error = refusal(status, said(message), ErrorContext(sent=SEEING))
    assert (error.message, error.remedy) == (f"Could not process image: {message}", BLIND)


def test_name_of_a_tool_says_nothing_of_images() -> None:
    """A7: the model would lose its sight over the schema of a tool."""
    tools = [{"type": "function", "function": {"name": "view_image"}}]
    message = "Invalid schema for function 'view_image': additionalProperties is not supported"
    error = refusal(400, said(message), ErrorContext(sent=SEEING | {"tools": tools}))
    assert (error.message, error.remedy) == (f"Backend rejected the request: {message}", None)


NO_REMEDY: list[tuple[str, int, set[str], Any]] = [
    ("a field of the client", 400, set(), said("Unknown field: reasoning_effort")),
    ("another status", 500, ALL, said("Unknown field: reasoning_effort")),
    ("a word that merely occurs", 400, ALL, said("In thinking mode, content must be a string")),
    ("part of a longer word", 400, ALL, said("Unknown field: strict_mode")),
    ("another place", 400, ALL, said("why", param="messages")),
    ("no text at all", 400, ALL, {"detail": [5], "error": {"loc": [0, None]}}),
]


@pytest.mark.parametrize(
    ("status", "added", "body"), [n[1:] for n in NO_REMEDY], ids=[n[0] for n in NO_REMEDY]
)
def test_other_refusals_have_no_remedy(status: int, added: set[str], body: Any) -> None:
    """The specification, E2: only what the gateway added, and only for a 400 or 422."""
    assert refusal(status, body, ErrorContext(added=frozenset(added))).remedy is None


def test_bodies_without_a_sentence_name_the_status() -> None:
    """The specification, B8: something is always said."""
    assert refusal(500, "").message == "Backend error: status 500"
    assert from_reply(500, {}, b"\xff\xfe", ASKED).message.startswith("Backend error: ")


def test_message_is_cut() -> None:
    """The specification, E: 1000 characters."""
    assert refusal(500, said("x" * 2000)).message == "Backend error: " + "x" * 1000


def test_f128_secrets_are_taken_out() -> None:
    """F128: the key that was sent, a bearer token, and paths."""
    asked = ErrorContext(secrets=("the-upstream-key",))
    message = "key the-upstream-key, Bearer abcdef, at /srv/models/x"
    shown = "Backend error: key [redacted], Bearer [redacted], at [path]"
    assert refusal(500, said(message), asked).message == shown
