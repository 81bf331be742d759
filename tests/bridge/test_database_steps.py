"""Steps of background work share one connection to a SQLite file, while it is that file."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import ConnectionHandler
from pytest_django import DjangoDbBlocker

from bridge import database_steps
from bridge.database_steps import in_database


@pytest.fixture
def database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, django_db_blocker: DjangoDbBlocker
) -> Iterator[BaseDatabaseWrapper]:
    settings = {
        "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": tmp_path / "db.sqlite3"}
    }
    connection = ConnectionHandler(settings)["default"]
    connection.inc_thread_sharing()  # made here, used by the thread of the steps
    monkeypatch.setattr(database_steps, "connection", connection)
    monkeypatch.setattr(
        database_steps, "close_old_connections", connection.close_if_unusable_or_obsolete
    )
    with django_db_blocker.unblock():
        yield connection
        connection.close()


async def step(database: BaseDatabaseWrapper, statement: str = "SELECT 1") -> object:
    """Make a step; the connection of sqlite3 that it used."""

    def execute() -> object:
        with database.cursor() as cursor:
            cursor.execute(statement)
        return database.connection

    return await in_database(execute)()


async def test_steps_share_a_connection(database: BaseDatabaseWrapper) -> None:
    first = await step(database, "CREATE TABLE a (x)")
    assert await step(database, "SELECT * FROM a") is first
    assert database.connection is first


async def test_step_after_an_error_opens_anew(database: BaseDatabaseWrapper) -> None:
    first = await step(database)
    with pytest.raises(OperationalError):
        await step(database, "SELECT * FROM missing")
    assert await step(database) is not first


async def test_step_sees_the_file_that_took_the_place(
    database: BaseDatabaseWrapper, tmp_path: Path
) -> None:
    """An operator puts a backup back under a running process."""
    await step(database, "CREATE TABLE before (x)")
    shutil.copyfile(tmp_path / "db.sqlite3", tmp_path / "backup")
    await step(database, "CREATE TABLE after (x)")
    (tmp_path / "backup").rename(tmp_path / "db.sqlite3")
    await step(database, "SELECT * FROM before")
    with pytest.raises(OperationalError):
        await step(database, "SELECT * FROM after")


async def test_connection_closes_in_the_end(database: BaseDatabaseWrapper) -> None:
    await step(database)
    await database_steps.close()
    assert vars(database)["connection"] is None
