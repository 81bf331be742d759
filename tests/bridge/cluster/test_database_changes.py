"""Changes that other processes make in a SQLite file are heard of, and nothing else is."""

import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import ConnectionHandler
from pytest_django import DjangoDbBlocker

from bridge import database_steps
from bridge.cluster import database_changes
from bridge.cluster.database_changes import Watch


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
    monkeypatch.setattr(database_steps, "connection", connection)
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
        self.heard = 0
        self._watching = watching
        self._watch = Watch(self.change, self.marks, lambda is_certain: None)

    def marks(self) -> object:
        with self._watching.cursor() as cursor:
            return cursor.execute("SELECT number FROM version").fetchone()

    def change(self) -> None:
        self.heard += 1

    def look(self) -> int:
        """How often something was heard so far."""
        self._watch.look()
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


def test_no_table_is_read_when_a_write_changed_nothing(
    watching: BaseDatabaseWrapper, other: sqlite3.Connection
) -> None:
    looks = Looks(watching)
    looks.look()
    statements: list[str] = []
    watching.connection.set_trace_callback(statements.append)
    os.utime(f"{watching.settings_dict['NAME']}-wal", (1, 1))
    looks.look()
    assert statements == ["PRAGMA data_version"]


def test_nothing_is_asked_while_nobody_writes(
    watching: BaseDatabaseWrapper, other: sqlite3.Connection
) -> None:
    looks = Looks(watching)
    other.execute("UPDATE version SET number = 2")
    for _ in range(3):
        looks.look()
    statements: list[str] = []
    watching.connection.set_trace_callback(statements.append)
    for _ in range(20):
        looks.look()
    assert statements == []


def test_change_is_heard_that_bears_the_stamp_of_the_one_before(
    watching: BaseDatabaseWrapper, other: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock of files stands still for some milliseconds, and a log that begins anew keeps its
    size."""
    looks = Looks(watching)
    looks.look()
    monkeypatch.setattr(Watch, "_stamp", lambda watch: "the same")
    other.execute("UPDATE version SET number = 2")
    assert looks.look() == 2
    other.execute("UPDATE version SET number = 3")
    assert looks.look() == 3


def test_change_is_heard_where_no_log_is_kept(
    tmp_path: Path, watching: BaseDatabaseWrapper
) -> None:
    with sqlite3.connect(tmp_path / "db.sqlite3", isolation_level=None) as other:
        other.execute("PRAGMA journal_mode=DELETE")
        looks = Looks(watching)
        for _ in range(3):
            assert looks.look() == 1
        other.execute("UPDATE version SET number = 2")
        assert looks.look() == 2
    other.close()


def test_file_in_the_place_of_the_old_one_is_not_taken_for_it(
    watching: BaseDatabaseWrapper, tmp_path: Path
) -> None:
    """An operator puts a backup back under a running process."""
    looks = Looks(watching)
    looks.look()
    shutil.copyfile(tmp_path / "db.sqlite3", tmp_path / "backup")
    (tmp_path / "backup").rename(tmp_path / "db.sqlite3")
    (tmp_path / "db.sqlite3-wal").unlink(missing_ok=True)
    with pytest.raises(database_changes.FileError):
        looks.look()


def test_watch_goes_on_after_a_table_was_missing(
    watching: BaseDatabaseWrapper, other: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process may start before the tables are there."""
    monkeypatch.setattr(database_changes, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(database_changes, "PAUSE_SECONDS", 0.01)
    other.execute("ALTER TABLE version RENAME TO later")
    heard, failed = threading.Event(), threading.Event()
    certain: list[bool] = []
    looks = Looks(watching)

    def marks() -> object:
        try:
            return looks.marks()
        except OperationalError:
            failed.set()
            raise

    watch = Watch(heard.set, marks, certain.append)
    thread = threading.Thread(target=watch.run)
    thread.start()
    try:
        assert failed.wait(20)
        assert not heard.is_set()
        other.execute("ALTER TABLE later RENAME TO version")
        assert heard.wait(20)
    finally:
        watch.end()
        thread.join(20)
    assert not thread.is_alive()
    assert certain == [True]
