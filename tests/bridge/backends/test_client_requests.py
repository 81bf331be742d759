"""What a backend gets to see: one address, one credential, nothing of the caller's."""

from contextlib import suppress

import pytest

from bridge.backends.client import BackendClient
from bridge.routing.types import BackendConfig
from bridge.translation.errors.api_error import ApiError
from tests.bridge.making import CHAT_BODY, SECRET, SOME, a_backend, send
from tests.fakes.backend import ALPHA, MODELS, FakeBackend


async def test_request_goes_to_the_address_of_the_row(
    upstream: BackendClient, main: BackendConfig, backend: FakeBackend
) -> None:
    await send(upstream, main)
    call = backend.only_call
    assert (call.method, call.path, call.raw) == ("POST", "/v1/chat/completions", CHAT_BODY)
    assert call.header("host") == main.host


async def test_only_these_headers_are_sent(
    upstream: BackendClient, main: BackendConfig, backend: FakeBackend
) -> None:
    """wire C1: never forward client headers."""
    await send(upstream, main)
    sent = {name: value for name, value in backend.only_call.headers if name != "host"}
    assert sent.pop("content-length") == str(len(CHAT_BODY))
    assert sent.pop("connection", "keep-alive") == "keep-alive"
    assert sent.pop("accept", "*/*") == "*/*"
    assert sent == {
        "content-type": "application/json",
        "authorization": f"Bearer {SECRET}",
        "accept-encoding": "identity",
        "user-agent": "claude-bridge",
    }


async def test_key_goes_into_the_header_of_the_row(
    upstream: BackendClient, backend: FakeBackend
) -> None:
    """wire G11: a backend row may name another header."""
    await send(upstream, a_backend(f"{backend.base_url}/v1", auth_header="api-key"))
    call = backend.only_call
    assert (call.header("api-key"), call.header("authorization")) == (SECRET, None)


async def test_no_key_means_no_header(
    upstream: BackendClient, main: BackendConfig, backend: FakeBackend
) -> None:
    await send(upstream, main, key="")
    assert backend.only_call.header("authorization") is None


async def test_key_that_is_no_plain_text_is_no_bug(
    upstream: BackendClient, main: BackendConfig
) -> None:
    """Ours: a caller's strange key may be refused, here or by the backend, but breaks nothing."""
    with suppress(ApiError):
        await send(upstream, main, key="cl\u00e9")


async def test_list_is_read_below_the_base(
    upstream: BackendClient, main: BackendConfig, backend: FakeBackend
) -> None:
    reply = await upstream.get(main, SECRET, "models")
    assert (reply.status, b'"data"' in await reply.read(SOME)) == (200, True)
    await reply.aclose()
    assert backend.wait_for_request(MODELS).method == "GET"


async def test_redirect_is_not_followed(
    upstream: BackendClient, main: BackendConfig, backend: FakeBackend
) -> None:
    """wire E2, 3xx; design, Egress."""
    backend.on(ALPHA).json({}, 307, {"location": f"{backend.base_url}/elsewhere"})
    reply = await upstream.send(main, SECRET, CHAT_BODY)
    await reply.aclose()
    assert (reply.status, len(backend.requests)) == (307, 1)


async def test_cookies_are_not_kept(
    upstream: BackendClient, main: BackendConfig, backend: FakeBackend
) -> None:
    """Ours: one caller's session must not become the next one's."""
    backend.on(ALPHA).json({}, headers={"set-cookie": "session=1; Path=/"})
    await send(upstream, main)
    await send(upstream, main)
    assert [call.header("cookie") for call in backend.calls] == [None, None]


async def test_proxy_of_the_shell_is_not_used(
    main: BackendConfig, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """design, Egress: only the addresses of backend rows are ever called."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    upstream = BackendClient(connect_timeout=5.0)
    try:
        assert b"Hello" in await send(upstream, main)
    finally:
        await upstream.aclose()
