"""Two gateways that share Redis and a database count as one, and each for itself without Redis."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from bridge.keys.limiter import AWAY, BACK
from tests.conftest import Start
from tests.e2e.test_limits import begun, gated, refusal
from tests.fakes import books, postgres
from tests.fakes.backend import FakeBackend
from tests.fakes.crowd import Crowd
from tests.fakes.gateway import Gateway
from tests.fakes.issuing import issue
from tests.fakes.redis import RedisServer

KEYS: dict[str, dict[str, Any]] = {
    "rpm": {"rpm": 20},
    "places": {"concurrent": 4},
    "roomy": {"rpm": 10_000, "tpm": 10**9, "concurrent": 100},
    "alone": {"rpm": 5},
    "again": {"rpm": 5},
}


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path) as server:
        yield server


@pytest.fixture(params=[pytest.param("sqlite", marks=pytest.mark.slow), "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'shared.sqlite3'}"
    elif postgres.programs() is None:
        pytest.skip("no PostgreSQL server: initdb was not found")
    else:
        with tempfile.TemporaryDirectory() as folder, postgres.running(Path(folder)) as url:
            yield url


@pytest.fixture
def two(
    start_gateway: Start, backend: FakeBackend, redis: RedisServer, database_url: str
) -> tuple[Gateway, Gateway, dict[str, str]]:
    """Two gateways with one secret, and keys that both know."""
    shared = {"DATABASE_URL": database_url, "REDIS_URL": redis.url, "SECRET_KEY": "s" * 50}
    first = start_gateway("serve", **shared, LOG_LEVEL="warning")
    second = start_gateway("uvicorn", **shared, LOG_LEVEL="warning")
    keys = issue(first, **KEYS)
    last = second.with_key(keys["again"])
    books.until(lambda: last.get("/v1/models").status, lambda status: status == 200, second)
    return first, second, keys


def test_two_gateways_count_as_one(
    two: tuple[Gateway, Gateway, dict[str, str]], backend: FakeBackend, redis: RedisServer
) -> None:
    """field: exact over processes; also for what runs at once; Redis may go, and come back."""
    first, second, keys = two
    check_rpm(first, second, keys["rpm"])
    check_places(first, second, keys["places"], backend)
    check_redis_that_goes(first, second, keys, redis)
    first.stop()
    second.stop()
    books.check(first)


def check_rpm(first: Gateway, second: Gateway, key: str) -> None:
    """64 at once, half of them at each."""
    with (
        Crowd(first.url, 32, at_once=32, key=key) as here,
        Crowd(second.url, 32, at_once=32, key=key) as there,
    ):
        seen = here.wait_all() + there.wait_all()
    passed = [one for one in seen if one.status == 200]
    left = [int(one.headers["anthropic-ratelimit-requests-remaining"]) for one in passed]
    assert sorted(left) == list(range(20))
    for one in seen:
        if one.status != 200:
            assert refusal(one) == "Rate limit of 20 requests per minute exceeded"


def check_places(first: Gateway, second: Gateway, key: str, backend: FakeBackend) -> None:
    """Places of one process are free for the other: at an end, a leaving, and a death."""
    backend.reset()
    here, there = first.with_key(key), second.with_key(key)
    gates = gated(backend, 4)
    with ExitStack() as streams:
        running = [streams.enter_context(begun(c)) for c in (here, there, there, here)]
        for client in (here, there):
            assert refusal(client.messages()) == "Limit of 4 concurrent requests exceeded"
        gates[0].open()
        running[0].message()
        assert there.messages().status == 200
        running[1].leave()
        backend.calls[1].wait_left()
        books.until(here.messages, lambda answer: answer.status == 200, first)
        for gate in gates:
            gate.open()
        for stream in running[2:]:
            assert stream.message()["stop_reason"] == "end_turn"
    backend.reset()


def check_redis_that_goes(
    first: Gateway, second: Gateway, keys: dict[str, str], redis: RedisServer
) -> None:
    """No request fails; each counts alone; one line when it begins and one when it ends."""
    with Crowd(first.url, 300, key=keys["roomy"]) as crowd:
        crowd.wait_for(50)
        redis.stop()
        assert {one.status for one in crowd.wait_all()} == {200}
    for gateway in (first, second):
        books.wait_for_line(gateway, AWAY)
        with Crowd(gateway.url, 16, key=keys["alone"]) as crowd:
            assert sorted(one.status for one in crowd.wait_all()) == [200] * 5 + [429] * 11
    redis.start()
    for gateway in (first, second):
        books.wait_for_line(gateway, BACK)
    with (
        Crowd(first.url, 8, key=keys["again"]) as here,
        Crowd(second.url, 8, key=keys["again"]) as there,
    ):
        seen = here.wait_all() + there.wait_all()
    assert sorted(one.status for one in seen) == [200] * 5 + [429] * 11
    assert [gateway.log.count(AWAY) for gateway in (first, second)] == [1, 1]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_places_of_a_killed_gateway_are_free_after_a_while(
    two: tuple[Gateway, Gateway, dict[str, str]], backend: FakeBackend
) -> None:
    """field: nobody has to clean up after it."""
    first, second, keys = two
    here, there = first.with_key(keys["places"]), second.with_key(keys["places"])
    gates = gated(backend, 4)
    with ExitStack() as streams:
        for client in (here, here, here, there):
            streams.enter_context(begun(client))
        first.kill()
        assert refusal(there.messages()) == "Limit of 4 concurrent requests exceeded"
        books.until(there.messages, lambda answer: answer.status == 200, second)
        for gate in gates:
            gate.open()
