"""The rows of a gateway's ledger, read past the product from whichever database it has."""

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any, TypeVar

import psycopg

from tests.fakes.gateway import Gateway

WAIT_SECONDS = 60.0
POLL_SECONDS = 0.05
SQLITE = "sqlite:///"
ROWS = "SELECT * FROM bridge_usagerecord ORDER BY time, id"

T = TypeVar("T")
Row = dict[str, Any]
"""A row by its columns, and by the members of its `detail`."""


@contextmanager
def _connected(url: str) -> Iterator[Any]:
    if url.startswith(SQLITE):
        with closing(sqlite3.connect(f"file:{url.removeprefix(SQLITE)}?mode=ro", uri=True)) as file:
            yield file
    else:
        with psycopg.connect(url) as server:
            yield server


def rows(gateway: Gateway) -> list[Row]:
    """All rows, in the order in which the requests arrived."""
    with _connected(gateway.environment["DATABASE_URL"]) as connection:
        found = connection.execute(ROWS)
        names = [column[0] for column in found.description]
        return [_row(dict(zip(names, values, strict=True))) for values in found.fetchall()]


def _row(columns: Row) -> Row:
    columns["tool_milliseconds"] = _document(columns["tool_milliseconds"])
    return columns | _document(columns.pop("detail"))


def _document(value: str | Row) -> Row:
    told: Row = json.loads(value) if isinstance(value, str) else value
    return told


def wait_for_rows(gateway: Gateway, count: int) -> list[Row]:
    """All rows, once there are so many; it is an error when there are more."""
    found = until(lambda: rows(gateway), lambda found: len(found) >= count, gateway)
    assert len(found) == count
    return found


def until(look: Callable[[], T], well: Callable[[T], bool], gateway: Gateway) -> T:
    """What one sees, as soon as it is as wanted."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not well(found := look()):
        assert time.monotonic() < deadline, f"{found}\n{gateway.tail()}"
        time.sleep(POLL_SECONDS)
    return found


def wait_for_line(gateway: Gateway, text: str) -> None:
    """Return when the log says this, which it must do once."""
    until(lambda: gateway.log.count(text), bool, gateway)
    assert gateway.log.count(text) == 1


def check(gateway: Gateway) -> str:
    """What `check_ledger` says when everything adds up and nothing waits any more."""
    said = gateway.manage("check_ledger")
    assert "0 records wait in the spool" in said
    assert "Everything adds up." in said
    return said
