"""An upgrade while the version before it runs: both live with the tables of the new one.

The version of the tag is started from its own files, on its own tables; then this version migrates
them and serves beside it. What a migration may do for that is a table, which holds for every one
behind the first.
"""

from __future__ import annotations

import io
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.db import models
from django.db.migrations import operations
from django.db.migrations.loader import MigrationLoader
from django.db.models.functions import Now

from tests.conftest import Start
from tests.fakes import books, forked
from tests.fakes.backend import FakeBackend
from tests.fakes.gateway import Gateway
from tests.fakes.ports import reserve_port

ROOT = Path(__file__).resolve().parents[2]
TAG = "0.1.0"
"""The first release, from whose tables on upgrades are promised."""
FIRST = "0001_initial"
OURS = ("bridge", "dashboard")
WAIT_SECONDS = 60.0


# --- what a migration may do --------------------------------------------------------------------

ADDING = (operations.CreateModel, operations.AddIndex, operations.RemoveIndex)
STATES = (operations.AlterModelOptions, operations.AlterModelManagers)
"""Change nothing in the database."""


def problem(operation: Any) -> str:
    """Why the version before could not go on behind it; "" where it can."""
    if isinstance(operation, (*ADDING, *STATES)):
        return ""
    if isinstance(operation, operations.AddField):
        field = operation.field
        has_value = field.null or field.has_db_default() or field.many_to_many
        return "" if has_value else "rows of the version before have no value for it"
    if isinstance(operation, operations.RunPython):
        return ""
    return "the version before still uses what it changes"


@pytest.mark.parametrize(
    ("operation", "is_fine"),
    [
        (operations.CreateModel("New", [("id", models.BigAutoField(primary_key=True))]), True),
        (operations.AddField("key", "new", models.IntegerField(null=True)), True),
        (operations.AddField("key", "new", models.IntegerField(db_default=0)), True),
        (operations.AddField("key", "new", models.DateTimeField(db_default=Now())), True),
        (operations.AddField("key", "new", models.IntegerField(default=0)), False),
        (operations.RemoveField("key", "old"), False),
        (operations.RenameField("key", "old", "new"), False),
        (operations.AlterField("key", "old", models.IntegerField()), False),
        (operations.DeleteModel("Old"), False),
        (operations.RunSQL("DROP TABLE old"), False),
    ],
)
def test_table_knows_what_breaks_the_version_before(operation: Any, is_fine: bool) -> None:
    assert (problem(operation) == "") is is_fine


def test_no_migration_breaks_the_version_before() -> None:
    """What has to go is left alone by one release, and removed by the next."""
    every = MigrationLoader(None).disk_migrations
    later = {name: each for name, each in every.items() if name[0] in OURS and name[1] != FIRST}
    wrong = [(name, problem(step)) for name, each in later.items() for step in each.operations]
    assert [each for each in wrong if each[1]] == []


# --- what runs goes on --------------------------------------------------------------------------


def use(gateway: Gateway, name: str) -> None:
    """A change of the configuration, and requests that are booked."""
    before = len(books.rows(gateway))
    target = {"backend": "main", "model": "test/alpha"}
    gateway.configure(aliases=[{"pattern": name, "targets": [target]}])
    books.until(gateway.names, lambda names: name in names, gateway)
    for stream in (False, True):
        assert gateway.client.messages(model=name, stream=stream).status == 200
    books.until(lambda: books.rows(gateway), lambda rows: len(rows) >= before + 2, gateway)


def test_version_that_runs_lives_with_what_a_later_one_adds(
    start_gateway: Start, backend: FakeBackend
) -> None:
    """A table, and columns in every table: one without a value, one with that of the database."""
    gateway = start_gateway("serve")
    use(gateway, "before")
    path = gateway.environment["DATABASE_URL"].removeprefix("sqlite:///")
    with closing(sqlite3.connect(path)) as database, database:
        found = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        ours = [name for (name,) in found if name.startswith(OURS)]
        assert len(ours) > 10
        for name in ours:
            database.execute(f"ALTER TABLE {name} ADD COLUMN of_later integer NULL")
            database.execute(f"ALTER TABLE {name} ADD COLUMN also integer NOT NULL DEFAULT 7")
        database.execute("CREATE TABLE bridge_later (id integer PRIMARY KEY)")
    use(gateway, "afterwards")
    books.check(gateway)
    assert gateway.stop() == 0
    use(start_gateway("serve", after=gateway), "started anew")


# --- from one release to the next ---------------------------------------------------------------


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """The files of the tag."""
    archive = subprocess.run(
        ["git", "archive", "--format=tar", f"refs/tags/{TAG}"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if archive.returncode:
        pytest.skip(f"there is no tag {TAG} here: nothing was released before this version")
    folder = tmp_path / "before"
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")
    return folder


@pytest.fixture
def old(before: Path, backend: FakeBackend, tmp_path: Path) -> Iterator[Gateway]:
    """That version, on its own tables."""
    (home := tmp_path / "home").mkdir()
    port = reserve_port()
    environment = {
        "PATH": str(Path(sys.executable).parent),
        "HOME": str(home),
        "PORT": str(port),
        "DATA_DIR": str(home),
        "DATABASE_URL": f"sqlite:///{home / 'db.sqlite3'}",
        "BACKEND_URL": backend.chat_url,
    }
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "serve"],
            cwd=before,
            env=environment,
            stdout=log,
            stderr=log,
        )
    gateway = Gateway(port, process, home / "log", environment=environment)
    books.until(lambda: gateway.is_listening() and gateway.names(), bool, gateway)
    yield gateway
    gateway.stop()


def test_tagged_version_goes_on_while_this_one_migrates_and_serves(
    old: Gateway, start_gateway: Start, backend: FakeBackend
) -> None:
    use(old, "before")
    done = forked.run(["manage.py", "migrate", "-v0"], old.environment, "", WAIT_SECONDS)
    assert done.returncode == 0, done.stderr
    use(old, "between")
    new = start_gateway("serve", DATABASE_URL=old.environment["DATABASE_URL"])
    for gateway in (old, new, old):
        use(gateway, f"beside-{gateway.port}")
    assert old.stop() == 0
    books.check(new)
