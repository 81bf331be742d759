"""The database goes away under a running gateway. design, The snapshot: the last one serves on."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.conftest import Start
from tests.fakes import postgres
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.gateway import Gateway

WAIT = 20.0
AWAY = "the database is away"
BACK = "the configuration is current again"
FORCED = {"name": "main", "breaker": "closed"}
NO_SERVER = "no PostgreSQL server: initdb was not found"

Outage = Callable[[], AbstractContextManager[None]]


@contextmanager
def sqlite(folder: Path) -> Iterator[tuple[str, Outage]]:
    """A file; a folder in its place lets nobody connect, nor make an empty database there."""
    database, aside = folder / "there", folder / "aside"
    database.mkdir()

    @contextmanager
    def outage() -> Iterator[None]:
        database.rename(aside)
        yield
        aside.rename(database)

    yield f"sqlite:///{database / 'db.sqlite3'}", outage


@contextmanager
def server(folder: Path) -> Iterator[tuple[str, Outage]]:
    """A PostgreSQL server that is stopped without a farewell."""
    # Not below pytest's own folder: its parents are closed to the user that the server runs as.
    with tempfile.TemporaryDirectory() as place, postgres.serving(Path(place)) as running:

        @contextmanager
        def outage() -> Iterator[None]:
            running.stop()
            try:
                yield
            finally:
                running.start()

        yield running.url, outage


missing = pytest.mark.skipif(postgres.programs() is None, reason=NO_SERVER)
DATABASES = [
    pytest.param(sqlite, id="SQLite"),
    pytest.param(server, id="PostgreSQL", marks=missing),
]


def until(happened: Callable[[], bool], gateway: Gateway) -> None:
    """Wait for a condition, with a deadline."""
    deadline = time.monotonic() + WAIT
    while not happened():
        assert time.monotonic() < deadline, gateway.tail()
        time.sleep(0.02)


@pytest.mark.parametrize("database", DATABASES)
def test_gateway_serves_on_and_catches_up(
    start_gateway: Start,
    backend: FakeBackend,
    tmp_path: Path,
    database: Callable[[Path], AbstractContextManager[tuple[str, Outage]]],
) -> None:
    """Logged once when it goes and once when it is back; requests and breakers never notice."""
    with database(tmp_path) as (url, outage):
        gateway = start_gateway("serve", DATABASE_URL=url)
        with outage():
            until(lambda: gateway.log.count(AWAY) == 1, gateway)
            for stream in (False, True):
                assert gateway.client.messages(stream=stream).status == 200
            assert "test/alpha" in gateway.names()
            backend.on(ALPHA).error(500, "boom")
            assert [gateway.client.messages().status for _ in range(6)] == [500] * 5 + [529]
            backend.reset()
        until(lambda: gateway.log.count(BACK) == 1, gateway)
        new = {"pattern": "new", "targets": [{"backend": "main", "model": "m"}]}
        gateway.configure(aliases=[new], backends=[FORCED | {"url": backend.base_url}])
        assert "new" in gateway.names()
        assert gateway.client.messages().status == 200
        assert (gateway.log.count(AWAY), gateway.log.count(BACK)) == (1, 1)
        assert gateway.stop() == 0
