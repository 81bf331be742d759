"""Headers in both directions: identity of requests, versions, and what stays inside."""

import re

import pytest

from tests.fakes.backend import ALPHA, HELLO, FakeBackend
from tests.fakes.chunks import fold
from tests.fakes.client import MESSAGES, ask
from tests.fakes.gateway import Gateway

REQUEST_ID = re.compile(r"req_[A-Za-z0-9_-]{24,}")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", MESSAGES, ask()),
        ("POST", MESSAGES, ask(stream=True)),
        ("POST", MESSAGES, {}),
        ("POST", "/v1/messages/count_tokens", ask()),
        ("GET", "/v1/models", None),
        ("GET", "/v1/nope", None),
        ("GET", MESSAGES, None),
        ("GET", "/health", None),
        ("GET", "/api/hello", None),
    ],
)
def test_every_response_has_an_identity_of_its_own(
    gateway: Gateway, method: str, path: str, body: object
) -> None:
    """API documentation: the header that SDKs expose."""
    first, second = (gateway.client.request(method, path, body) for _ in range(2))
    assert REQUEST_ID.fullmatch(first.headers["request-id"])
    assert first.headers["request-id"] != second.headers["request-id"]


@pytest.mark.parametrize("path", ["/v1/nope", "/v1/models/nope"])
def test_error_names_the_identity_in_its_body(gateway: Gateway, path: str) -> None:
    """API documentation: header and envelope agree. S23."""
    response = gateway.client.get(path)
    assert response.json["request_id"] == response.headers["request-id"]
    assert response.headers["content-type"] == "application/json"


def test_stream_is_marked_for_those_in_between(gateway: Gateway) -> None:
    """Observed proxies: buffer an event stream unless told not to."""
    with gateway.client.stream() as stream:
        assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert stream.headers["cache-control"] == "no-cache"
        assert stream.headers["x-accel-buffering"] == "no"
        assert stream.message()["content"] == [{"type": "text", "text": "Hello"}]


def test_plain_answer_is_json(gateway: Gateway) -> None:
    """API documentation."""
    assert gateway.client.messages().headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "headers",
    [
        {"anthropic-version": "2026-10-21"},
        {"anthropic-version": "1999-01-01"},
        {"anthropic-version": ""},
        {"anthropic-beta": "a,b,never-heard-of"},
        {"x-stainless-timeout": "NOT_GIVEN", "x-stainless-retry-count": "2"},
        {"accept": "application/json"},
        {"accept": "text/event-stream"},
        {"content-type": "text/plain"},
        {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
    ],
    ids=lambda headers: ",".join(f"{name}={value:.12}" for name, value in headers.items()),
)
def test_unusual_header_does_no_harm(gateway: Gateway, headers: dict[str, str]) -> None:
    """Observed clients: two versions are in use, and betas come and go. F7, F8."""
    assert gateway.client.messages(headers).status == 200


@pytest.mark.parametrize("query", ["?beta=true", "?", "?x=%00&y"])
def test_query_is_ignored(gateway: Gateway, query: str) -> None:
    """Observed client: appends one to every call. F5."""
    assert gateway.client.post(MESSAGES + query, ask()).status == 200


def test_headers_of_the_backend_stay_behind(gateway: Gateway, backend: FakeBackend) -> None:
    """Ours: they describe the operator's account, not the caller's."""
    private = {
        "anthropic-ratelimit-requests-remaining": "1",
        "anthropic-organization-id": "org",
        "x-ratelimit-remaining-tokens": "5",
        "cf-ray": "8",
        "via": "1.1 proxy",
        "request-id": "req_backend",
        "x-request-id": "backend",
        "x-should-retry": "true",
    }
    backend.on(ALPHA).json({"error": {"message": "no"}}, 400, private)
    headers = gateway.client.messages().headers
    assert headers["request-id"] != "req_backend"
    assert not (private.keys() - {"request-id"}) & {name.lower() for name in headers}


def test_cookie_of_the_backend_does_not_come_back(gateway: Gateway, backend: FakeBackend) -> None:
    """Ours: what a backend hands to one caller, the next one must not bring along."""
    hello = fold(HELLO, ALPHA)
    backend.on(ALPHA).json(hello, headers={"set-cookie": "session=first-caller; Path=/"})
    gateway.client.messages()
    gateway.client.messages()
    assert [call.header("cookie") for call in backend.calls] == [None, None]


def test_name_of_the_real_model_is_told(gateway: Gateway, backend: FakeBackend) -> None:
    """Ours: the message echoes what was asked for, a header tells what answered. F62."""
    response = gateway.client.messages(model="TEST/Alpha")
    assert response.json["model"] == "TEST/Alpha"
    assert response.headers["x-gateway-model"] == ALPHA
    assert backend.only_call.model == ALPHA


def test_what_was_left_out_is_told(gateway: Gateway) -> None:
    """Ours: a field that the backend would not understand is dropped in the open."""
    response = gateway.client.messages(top_k=40, service_tier="auto")
    assert response.status == 200
    dropped = response.headers["x-gateway-dropped"]
    assert "top_k" in [name.strip() for name in dropped.split(",")]
