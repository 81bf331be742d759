"""Limits of a key across two gateways that share a database and Redis."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Start
from tests.fakes import forked
from tests.fakes.backend import FakeBackend
from tests.fakes.client import MESSAGES, ask
from tests.fakes.gateway import Gateway, Ready
from tests.fakes.redis import RedisServer

WAIT = 25.0


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path) as server:
        yield server


def issue(variables: dict[str, str], *arguments: str) -> str:
    """A new key of the gateways that share this environment."""
    command = ["manage.py", "issue_key", *arguments]
    done = forked.run(command, {"PATH": os.environ["PATH"], **variables}, "", WAIT)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def wait_until_known(gateway: Gateway, key: str) -> None:
    deadline = time.monotonic() + WAIT
    while gateway.with_key(key).get("/v1/models").status != 200:
        assert time.monotonic() < deadline, gateway.tail()
        time.sleep(0.05)


def test_two_gateways_let_in_as_many_as_one_would(
    start_gateway: Start, backend: FakeBackend, redis: RedisServer, tmp_path: Path
) -> None:
    """wire E1: per-key rate limit; several processes count together."""
    shared = {
        "REDIS_URL": redis.url,
        "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}",
        "DATA_DIR": str(tmp_path / "data"),
        "REQUIRE_GATEWAY_KEY": "1",
    }
    one = start_gateway("serve", ready=Ready.HEALTHY, **shared)
    other = start_gateway("uvicorn", ready=Ready.HEALTHY, **shared)
    key = issue(shared, "team", "--rpm", "5")
    for gateway in (one, other):
        wait_until_known(gateway, key)
    replies = [gateway.with_key(key).post(MESSAGES, ask()) for gateway in (one, other) * 4]
    assert [reply.status for reply in replies] == [200] * 5 + [429] * 3
    left = [reply.headers["anthropic-ratelimit-requests-remaining"] for reply in replies]
    assert left == ["4", "3", "2", "1", "0", "0", "0", "0"]
    refused = replies[-1]
    assert refused.json["error"]["message"] == "Rate limit of 5 requests per minute exceeded"
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert len(backend.calls) == 5
