"""Changes that other processes make in a SQLite file are heard of, and nothing else is."""

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import ConnectionHandler
from pytest_django import DjangoDbBlocker

from bridge.cluster import database_changes


@pytest.fixture
def watching(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, django_db_blocker: DjangoDbBlocker
) -> Iterator[BaseDatabaseWrapper]:
    """This process's connection to a file with one table."""
    with sqlite3.connect(tmp_path / "db.sqlite3") as made:
        made.execute("PRAGMA journal_mode=WAL")
        made.execute("CREATE TABLE version (number)")
        made.execute("INSERT INTO version VALUES (1)")
    made.close()
    settings = {
        "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": tmp_path / "db.sqlite3"}
    }
    connection = ConnectionHandler(settings)["default"]
    connection.inc_thread_sharing()  # made here, used by the thread that watches
    monkeypatch.setattr(database_changes, "connection", connection)
    with django_db_blocker.unblock():
        yield connection
        connection.close()


@pytest.fixture
def other(watching: BaseDatabaseWrapper, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Another process's connection to it."""
    connection = sqlite3.connect(tmp_path / "db.sqlite3", isolation_level=None)
    yield connection
    connection.close()


class Looks:
    """What one process sees, look by look."""

    def __init__(self, watching: BaseDatabaseWrapper) -> None:
        self.seen: tuple[object, object] = None, None
        self.heard = 0
        self._watching = watching

    def marks(self) -> object:
        with self._watching.cursor() as cursor:
            return cursor.execute("SELECT number FROM version").fetchone()

    def change(self) -> None:
        self.heard += 1

    def look(self) -> int:
        """How often something was heard so far."""
        self.seen = database_changes._look(self.seen, self.change, self.marks)
        return self.heard


def test_change_is_heard_once_and_other_writes_are_not(
    watching: BaseDatabaseWrapper, other: sqlite3.Connection
) -> None:
    looks = Looks(watching)
    assert looks.look() == 1  # for what was missed before the first look
    other.execute("UPDATE version SET number = 2")
    assert looks.look() == 2
    assert looks.look() == 2
    other.execute("CREATE TABLE usage (tokens)")
    other.execute("INSERT INTO usage VALUES (7)")
    assert looks.look() == 2


def test_no_table_is_read_while_nobody_writes(watching: BaseDatabaseWrapper) -> None:
    looks = Looks(watching)
    looks.look()
    statements: list[str] = []
    watching.connection.set_trace_callback(statements.append)
    for _ in range(20):
        looks.look()
    assert set(statements) == {"PRAGMA data_version"}


def test_watch_goes_on_after_a_table_was_missing(
    watching: BaseDatabaseWrapper, other: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process may start before the tables are there."""
    monkeypatch.setattr(database_changes, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(database_changes, "PAUSE_SECONDS", 0.01)
    other.execute("ALTER TABLE version RENAME TO later")
    heard, ended, failed = threading.Event(), threading.Event(), threading.Event()
    looks = Looks(watching)

    def marks() -> object:
        try:
            return looks.marks()
        except OperationalError:
            failed.set()
            raise

    watch = threading.Thread(target=database_changes._watch, args=(heard.set, marks, ended))
    watch.start()
    try:
        assert failed.wait(20)
        assert not heard.is_set()
        other.execute("ALTER TABLE later RENAME TO version")
        assert heard.wait(20)
    finally:
        ended.set()
        watch.join(20)
    assert not watch.is_alive()
