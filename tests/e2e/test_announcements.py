"""Changes reach every process, by the database alone and by Redis: design, The snapshot."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bridge.cluster.announcements import AWAY, BACK, CHANNEL
from bridge.cluster.redis import PREFIX
from tests.conftest import Start
from tests.fakes import forked, postgres
from tests.fakes.gateway import Gateway, Ready
from tests.fakes.listener import Listener
from tests.fakes.redis import RedisServer

WAIT = 25.0


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path, password="s3cret") as server:
        yield server


def until(condition: Callable[[], bool], gateway: Gateway) -> None:
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline, gateway.tail()
        time.sleep(0.02)


def issue_key(shared: dict[str, str]) -> None:
    done = forked.run(
        ["manage.py", "issue_key", "team"], {"PATH": os.environ["PATH"], **shared}, "", WAIT
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def on_postgres() -> Iterator[str]:
    if postgres.programs() is None:
        pytest.skip("no PostgreSQL server: initdb was not found")
    # Not below pytest's own folder: its parents are closed to the user that the server runs as.
    with tempfile.TemporaryDirectory() as folder, postgres.running(Path(folder)) as url:
        yield url


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_command_is_heard_without_redis(
    database: str, request: pytest.FixtureRequest, start_gateway: Start, tmp_path: Path
) -> None:
    """The other process looks at no row by itself: it hears of the change or hangs."""
    shared = {
        "DATABASE_URL": request.getfixturevalue("on_postgres")
        if database == "postgres"
        else f"sqlite:///{tmp_path / 'db.sqlite3'}",
        "DATA_DIR": str(tmp_path / "data"),
    }
    gateway = start_gateway(**shared)
    with Listener(tmp_path, shared) as other:
        issue_key(shared)
        other.wait_for_more()
    assert gateway.stop() == 0


def test_every_worker_listens_and_a_command_is_heard(
    start_gateway: Start, redis: RedisServer, tmp_path: Path
) -> None:
    """A key issued on the command line: the command has no loop, and ends at once."""
    shared = {
        "REDIS_URL": redis.url,
        "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}",
        "DATA_DIR": str(tmp_path / "data"),
    }
    gateway = start_gateway("uvicorn", WORKERS="2", **shared)
    until(lambda: redis.listeners(PREFIX + CHANNEL) == 2, gateway)
    with Listener(tmp_path, shared) as other:
        issue_key(shared)
        other.wait_for_more()


@pytest.mark.parametrize("launcher", ["daphne", "uvicorn"])
def test_gateway_serves_on_while_redis_comes_and_goes(
    start_gateway: Start, redis: RedisServer, launcher: str
) -> None:
    """One line when Redis goes and one when it is back; no request minds, no password is told."""
    redis.stop()
    gateway = start_gateway(launcher, Ready.INFORMED, REDIS_URL=redis.url)
    until(lambda: gateway.log.count(AWAY) == 1, gateway)
    redis.start()
    until(lambda: gateway.log.count(BACK) == 1, gateway)
    redis.stop()
    until(lambda: gateway.log.count(AWAY) == 2, gateway)
    assert gateway.client.messages().status == 200
    assert gateway.stop() == 0
    assert (gateway.log.count(AWAY), gateway.log.count(BACK)) == (2, 1)
    assert "s3cret" not in gateway.log
