"""The database goes away under a running gateway. design, The snapshot: the last one serves on."""

import time
from collections.abc import Callable
from pathlib import Path

from tests.conftest import Start
from tests.fakes.backend import FakeBackend
from tests.fakes.gateway import Gateway

WAIT = 10.0
AWAY = "the database is away"
BACK = "the configuration is current again"


def until(happened: Callable[[], bool], gateway: Gateway) -> None:
    """Wait for a condition, with a deadline."""
    deadline = time.monotonic() + WAIT
    while not happened():
        assert time.monotonic() < deadline, gateway.tail()
        time.sleep(0.02)


def test_gateway_serves_on_and_catches_up(
    start_gateway: Start, backend: FakeBackend, tmp_path: Path
) -> None:
    """Said once when it goes and once when it is back; requests never notice."""
    database = tmp_path / "there.sqlite3"
    gateway = start_gateway("serve", DATABASE_URL=f"sqlite:///{database}")
    aside = database.with_name("aside.sqlite3")
    # A folder in its place: no connection can be made, and none makes an empty database there.
    for name in ("", "-wal", "-shm"):
        if (part := database.with_name(database.name + name)).exists():
            part.rename(aside.with_name(aside.name + name))
    database.mkdir()
    until(lambda: gateway.log.count(AWAY) == 1, gateway)
    for stream in (False, True):
        assert gateway.client.messages(stream=stream).status == 200
    assert gateway.client.get("/health").status == 200
    assert "test/alpha" in gateway.names()
    database.rmdir()
    for name in ("", "-wal", "-shm"):
        if (part := aside.with_name(aside.name + name)).exists():
            part.rename(database.with_name(database.name + name))
    until(lambda: gateway.log.count(BACK) == 1, gateway)
    gateway.configure(aliases=[{"pattern": "new", "targets": [{"backend": "main", "model": "m"}]}])
    assert "new" in gateway.names()
    assert (gateway.log.count(AWAY), gateway.log.count(BACK)) == (1, 1)
