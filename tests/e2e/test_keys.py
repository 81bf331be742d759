"""Who calls: both headers, the key that the backend sees, and keys that are refused."""

import pytest

from tests.conftest import Start
from tests.fakes.backend import FakeBackend
from tests.fakes.client import KEY, MESSAGES, ask
from tests.fakes.gateway import Gateway
from tests.shapes import check_error

# a header more would be a leak; these are the transport's own and the credential
BACKEND_HEADERS = {
    "accept",
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "host",
    "user-agent",
}
CLIENT_HEADERS = {
    "anthropic-beta": "probe-beta",
    "anthropic-dangerous-direct-browser-access": "true",
    "cookie": "probe=cookie",
    "user-agent": "claude-cli/2.1.328 (probe)",
    "x-app": "probe-app",
    "x-claude-code-session-id": "probe-session",
    "x-forwarded-for": "192.0.2.1",
    "x-stainless-lang": "probe-lang",
}


@pytest.mark.parametrize(
    "headers",
    [
        {"x-api-key": KEY},
        {"authorization": f"Bearer {KEY}"},
        {"authorization": f"bearer {KEY}"},
        {"authorization": f"Bearer   {KEY} "},
        {"authorization": KEY},
        {"x-api-key": KEY, "authorization": "Bearer another"},
        {"x-api-key": " ", "authorization": f"Bearer {KEY}"},
    ],
)
@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
def test_key_reaches_the_backend_as_bearer(
    gateway: Gateway, backend: FakeBackend, headers: dict[str, str], streamed: bool
) -> None:
    """Observed clients: new SDKs send the one header, Claude Code the other or both. F1, F2, R4."""
    client = gateway.with_key(None)
    assert client.post(MESSAGES, ask(stream=streamed), headers).status == 200
    assert backend.only_call.header("authorization") == f"Bearer {KEY}"
    assert backend.only_call.header("x-api-key") is None


def test_nothing_else_of_the_client_reaches_the_backend(
    gateway: Gateway, backend: FakeBackend
) -> None:
    """Ours: a gateway is not a tunnel. F7."""
    headers = CLIENT_HEADERS | {"origin": gateway.url}
    gateway.client.messages(headers)
    call = backend.only_call
    assert {name for name, _ in call.headers} <= BACKEND_HEADERS
    sent = [value for _, value in call.headers]
    assert not [value for value in headers.values() if value in sent]
    assert (call.path, call.query) == ("/v1/chat/completions", "")


@pytest.mark.parametrize(
    "headers",
    [{}, {"x-api-key": ""}, {"authorization": "Bearer "}, {"authorization": "Basic dTpw"}],
    ids=["none", "empty", "no token", "another scheme"],
)
@pytest.mark.parametrize("path", [MESSAGES, "/v1/messages/count_tokens"])
def test_missing_key_is_refused(
    gateway: Gateway, backend: FakeBackend, headers: dict[str, str], path: str
) -> None:
    """API documentation: 401; observed client: tries for minutes unless told not to. R6."""
    response = gateway.with_key(None).post(path, ask(), headers)
    assert response.status == 401
    error = check_error(response.json)["error"]
    assert error["type"] == "authentication_error"
    assert error["message"].startswith("Missing API key: send x-api-key or Authorization: Bearer")
    assert response.headers["x-should-retry"] == "false"
    assert backend.calls == []


@pytest.mark.parametrize(
    "headers",
    [{"x-api-key": "sk-ant-api03-abc"}, {"authorization": "Bearer sk-ant-oat01-abc"}],
    ids=["API key", "login token"],
)
def test_key_of_the_vendor_is_never_sent_on(
    gateway: Gateway, backend: FakeBackend, headers: dict[str, str]
) -> None:
    """Ours, kept from earlier gateways: such a key does not belong to this backend. R5."""
    response = gateway.with_key(None).post(MESSAGES, ask(), headers)
    assert response.status == 401
    message = check_error(response.json)["error"]["message"]
    assert message == "Anthropic credentials cannot be used with this gateway"
    assert response.headers["x-should-retry"] == "false"
    assert backend.calls == []


@pytest.mark.parametrize("key", ["schl\u00fcssel", "k" * 5000])
def test_strange_key_is_no_failure_of_the_gateway(gateway: Gateway, key: str) -> None:
    """Ours: whatever stands in the header, the answer is never "internal error"."""
    assert gateway.with_key(key).messages().status in (200, 401)


def test_operators_key_takes_the_place_of_the_callers(
    start_gateway: Start, backend: FakeBackend
) -> None:
    """Ours, kept from earlier gateways: CHUTES_API_KEY is sent instead of any other. F117, P6."""
    gateway = start_gateway(CHUTES_API_KEY="cpk_operator")
    assert gateway.client.messages().status == 200
    assert backend.only_call.header("authorization") == "Bearer cpk_operator"
    backend.reset()
    backend.on("test/alpha").error(401, "bad key")
    refused = gateway.client.messages()
    assert (refused.status, refused.json["error"]["message"]) == (
        502,
        "Gateway credentials were rejected by the backend",
    )
    assert "cpk_operator" not in gateway.log
