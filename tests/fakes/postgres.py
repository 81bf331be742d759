"""A PostgreSQL server of the tests' own, on a free port, in a folder that goes with it.

PostgreSQL refuses to run as root; there its programs run as the user `postgres` or `nobody`.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fakes.gateway import free_port

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


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """A server with an empty database `gateway`; its URL."""
    folder.chmod(0o755)
    home, user, port = folder / "cluster", _unprivileged(), free_port()
    home.mkdir()
    if user:
        for place in (folder, home):
            shutil.chown(place, user)
    bin_folder = programs()
    assert bin_folder is not None

    def run(program: str, *arguments: str) -> None:
        command = [str(bin_folder / program), *arguments]
        log = folder / f"{program}.log"
        with log.open("wb") as output:
            subprocess.run(
                command, check=True, user=user, cwd=home, stdout=output, stderr=output, timeout=60
            )

    run("initdb", "-D", str(home), "-A", "trust", "-U", "gateway", "--no-sync")
    options = f"-p {port} -h 127.0.0.1 -k {home} -c fsync=off"
    run("pg_ctl", "-D", str(home), "-w", "-l", str(home / "server.log"), "-o", options, "start")
    try:
        run("createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "gateway", "gateway")
        yield f"postgres://gateway@127.0.0.1:{port}/gateway"
    finally:
        run("pg_ctl", "-D", str(home), "-m", "immediate", "-w", "stop")
