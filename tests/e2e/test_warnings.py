"""Warnings of two processes on one database: each is sent once, also when the leader is killed."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from tests.conftest import Start
from tests.fakes import postgres
from tests.fakes.gateway import Gateway
from tests.fakes.webhook import WebhookReceiver, until

SHARED = {"SECRET_KEY": "of-both-processes-" * 3}
SECRET = "whsec_c2VjcmV0IG9mIHRoZSByZWNlaXZlciwgMzIgYnl0ZXM="


@pytest.fixture
def database() -> Iterator[str]:
    """The address of an empty database. Other tests have SQLite."""
    if postgres.programs() is None:
        pytest.skip("no PostgreSQL server: initdb was not found")
    with tempfile.TemporaryDirectory() as folder, postgres.running(Path(folder)) as url:
        yield url


@pytest.fixture
def pair(start_gateway: Start, database: str) -> list[Gateway]:
    return [start_gateway("serve", DATABASE_URL=database, **SHARED) for _ in range(2)]


def rows(database: str, query: str) -> list[tuple[object, ...]]:
    with closing(psycopg.connect(database)) as connection:
        return connection.execute(query.encode()).fetchall()


def leader_of(pair: list[Gateway], database: str) -> Gateway:
    """The process that has the lease."""
    ((holder,),) = rows(database, "SELECT holder FROM bridge_lease")
    (found,) = (each for each in pair if f":{each.process.pid}:" in str(holder))
    return found


def issue_expiring(gateway: Gateway, name: str) -> None:
    """A key that ends in three days, which is one to warn of."""
    ends = datetime.now(UTC) + timedelta(days=3)
    gateway.manage("issue_key", name, "--expires", f"{ends:%Y-%m-%d}")


def test_leader_that_is_killed_is_replaced_and_nothing_is_lost_or_sent_twice(
    pair: list[Gateway], database: str
) -> None:
    """The leader sends. Another process takes over when the holder is killed."""
    with WebhookReceiver() as receiver:
        rule = {"name": "keys", "what": "key_expiry", "webhook": receiver.url, "secret": SECRET}
        said = json.dumps({"warning_rules": [rule]})
        pair[0].manage("import_config", "-", said=said)
        issue_expiring(pair[0], "first")
        receiver.wait(1)
        # sent and noted: what is sent and not yet noted goes out once more, under the same id
        delivered = "SELECT tries FROM bridge_warningdelivery WHERE outcome = 'delivered'"
        until(lambda: len(rows(database, delivered)) == 1)
        first = leader_of(pair, database)
        first.forced = True
        first.kill()
        (other,) = (each for each in pair if each is not first)
        issue_expiring(other, "second")
        received = receiver.wait(2)
        until(lambda: len(rows(database, delivered)) == 2)
        assert leader_of(pair, database) is other
    assert [each.json["subject"]["name"] for each in received] == ["first", "second"]
    assert rows(database, delivered) == [(1,), (1,)]
    assert len(receiver.received) == 2
    assert all(each.headers["webhook-signature"].startswith("v1,") for each in received)
