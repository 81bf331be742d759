"""Addresses beside the messages: probes, health, the start page, and what is not there."""

import html
import json
import shlex
from urllib.parse import urlencode

import pytest

from tests.fakes.backend import FAMILY, FakeBackend
from tests.fakes.gateway import Gateway
from tests.shapes import check_error

LARGEST = "zai-org/GLM-4.5-Air"


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_warm_up_probe_is_answered_empty(gateway: Gateway, method: str) -> None:
    """Observed client: sends it at every start, without a key. F12."""
    response = gateway.with_key(None).request(method, "/api/hello")
    assert (response.status, response.body) == (200, b"")


def test_start_page_says_what_this_is(gateway: Gateway) -> None:
    """Ours: someone who opens the address in a browser learns how to use it."""
    client = gateway.with_key(None)
    page = client.get("/")
    assert page.status == 200
    assert page.headers["content-type"].startswith("text/html")
    shown = html.unescape(page.body.decode())
    for line in (
        f"ANTHROPIC_BASE_URL={gateway.url}",
        "ANTHROPIC_AUTH_TOKEN=YOUR_KEY",
        "ANTHROPIC_API_KEY=''",
        f"ANTHROPIC_MODEL={LARGEST}",
        "CLAUDE_CODE_GATEWAY_HINT_HEADERS=1",
    ):
        assert f"export {line}\n" in shown or f"export {line}</pre>" in shown
    head = client.request("HEAD", "/")
    assert (head.status, head.body) == (200, b"")


def test_start_page_makes_settings_for_the_model_that_was_chosen(gateway: Gateway) -> None:
    """Ours: a name of a backend's list is quoted for a shell, whatever stands in it."""
    name = "it's $(id)"
    query = urlencode({"model": name, "window": "4096"})
    shown = html.unescape(gateway.with_key(None).get(f"/?{query}").body.decode())
    assert f"ANTHROPIC_MODEL={shlex.quote(name)}" in shown
    assert "CLAUDE_CODE_MAX_CONTEXT_TOKENS=4096" in shown


def test_health_needs_no_key_and_shows_no_address(gateway: Gateway, backend: FakeBackend) -> None:
    """Ours: for load balancers and strangers alike."""
    response = gateway.with_key(None).get("/health")
    assert response.status == 200
    assert isinstance(response.json, dict)
    assert response.headers["content-type"] == "application/json"
    assert str(backend.port) not in response.body.decode()


def test_schemas_show_what_is_known_of_each_model(gateway: Gateway, backend: FakeBackend) -> None:
    """Ours: the result of discovery, for whoever may send messages. P13, S25."""
    response = gateway.client.get("/_schemas")
    assert response.status == 200
    shown = json.dumps(response.json)
    for name in FAMILY:
        assert name in shown
    assert "131072" in shown
    assert str(backend.port) not in shown


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/test%2Falpha", "/_schemas"])
def test_what_the_backend_has_is_not_shown_without_a_key(gateway: Gateway, path: str) -> None:
    """Ours: names of models are the operator's business."""
    response = gateway.with_key(None).get(path)
    assert response.status == 401
    assert check_error(response.json)["error"]["type"] == "authentication_error"


@pytest.mark.parametrize("name", ["zai-org%2FGLM-4.5-Air", "zai-org/GLM-4.5-Air"])
def test_slash_in_a_model_name_may_be_encoded(gateway: Gateway, name: str) -> None:
    """Observed clients: SDKs encode it, people type it. F134."""
    response = gateway.client.get(f"/v1/models/{name}")
    assert response.status == 200
    assert response.json["id"] == "zai-org/GLM-4.5-Air"
    assert response.json["max_input_tokens"] == 131072


def test_list_has_the_form_of_the_api(gateway: Gateway) -> None:
    """API documentation: page and entries; the default page holds twenty. S26."""
    page = gateway.client.get("/v1/models").json
    assert page.keys() == {"data", "has_more", "first_id", "last_id"}
    assert page["has_more"] is False
    for entry in page["data"]:
        assert {"id", "type", "display_name", "created_at", "lifecycle"} <= entry.keys()
        assert entry["created_at"].endswith("Z")


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "after_id=nobody", "before_id=nobody"]
)
def test_bad_page_is_refused(gateway: Gateway, query: str) -> None:
    """API documentation: limit is 1 to 1000; a cursor names a model. F133."""
    response = gateway.client.get(f"/v1/models?{query}")
    assert response.status == 400
    assert check_error(response.json)["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/nope"),
        ("POST", "/v1/nope"),
        ("GET", "/nope"),
        ("GET", "/v1"),
        ("GET", "/v1/"),
        ("POST", "/v1/messages/batches"),
        ("GET", "/v1/messages/batches/msgbatch_1"),
        ("POST", "/v1/files"),
        ("GET", "/v1/files/file_1/content"),
        ("GET", "/v1/skills"),
        ("POST", "/v1/complete"),
        ("GET", "/managed/settings"),
        ("POST", "/api/event_logging/batch"),
    ],
)
def test_what_is_not_offered_is_not_found(gateway: Gateway, method: str, path: str) -> None:
    """Observed client: takes a 404 for "not implemented" and goes on. F11."""
    response = gateway.client.request(method, path, {} if method == "POST" else None)
    assert response.status == 404
    assert check_error(response.json)["error"]["type"] == "not_found_error"
    assert response.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/messages", "POST"),
        ("PUT", "/v1/messages", "POST"),
        ("GET", "/v1/messages/count_tokens", "POST"),
        ("POST", "/v1/models", "GET"),
        ("DELETE", "/v1/models/test%2Falpha", "GET"),
        ("POST", "/health", "GET"),
    ],
)
def test_wrong_method_is_named(gateway: Gateway, method: str, path: str, allowed: str) -> None:
    """HTTP: 405 with the methods that work; API documentation: the envelope. F10."""
    response = gateway.client.request(method, path, {} if method == "POST" else None)
    assert response.status == 405
    assert allowed in response.headers["allow"]
    assert check_error(response.json)["error"] == {
        "type": "invalid_request_error",
        "message": "Method not allowed",
    }
