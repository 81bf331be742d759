"""A PostgreSQL server of the tests' own, on a port of its own, in a folder that goes with it.

PostgreSQL refuses to run as root; there its programs run as the user `postgres` or `nobody`.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.migrating import migrate
from tests.fakes.once import once
from tests.fakes.ports import reserve_port

INSTALLED = Path("/usr/lib/postgresql")
USERS = ("postgres", "nobody")
HOME = "cluster"


def programs() -> Path | None:
    """The folder of the newest installed server's programs, None where there is none."""
    on_path = shutil.which("initdb")
    found = sorted(INSTALLED.glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    initdb = found[-1] if found else Path(on_path) if on_path else None
    return initdb.parent if initdb else None


def _unprivileged() -> str | None:
    """The user to run as, None where we are not root anyway."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(user for user in USERS if user in known)


@dataclass(frozen=True, slots=True)
class Server:
    """A server with a database `gateway`. It can go away and come back."""

    folder: Path
    port: int
    user: str | None

    @property
    def url(self) -> str:
        return f"postgres://gateway@127.0.0.1:{self.port}/gateway"

    @property
    def _home(self) -> Path:
        return self.folder / HOME

    def make(self, files: Path) -> None:
        """A copy of these files: to make new ones takes as long as a gateway takes."""
        _hand_over(self.folder, self.user)
        copy = ["cp", "-a", str(files), str(self._home)]
        subprocess.run(copy, check=True, timeout=60)

    def start(self) -> None:
        options = f"-p {self.port} -h 127.0.0.1 -k {self._home} -c fsync=off"
        log = str(self._home / "server.log")
        self._run("pg_ctl", "-D", str(self._home), "-w", "-l", log, "-o", options, "start")

    def create_database(self) -> None:
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "gateway", "gateway")

    def stop(self, mode: str = "immediate") -> None:
        """At once, in the middle of whatever it does; "fast": after it has written its files."""
        self._run("pg_ctl", "-D", str(self._home), "-m", mode, "-w", "stop")

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """It is there and takes connections, but no process of it does anything."""
        self._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        parent = int((self._home / "postmaster.pid").read_text().split()[0])
        os.kill(parent, number)  # First: a parent that stands still starts no further process.
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text()
        for pid in map(int, children.split()):
            with suppress(ProcessLookupError):  # It may have ended since it was listed.
                os.kill(pid, number)

    def _run(self, program: str, *arguments: str) -> None:
        _run(self.folder, self.user, program, *arguments)


def _hand_over(folder: Path, user: str | None) -> None:
    folder.chmod(0o755)
    if user:
        shutil.chown(folder, user)


def _run(folder: Path, user: str | None, program: str, *arguments: str) -> None:
    """What the program writes is in the folder."""
    bin_folder = programs()
    assert bin_folder is not None
    with (folder / f"{program}.log").open("wb") as output:
        subprocess.run(
            [str(bin_folder / program), *arguments],
            check=True,
            user=user,
            cwd=folder,
            stdout=output,
            stderr=output,
            timeout=60,
        )


def _empty_home() -> Path:
    """The files of a server that has never run."""

    def make(folder: Path) -> None:
        user = _unprivileged()
        _hand_over(folder, user)
        options = ("-A", "trust", "-U", "gateway", "--no-sync", "--wal-segsize=1")
        _run(folder, user, "initdb", "-D", str(folder / HOME), *options)

    return once("postgres", make) / HOME


def _migrated_home() -> Path:
    """The files of a server whose database has all tables: to make them costs what a start does."""

    def make(folder: Path) -> None:
        server = Server(folder, reserve_port(), _unprivileged())
        server.make(_empty_home())
        server.start()
        try:
            server.create_database()
            with tempfile.TemporaryDirectory() as home:
                migrate(server.url, Path(home))
        finally:
            server.stop("fast")

    return once("postgres-migrated", make) / HOME


@contextmanager
def serving(folder: Path, *, is_empty: bool = False) -> Iterator[Server]:
    """A server that runs, unless a test stops it. Its database is migrated, if not `is_empty`."""
    server = Server(folder, reserve_port(), _unprivileged())
    server.make(_empty_home() if is_empty else _migrated_home())
    server.start()
    try:
        if is_empty:
            server.create_database()
        yield server
    finally:
        server.stop()


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """The URL of a migrated database `gateway` in a server that runs."""
    with serving(folder) as server:
        yield server.url


@contextmanager
def running_empty(folder: Path) -> Iterator[str]:
    """The same, of a database without a table."""
    with serving(folder, is_empty=True) as server:
        yield server.url
