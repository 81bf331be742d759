"""Browsers and their pages at the API, base addresses, and who counts as local, on every server."""

import json

import pytest

from tests.conftest import Start
from tests.fakes.backend import FakeBackend
from tests.fakes.client import KEY, MESSAGES, RawClient, ask
from tests.fakes.gateway import Gateway
from tests.fakes.wire import Wire, head
from tests.shapes import check_error

SERVERS = pytest.mark.parametrize("launcher", ["daphne", "uvicorn"])
ORIGIN = "https://chat.example.com"
OPERATOR_KEY = "cpk_operator_0123456789"


@pytest.fixture(scope="module")
def servers() -> dict[str, Gateway]:
    return {}


@pytest.fixture
def served(
    launcher: str, launch_gateway: Start, servers: dict[str, Gateway], backend: FakeBackend
) -> Gateway:
    """A gateway with a key of its operator; one process per server for this file."""
    if launcher not in servers:
        servers[launcher] = launch_gateway(
            launcher, CHUTES_API_KEY=OPERATOR_KEY, CORS_ORIGINS=ORIGIN
        )
    return servers[launcher]


@SERVERS
@pytest.mark.parametrize("base", ["/v1", "/v1/", "/anthropic", "/v1/messages"])
def test_base_address_with_a_path_works(served: Gateway, launcher: str, base: str) -> None:
    """Clients put their paths behind whatever they were given. H10."""
    client = served.client
    assert client.post(f"{base}{MESSAGES}", ask()).status == 200
    assert client.post(f"{base}{MESSAGES}/", ask(stream=True)).status == 200
    assert client.post(f"{base}/v1/messages/count_tokens", ask()).status == 200
    assert client.get(f"{base}/v1/models").status == 200
    assert client.get(f"{base}/v1/models/test/alpha").json["id"] == "test/alpha"
    assert client.request("HEAD", f"{base}/api/hello").status == 200


@SERVERS
def test_page_that_rebound_its_name_gets_nothing(
    served: Gateway, launcher: str, backend: FakeBackend
) -> None:
    """Else it spends the operator's money with any key, and reads the answer."""
    evil = {"host": f"evil.example:{served.port}", "origin": f"http://evil.example:{served.port}"}
    for path in (MESSAGES, "/v1/messages/count_tokens"):
        refused = served.client.post(path, ask(), evil)
        assert refused.status == 400
        assert "ALLOWED_HOSTS" in check_error(refused.json)["error"]["message"]
        assert "access-control-allow-origin" not in refused.headers
    assert served.client.get("/v1/models", evil).status == 400
    assert served.client.get("/admin/login/", evil).status == 400
    assert served.client.get("/health", evil).status == 200
    assert backend.calls == []


@SERVERS
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:1"])
def test_page_of_another_origin_is_refused(
    served: Gateway, launcher: str, origin: str, backend: FakeBackend
) -> None:
    refused = served.client.messages({"origin": origin})
    assert (refused.status, refused.json["error"]["type"]) == (403, "permission_error")
    assert "CORS_ORIGINS" in refused.json["error"]["message"]
    preflight = served.client.request("OPTIONS", MESSAGES, None, {"origin": origin})
    assert (preflight.status, preflight.headers["access-control-allow-origin"]) == (403, None)
    assert backend.calls == []


@SERVERS
def test_page_of_a_named_origin_may_ask_and_read(served: Gateway, launcher: str) -> None:
    """The SDK in a browser. H10."""
    page = {
        "origin": ORIGIN,
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type,x-api-key,anthropic-version",
        "access-control-request-private-network": "true",
    }
    preflight = RawClient(served.url, key=None).request("OPTIONS", MESSAGES, None, page)
    assert (preflight.status, preflight.body) == (204, b"")
    assert preflight.headers["access-control-allow-origin"] == ORIGIN
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert (
        preflight.headers["access-control-allow-headers"] == page["access-control-request-headers"]
    )
    assert preflight.headers["access-control-allow-private-network"] == "true"
    for answer in (
        served.client.messages({"origin": ORIGIN}),
        served.client.post(MESSAGES, ask(stream=True), {"origin": ORIGIN}),
        served.with_key(None).messages({"origin": ORIGIN}),
    ):
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert "request-id" in answer.headers["access-control-expose-headers"]
        assert answer.headers["vary"] == "origin"


@SERVERS
def test_options_without_a_page_is_a_wrong_method(served: Gateway, launcher: str) -> None:
    assert served.client.request("OPTIONS", MESSAGES).status == 405


@SERVERS
@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize(
    "headers",
    [
        {"x-forwarded-for": "203.0.113.9"},
        {"x-real-ip": "203.0.113.9"},
        {"forwarded": "for=203.0.113.9"},
        {"x-forwarded-host": "claude.example.org"},
    ],
    ids=lambda headers: next(iter(headers)),
)
def test_stranger_behind_a_front_does_not_spend_the_operators_money(
    served: Gateway,
    launcher: str,
    backend: FakeBackend,
    headers: dict[str, str],
    streamed: bool,
) -> None:
    """A front on the same machine makes everybody look local."""
    assert served.client.messages().status == 200
    refused = served.client.post(MESSAGES, ask(stream=streamed), headers)
    assert refused.status == 401 and "issue_key" in refused.json["error"]["message"]
    assert served.client.post("/v1/messages/count_tokens", ask(), headers).status == 401
    assert served.client.get("/v1/models", headers).status == 401
    assert [call.header("authorization") for call in backend.calls] == [f"Bearer {OPERATOR_KEY}"]


@SERVERS
def test_stranger_who_names_the_front_is_not_local(
    start_gateway: Start, launcher: str, backend: FakeBackend
) -> None:
    """The front adds nothing, as a tunnel does not, but passes the name on."""
    name = "claude.example.org"
    gateway = start_gateway(
        launcher,
        CHUTES_API_KEY=OPERATOR_KEY,
        ALLOWED_HOSTS=f"127.0.0.1,{name}",
        METRICS_ACCESS="local",
    )
    assert gateway.client.messages({"host": name}).status == 401
    assert gateway.client.messages().status == 200
    assert gateway.client.get("/metrics", {"host": name}).status == 403
    assert gateway.client.get("/metrics", {"x-forwarded-for": "203.0.113.9"}).status == 403
    assert gateway.client.get("/metrics").status == 200


@SERVERS
def test_client_without_a_host_is_served(served: Gateway, launcher: str) -> None:
    """HTTP/1.0."""
    body = json.dumps(ask()).encode()
    lines = head("POST", MESSAGES, x_api_key=KEY, content_length=str(len(body)))
    with Wire(served.port) as wire:
        wire.send(lines.replace(b"1.1\r\nhost: 127.0.0.1", b"1.0") + body)
        assert wire.answer().status == 200


@SERVERS
def test_address_of_nothing_is_a_page_in_a_browser(served: Gateway, launcher: str) -> None:
    """A person is not shown JSON."""
    shown = served.with_key(None).get("/nope", {"accept": "text/html"})
    assert (shown.status, "text/html" in shown.headers["content-type"]) == (404, True)
    told = served.client.get("/nope")
    assert check_error(told.json)["error"]["type"] == "not_found_error"
