"""The database of the ledger goes away, or is not there yet: requests go on, rows come later."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import Start
from tests.fakes import books, postgres
from tests.fakes.backend import FakeBackend
from tests.fakes.client import MESSAGES, ask
from tests.fakes.crowd import Crowd
from tests.fakes.gateway import Ready
from tests.shapes import check_error

WAITING = "usage records wait in the spool"
AGAIN = "usage records are being written again"
STARTING = "Gateway is starting: its configuration is not loaded yet"
BANNER = "Point Claude Code at it"
MISSING = "The database is away"


@pytest.fixture
def database() -> Iterator[postgres.Server]:
    if postgres.programs() is None:
        pytest.skip("no PostgreSQL server: initdb was not found")
    with tempfile.TemporaryDirectory() as folder, postgres.serving(Path(folder)) as server:
        yield server


def test_requests_go_on_without_the_database_and_their_rows_come_later(
    start_gateway: Start, backend: FakeBackend, database: postgres.Server
) -> None:
    """design, The ledger: an outage delays rows and loses none. A line at its begin and its end."""
    gateway = start_gateway("serve", DATABASE_URL=database.url, LOG_LEVEL="warning")
    with Crowd(gateway.url, 220) as crowd:
        crowd.wait_for(20)
        database.stop()
        try:
            seen = crowd.wait_all()
            books.wait_for_line(gateway, WAITING)
        finally:
            database.start()
    assert {one.status for one in seen} == {200}
    assert len(crowd.whole) == 220
    rows = books.wait_for_rows(gateway, 220)
    assert {row["request_id"] for row in rows} == {one.headers["request-id"] for one in seen}
    books.wait_for_line(gateway, AGAIN)
    assert gateway.log.count(WAITING) == 1
    books.check(gateway)


def test_process_that_has_never_seen_its_database_says_so_until_it_is_there(
    start_gateway: Start, backend: FakeBackend, database: postgres.Server
) -> None:
    """Ours: hosts start in any order. A 529 is what clients try again."""
    database.stop()
    try:
        gateway = start_gateway("serve", ready=Ready.LISTENING, DATABASE_URL=database.url)
        waiting = [gateway.client.send("POST", MESSAGES, ask())]
        waiting.append(gateway.client.send("GET", "/health"))
        for connection in waiting:
            with closing(connection):
                refused = connection.getresponse()
                assert (refused.status, refused.headers["retry-after"]) == (529, "5")
                error = check_error(json.load(refused))["error"]
                assert (error["type"], error["message"]) == ("overloaded_error", STARTING)
        assert gateway.log.count(MISSING) == 1
    finally:
        database.start()
    books.until(gateway.client.messages, lambda answer: answer.status == 200, gateway)
    books.wait_for_line(gateway, BANNER)
    statuses = [row["status"] for row in books.until(lambda: books.rows(gateway), bool, gateway)]
    assert statuses[0] == 529
