"""The gateway behind PgBouncer in transaction mode: no session has a connection of its own."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Start
from tests.fakes import books, postgres
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.crowd import Crowd
from tests.fakes.gateway import Gateway
from tests.fakes.pgbouncer import Pool, pooling

pytestmark = pytest.mark.skipif(
    postgres.programs() is None, reason="no PostgreSQL server: initdb was not found"
)


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with (
        tempfile.TemporaryDirectory() as folder,
        postgres.serving(Path(folder)) as server,
        pooling(server) as found,
    ):
        yield found


@pytest.fixture(scope="module")
def pair(launch_gateway: Start, pool: Pool) -> list[Gateway]:
    """The first of them has made the tables through the pool."""
    shared = {"DATABASE_URL": pool.url, "SECRET_KEY": "of-both-" * 6, "LOG_LEVEL": "warning"}
    return [launch_gateway("serve", **shared) for _ in range(2)]


def test_change_reaches_every_process_without_listen(
    pair: list[Gateway], backend: FakeBackend
) -> None:
    """docs, deploy: LISTEN hears nothing there, so that the rows are looked at."""
    row = {"pattern": "pooled", "targets": [{"backend": "main", "model": ALPHA}]}
    pair[0].configure(aliases=[row])
    for gateway in pair:
        books.until(gateway.names, lambda names: "pooled" in names, gateway)
        assert gateway.client.messages(model="pooled").status == 200


@pytest.mark.parametrize("which", ["the pool", "the server behind it"])
def test_requests_go_on_while_the_database_is_away(
    which: str, pair: list[Gateway], pool: Pool, backend: FakeBackend
) -> None:
    """Rows come later, each once. The pool alone takes connections on, and lets them wait."""
    away = pool if which == "the pool" else pool.server
    with Crowd(pair[0].url, 120) as crowd, Crowd(pair[1].url, 120) as other:
        crowd.wait_for(20)
        away.stop()
        try:
            seen = [*crowd.wait_all(), *other.wait_all()]
        finally:
            away.start()
    pool.wait_serving()
    assert {one.status for one in seen} == {200}
    ended = {one.headers["request-id"] for one in seen}
    books.until(lambda: ended - booked(pair[0]), lambda missing: not missing, pair[0])
    books.check(pair[0])


def booked(gateway: Gateway) -> set[str]:
    return {row["request_id"] for row in books.rows(gateway)}
