"""A PostgreSQL server of the tests' own, on a port of its own, in a folder that goes with it.

PostgreSQL refuses to run as root; there its programs run as the user `postgres` or `nobody`.
"""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.fakes.ports import reserve_port

INSTALLED = Path("/usr/lib/postgresql")
USERS = ("postgres", "nobody")


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
    """A server with an empty database `gateway`. It can go away and come back."""

    folder: Path
    port: int
    user: str | None

    @property
    def url(self) -> str:
        return f"postgres://gateway@127.0.0.1:{self.port}/gateway"

    @property
    def _home(self) -> Path:
        return self.folder / "cluster"

    def make(self) -> None:
        """A copy of the first one of this process: to make one takes as long as a gateway takes."""
        _hand_over(self.folder, self.user)
        copy = ["cp", "-a", str(_first_home(self.user)), str(self._home)]
        subprocess.run(copy, check=True, timeout=60)

    def start(self) -> None:
        options = f"-p {self.port} -h 127.0.0.1 -k {self._home} -c fsync=off"
        log = str(self._home / "server.log")
        self._run("pg_ctl", "-D", str(self._home), "-w", "-l", log, "-o", options, "start")

    def create_database(self) -> None:
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "gateway", "gateway")

    def stop(self) -> None:
        """At once, in the middle of whatever it does."""
        self._run("pg_ctl", "-D", str(self._home), "-m", "immediate", "-w", "stop")

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


@cache
def _first_home(user: str | None) -> Path:
    """The files of a server that has never run, made once in a process."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-template-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _hand_over(folder, user)
    home = folder / "cluster"
    _run(
        folder,
        user,
        "initdb",
        "-D",
        str(home),
        "-A",
        "trust",
        "-U",
        "gateway",
        "--no-sync",
        "--wal-segsize=1",
    )
    return home


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """A server that runs, unless a test stops it."""
    server = Server(folder, reserve_port(), _unprivileged())
    server.make()
    server.start()
    try:
        server.create_database()
        yield server
    finally:
        server.stop()


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """The URL of an empty database `gateway` in a server that runs."""
    with serving(folder) as server:
        yield server.url
