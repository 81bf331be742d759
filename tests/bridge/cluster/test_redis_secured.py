"""Redis over TLS with an authority of one's own, and a user whose rights are narrow."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis as redis_py
from channels.layers import get_channel_layer

from bridge.cluster import announcements
from bridge.cluster import redis as redis_connection
from bridge.keys.limiter import Limiter
from bridge.keys.limits import Limits
from tests.fakes import certificates
from tests.fakes.ports import reserve_port
from tests.fakes.redis import RedisServer
from tests.fakes.rival import nothing_used, of_key

WAIT = 25.0

USER = "gateway on >s3cret ~claude-bridge:* &claude-bridge:* +@all -@admin -@dangerous"


class SecuredServer(RedisServer):
    """Speaks TLS beside the plain port that the tests themselves use."""

    def __init__(self, folder: Path) -> None:
        self.tls_port = reserve_port()
        self.authority = certificates.self_signed(folder, "localhost")
        file = str(self.authority)
        options = ["--tls-port", str(self.tls_port), "--tls-auth-clients", "no"]
        options += ["--tls-cert-file", file, "--tls-key-file", file, "--tls-ca-cert-file", file]
        super().__init__(folder, options=[*options, "--user", *USER.split()])

    @property
    def secured_url(self) -> str:
        place = f"localhost:{self.tls_port}/0?ssl_ca_certs={self.authority}"
        return f"rediss://gateway:s3cret@{place}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredServer]:
    with SecuredServer(tmp_path_factory.mktemp("redis")) as running:
        yield running


def test_user_may_nothing_but_what_the_gateway_does(server: SecuredServer) -> None:
    """So that the next tests show what the gateway needs."""
    with redis_py.Redis.from_url(server.secured_url) as client:
        client.set("claude-bridge:x", 1)
        for refused in (lambda: client.set("other", 1), client.flushall):
            with pytest.raises(redis_py.exceptions.NoPermissionError):
                refused()


def test_certificate_of_nobody_is_refused(server: SecuredServer) -> None:
    plain = server.secured_url.partition("?")[0]
    with redis_py.Redis.from_url(plain) as client, pytest.raises(redis_py.ConnectionError):
        client.ping()


async def test_open_pages_are_reached(server: SecuredServer, settings: Any) -> None:
    settings.REDIS_URL = server.secured_url
    layer_of = redis_connection.channel_layer(server.secured_url)
    settings.CHANNEL_LAYERS = {"default": layer_of}
    layer: Any = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add("pages", channel)
    await layer.group_send("pages", {"type": "news"})
    assert await layer.receive(channel) == {"type": "news"}
    await layer.flush()


async def test_limits_are_counted_in_it(server: SecuredServer, settings: Any) -> None:
    settings.REDIS_URL = server.secured_url
    limiter = Limiter(nothing_used, with_redis=True)
    account = of_key(970, Limits(rpm=2))
    try:
        passed = [(await limiter.admit(account, 0, time.time())).is_allowed for _ in range(3)]
        assert (passed, limiter.is_shared) == ([True, True, False], True)
    finally:
        await limiter.aclose()


async def test_announcements_are_heard(server: SecuredServer, settings: Any, db: None) -> None:
    settings.REDIS_URL = server.secured_url
    heard = asyncio.Event()
    listening = asyncio.create_task(announcements.listen(heard.set, lambda: None))
    try:
        async with asyncio.timeout(WAIT):
            await heard.wait()
            assert server.subscribers(redis_connection.PREFIX)
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
