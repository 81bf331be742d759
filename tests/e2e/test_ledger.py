"""Several processes on one ledger, and processes that are killed: on SQLite and on PostgreSQL."""

import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import psycopg
import pytest

from tests.fakes import forked, postgres
from tests.fakes.gateway import migrated_database

SECONDS = 60.0
STDERR = 2
IDS = """
from bridge.models import UsageRecord
print(*UsageRecord.objects.values_list("request_id", flat=True))
"""


@dataclass(frozen=True)
class Host:
    """Where the processes of one test run: their folder and database."""

    folder: Path
    database_url: str

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "DJANGO_SETTINGS_MODULE": "proxysite.settings",
            "DATA_DIR": str(self.folder),
            "DATABASE_URL": self.database_url,
            "LOG_LEVEL": "warning",
        }

    def start(self, *command: str) -> "Program":
        reader, writer = os.pipe()
        with open(os.devnull, "rb") as nothing, open(writer, "wb") as output:
            files = nothing.fileno(), output.fileno(), STDERR
            return Program(forked.Forked(command, self.environment, files), open(reader))

    def run(self, *command: str) -> str:
        """What it said; it ended well."""
        done = forked.run(command, self.environment, "", SECONDS)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def database_away(self) -> Iterator[None]:
        """Running connections end, and there are no new ones."""
        if self.database_url.startswith("sqlite"):
            place = self.folder / "database"
            place.rename(self.folder / "elsewhere")
            yield
            (self.folder / "elsewhere").rename(place)
            return
        with psycopg.connect(f"{self.database_url[: -len('gateway')]}postgres") as server:
            server.autocommit = True
            server.execute("ALTER DATABASE gateway ALLOW_CONNECTIONS false")
            server.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'gateway'"
            )
            yield
            server.execute("ALTER DATABASE gateway ALLOW_CONNECTIONS true")


@dataclass(frozen=True)
class Program:
    """A running process, and what it writes."""

    process: forked.Forked
    output: TextIO

    def lines(self, count: int) -> list[str]:
        """The next that it writes."""
        return [self.output.readline().strip() for _ in range(count)]

    def rest(self) -> str:
        """All that it writes until it ends, for which it has so many SECONDS."""
        clock = threading.Timer(SECONDS, self.process.kill)
        clock.start()
        with self.output:
            written = self.output.read()
        clock.cancel()
        return written

    def finished(self) -> str:
        """The same, of a process that ends well."""
        written = self.rest()
        assert self.process.wait(SECONDS) == 0, written
        return written


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A migrated database of a server."""
    if postgres.programs() is None:
        pytest.skip("no PostgreSQL server: initdb was not found")
    with tempfile.TemporaryDirectory() as folder, postgres.running(Path(folder)) as url:
        Host(Path(folder), url).run("manage.py", "migrate", "-v0")
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Host:
    if request.param == "sqlite":
        path = tmp_path / "database" / "db.sqlite3"
        path.parent.mkdir()
        shutil.copyfile(migrated_database(), path)
        return Host(tmp_path, f"sqlite:///{path}")
    host = Host(tmp_path, request.getfixturevalue("server"))
    host.run("manage.py", "flush", "--no-input", "-v0")
    return host


def test_writers_share_hours_and_sessions(host: Host) -> None:
    """design, The ledger: three at once, two of them with the very same requests."""
    seeds = ("1", "1", "2")
    writers = [
        host.start("-m", "tests.fakes.synthetic", "600", "--days", "0.2", "--seed", seed)
        for seed in seeds
    ]
    assert sum(int(writer.finished()) for writer in writers) == 1200
    said = host.run("manage.py", "check_ledger")
    assert said.startswith("1,200 requests in ")
    assert "Everything adds up." in said


def test_killed_processes_lose_nothing_and_count_nothing_twice(host: Host) -> None:
    """design, The ledger: kill -9, in the middle of everything, and again."""
    told: set[str] = set()
    for seed in range(1, 5):
        program = host.start("-m", "tests.fakes.accounting", "100000", "--seed", str(seed))
        told |= set(program.lines(200 * seed))
        program.process.kill()
        told |= set(program.rest().split("\n")[:-1])
    host.run("-m", "tests.fakes.accounting", "5", "--seed", "9")
    entered = host.run("manage.py", "shell", "-v0", "-c", IDS).split()
    assert len(entered) == len(set(entered))
    assert told <= set(entered)
    said = host.run("manage.py", "check_ledger")
    assert f"{len(entered):,} requests" in said
    assert "0 records wait in the spool" in said
    assert "Everything adds up." in said
    assert spooled(host) == []


def test_outage_of_the_database_delays_rows_and_loses_none(host: Host) -> None:
    """design, The ledger. Requests end all the while."""
    program = host.start("-m", "tests.fakes.accounting", "2000")
    told = program.lines(500)
    with host.database_away():
        told += program.lines(1500)
        waiting = sum(len(path.read_bytes().splitlines()) for path in spooled(host))
        assert waiting >= 1000
    program.finished()
    assert (len(set(told)), spooled(host)) == (2000, [])
    said = host.run("manage.py", "check_ledger")
    assert said.startswith("2,000 requests in ")
    assert "Everything adds up." in said


def spooled(host: Host) -> list[Path]:
    return list((host.folder / "spool").glob("*"))


def test_reports_read_the_same_on_every_database(host: Host) -> None:
    """Ours: days, keys, models and sessions in SQL that both understand."""
    host.run("-m", "tests.fakes.synthetic", "1000", "--days", "3")
    for by in ("key", "model", "day", "session"):
        said = host.run(
            *("manage.py", "usage", "--by", by, "--timezone", "Asia/Tokyo", "--since", "30d")
        )
        total = next(line for line in said.splitlines() if line.startswith("total"))
        assert by == "session" or total.split()[1] == "1,000"
