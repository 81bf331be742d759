"""Errors through the official SDK: the class that it raises, and what the error says."""

from email.utils import formatdate
from time import time

import anthropic
import pytest
from anthropic import Anthropic, APIStatusError

from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import failure, finish, fold, role, text
from tests.fakes.client import KEY
from tests.fakes.gateway import Gateway

CONTEXT = (
    "This model's maximum context length is 4096 tokens. However, your prompt contains "
    "9000 input tokens. Please reduce the length of the messages."
)
TOO_LONG = "prompt is too long: 9000 tokens > 4096 maximum"


def provoke(sdk: Anthropic, streamed: bool, model: str = ALPHA) -> APIStatusError:
    """The error that this request ends in; streams must raise before they begin."""
    with pytest.raises(APIStatusError) as caught:
        sdk.messages.create(
            model=model,
            max_tokens=100,
            messages=[{"role": "user", "content": "hi"}],
            stream=streamed,
        )
    return caught.value


def message_of(error: APIStatusError) -> str:
    body = error.body
    assert isinstance(body, dict)
    return str(body["error"]["message"])


# backend's status and text -> class, status, error type, text that must be in the message
ANSWERS = [
    (400, "temperature is odd", anthropic.BadRequestError, 400, "temperature is odd"),
    (
        400,
        CONTEXT,
        anthropic.BadRequestError,
        400,
        "prompt is too long: 9000 tokens > 4096 maximum",
    ),
    (
        500,
        "image input is not supported",
        anthropic.BadRequestError,
        400,
        "Could not process image",
    ),
    (401, "no", anthropic.AuthenticationError, 401, "Backend rejected the credentials"),
    (402, "Top up.", anthropic.PaymentRequiredError, 402, "Top up."),
    (403, "not for you", anthropic.PermissionDeniedError, 403, "not for you"),
    (404, f"The model `{ALPHA}` does not exist.", anthropic.NotFoundError, 404, f"model: {ALPHA}"),
    (404, "Not Found", anthropic.InternalServerError, 502, "Backend endpoint not found"),
    (413, "too big", anthropic.ContentTooLargeError, 413, "Request too large for the backend"),
    (422, "bad x", anthropic.BadRequestError, 400, "bad x"),
    (429, "slow down", anthropic.RateLimitError, 429, "slow down"),
    (429, "insufficient_quota", anthropic.PaymentRequiredError, 402, "insufficient_quota"),
    (500, "boom", anthropic.InternalServerError, 500, "Backend error: boom"),
    (501, "cannot", anthropic.BadRequestError, 400, "cannot"),
    (502, "proxy", anthropic.InternalServerError, 502, ""),
    (503, "loading model", anthropic.OverloadedError, 529, "loading model"),
    (504, "late", anthropic.GatewayTimeoutError, 504, ""),
    (529, "busy", anthropic.OverloadedError, 529, ""),
]
TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    502: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize(
    ("given", "text", "kind", "status", "said"),
    [pytest.param(*row, id=f"{row[0]} {row[1]:.20}") for row in ANSWERS],
)
def test_backend_error_raises_its_class(
    sdk: Anthropic,
    backend: FakeBackend,
    streamed: bool,
    given: int,
    text: str,
    kind: type[APIStatusError],
    status: int,
    said: str,
) -> None:
    """API documentation: the status and the type choose the class, in streams too. S7."""
    backend.on(ALPHA).error(given, text)
    error = provoke(sdk, streamed)
    assert (type(error), error.status_code, error.type) == (kind, status, TYPES[status])
    assert said in message_of(error)
    assert error.request_id and error.request_id.startswith("req_")


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize(
    ("given", "passed_on"),
    [("7", "7"), ("2.5", "3"), ("60", "60"), ("86400", "86400"), (None, None)],
)
def test_retry_after_is_passed_on(
    sdk: Anthropic,
    backend: FakeBackend,
    streamed: bool,
    given: str | None,
    passed_on: str | None,
) -> None:
    """Observed clients: wait as told, and give up when told more than a minute. F115, H5, S5."""
    backend.on(ALPHA).error(429, "slow down", {} if given is None else {"retry-after": given})
    error = provoke(sdk, streamed)
    assert error.response.headers.get("retry-after") == passed_on
    final = "false" if given == "86400" else None
    assert error.response.headers.get("x-should-retry") == final
    assert len(backend.calls) == 1


def test_retry_after_as_a_date_becomes_seconds(sdk: Anthropic, backend: FakeBackend) -> None:
    """Observed client: ignores dates. F115."""
    date = formatdate(time() + 40, usegmt=True)
    backend.on(ALPHA).error(429, "slow down", {"retry-after": date})
    assert 20 <= int(provoke(sdk, False).response.headers["retry-after"]) <= 41


@pytest.mark.parametrize("given", [401, 402, 403, 404])
def test_hopeless_error_is_not_retried_by_clients(
    sdk: Anthropic, backend: FakeBackend, given: int
) -> None:
    """Observed client: tries a 401 for three minutes unless told not to."""
    backend.on(ALPHA).error(given, f"The model `{ALPHA}` does not exist.")
    assert provoke(sdk, False).response.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("given", [429, 500, 503])
def test_passing_error_may_be_retried(sdk: Anthropic, backend: FakeBackend, given: int) -> None:
    """API documentation: without the header, the SDK's own rule holds."""
    backend.on(ALPHA).error(given)
    assert "x-should-retry" not in provoke(sdk, False).response.headers


def test_sdk_retries_its_way_to_the_answer(gateway: Gateway, backend: FakeBackend) -> None:
    """Observed client: two more tries after a failure that may pass."""
    backend.on(ALPHA).error(500).error(500).json(fold([text("Hello"), finish("stop")], ALPHA))
    with Anthropic(api_key=KEY, base_url=gateway.url, max_retries=2, timeout=60) as patient:
        message = patient.messages.create(
            model=ALPHA, max_tokens=100, messages=[{"role": "user", "content": "hi"}]
        )
    assert message.content[0].to_dict()["text"] == "Hello"
    assert len(backend.calls) == 3


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
def test_unknown_model_is_answered_with_the_known_ones(
    sdk: Anthropic, backend: FakeBackend, streamed: bool
) -> None:
    """Ours: a 404 that helps; API documentation: its type. F63, R9, S19."""
    error = provoke(sdk, streamed, model="test/alpa")
    assert isinstance(error, anthropic.NotFoundError)
    first, second = message_of(error).split("\n")
    assert first == "model: test/alpa"
    assert second.startswith("Available models: test/alpha")
    assert error.response.headers["x-should-retry"] == "false"
    assert backend.calls == []


def test_error_inside_a_stream_is_raised(sdk: Anthropic, backend: FakeBackend) -> None:
    """API documentation: an error event becomes an exception while the stream is read."""
    backend.on(ALPHA).stream(role(), text("He"), failure("out of memory", 503))
    seen: list[str] = []
    with (
        pytest.raises(APIStatusError) as caught,
        sdk.messages.stream(
            model=ALPHA, max_tokens=100, messages=[{"role": "user", "content": "hi"}]
        ) as stream,
    ):
        seen.extend(stream.text_stream)
    assert seen == ["He"]
    assert caught.value.type == "overloaded_error"


def test_backend_address_and_key_are_never_shown(sdk: Anthropic, backend: FakeBackend) -> None:
    """Ours: errors of a backend may quote what it was sent. F128."""
    said = f"Bearer {KEY} refused at {backend.chat_url} (key {KEY})"
    backend.on(ALPHA).error(500, said)
    shown = message_of(provoke(sdk, False))
    assert KEY not in shown
    assert str(backend.port) not in shown
