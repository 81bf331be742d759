"""A PostgreSQL server of the tests' own, on a port of its own, in a folder that goes with it.

PostgreSQL refuses to run as root; there its programs run as the user `postgres` or `nobody`.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
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
        self.folder.chmod(0o755)
        self._home.mkdir()
        if self.user:
            for place in (self.folder, self._home):
                shutil.chown(place, self.user)
        self._run("initdb", "-D", str(self._home), "-A", "trust", "-U", "gateway", "--no-sync")

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
        bin_folder = programs()
        assert bin_folder is not None
        with (self.folder / f"{program}.log").open("wb") as output:
            subprocess.run(
                [str(bin_folder / program), *arguments],
                check=True,
                user=self.user,
                cwd=self._home,
                stdout=output,
                stderr=output,
                timeout=60,
            )


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
