"""The way through a forward proxy: for whom, and what becomes of one that refuses."""

from __future__ import annotations

import pytest

from bridge.backends.failures import to_error
from bridge.outbound.client import HttpClient
from bridge.outbound.errors import ConnectTimeoutError, ProxyError
from bridge.outbound.tunnel import MAX_HEAD_BYTES, proxy_of
from tests.bridge.outbound.serving import WHOLE, answering, fetched, get, serving
from tests.bridge.ports import closed_port
from tests.fakes.forward_proxy import REFUSED, forwarding

DIRECT = ("own.example", ".inside.example", "10.0.0.0/8", "192.0.2.7", "fd00::/8", "no/thing")


@pytest.mark.parametrize(
    ("host", "through"),
    [
        ("api.example.com", True),
        ("OWN.example", False),
        ("not-own.example", True),
        ("sub.own.example", True),
        ("a.b.inside.example.", False),
        ("inside.example", False),
        ("outside.example", True),
        ("10.1.2.3", False),
        ("192.0.2.7", False),
        ("192.0.2.8", True),
        ("fd00::7", False),
        ("2001:db8::7", True),
        ("localhost", False),
        ("llm.localhost", False),
        ("127.8.0.1", False),
        ("::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:10.1.2.3", False),
        ("0.0.0.0", False),
    ],
)
def test_hosts_that_are_left_out_are_reached_without_it(host: str, through: bool) -> None:
    proxy = proxy_of("http://proxy:3128", DIRECT)
    assert proxy is not None and proxy.serves(host) is through


def test_password_stands_in_no_text() -> None:
    assert "s3cret" not in repr(proxy_of("http://me:s3cret@proxy", ()))
    assert proxy_of("", ()) is None


async def test_two_requests_go_through_one_tunnel_and_the_proxy_sees_hosts_alone() -> None:
    told = list[bytes]()
    with forwarding() as proxy:
        url = proxy.url.replace("//", "//me:p%40ss@")
        client = HttpClient(5.0, proxy_of(url, ()))
        async with serving(answering(WHOLE, WHOLE, told=told)) as server:
            for _ in range(2):
                assert await fetched(client, f"http://llm.test:{server.port}/v1") == b"{}"
            await client.aclose()
    assert [head.split(b" ", 1)[0] for head in told] == [b"GET"] * 2
    assert [line for head in told for line in head.split(b"\r\n") if b"roxy" in line] == []
    (head,) = proxy.heads
    assert head.startswith(f"CONNECT llm.test:{server.port} HTTP/1.1\r\n")
    assert "\r\nProxy-Authorization: Basic bWU6cEBzcw==\r\n" in head


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (REFUSED, "it answered 'HTTP/1.1 407 Proxy Authentication Required'"),
        (b"", "it closed"),
        (b"SSH-2.0-x\r\n\r\n", "it answered 'SSH-2.0-x'"),
        (b"x" * (MAX_HEAD_BYTES + 1), "it answered something endless"),
    ],
    ids=["refused", "closed", "something else", "endless"],
)
async def test_proxy_that_opens_no_tunnel_is_told(answer: bytes, told: str) -> None:
    with forwarding() as proxy:
        proxy.answer = answer
        client = HttpClient(5.0, proxy_of(proxy.url, ()))
        with pytest.raises(ProxyError) as caught:
            await get(client, "http://llm.test/v1")
        await client.aclose()
    error = to_error(caught.value)
    assert (error.status, error.unreachable) == (502, True)
    assert error.cause == f"the proxy of BACKEND_PROXY opens no way: {told}"


async def test_credential_that_a_proxy_gives_back_stands_in_no_error() -> None:
    with forwarding() as proxy:
        proxy.answer = b"HTTP/1.1 407 Not bWU6czNjcmV0, and not s3cret\r\n\r\n"
        client = HttpClient(5.0, proxy_of(proxy.url.replace("//", "//me:s3cret@"), ()))
        with pytest.raises(ProxyError, match="407 Not ") as caught:
            await get(client, "http://llm.test/v1")
        await client.aclose()
    assert "Not ***, and not ***" in str(caught.value)


@pytest.mark.parametrize(
    ("place", "told"),
    [("127.0.0.1", "it refuses connections"), ("proxy.invalid", "its name does not resolve")],
)
async def test_proxy_that_is_away_is_no_fault_of_the_backend(place: str, told: str) -> None:
    with closed_port() as port:
        client = HttpClient(5.0, proxy_of(f"http://{place}:{port}", ()))
        with pytest.raises(ProxyError, match=told):
            await get(client, "http://llm.test/v1")
        await client.aclose()


async def test_proxy_that_says_nothing_is_given_up() -> None:
    async def silent(reader: object, writer: object) -> None:
        await reader.read()  # type: ignore[attr-defined]

    async with serving(silent) as server:
        client = HttpClient(0.1, proxy_of(f"http://127.0.0.1:{server.port}", ()))
        with pytest.raises(ConnectTimeoutError):
            await get(client, "http://llm.test/v1")
        await client.aclose()
