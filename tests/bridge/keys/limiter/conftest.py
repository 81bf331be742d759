"""Empty counters of either kind. The tests name the times, so that none waits for a minute."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from bridge.keys import redis_limiter
from bridge.keys.limiter import Limiter
from bridge.keys.limits import Limits
from tests.bridge.keys.limiter.asking import Ask, Asking, Ledger
from tests.fakes.redis import RedisServer
from tests.fakes.rival import PATIENCE_SECONDS


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a healthy Redis may be slow. Those who wait in vain set less."""
    monkeypatch.setattr(redis_limiter, "PATIENCE_SECONDS", PATIENCE_SECONDS)


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture(params=["memory", "redis"])
async def limiter(
    request: pytest.FixtureRequest, settings: Any, ledger: Ledger
) -> AsyncIterator[Limiter]:
    """Empty counters of either kind."""
    shared = request.param == "redis"
    if shared:
        server: RedisServer = request.getfixturevalue("redis")
        with server.client() as client:
            client.flushall()
        settings.REDIS_URL = server.url
    limiter = Limiter(ledger, with_redis=shared)
    yield limiter
    assert limiter.is_shared is shared, "it fell back to memory"
    await limiter.aclose()


@pytest.fixture
def ask(limiter: Limiter) -> Ask:
    return lambda **limits: Asking(limiter, Limits(**limits))
