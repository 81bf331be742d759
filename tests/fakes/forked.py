"""Processes of the project that start quickly: forks of one that has the packages imported.

Imports are nearly all of the processor time of a start. Packages that look neither at the
environment nor at Django's settings are imported once, by the process of `forking.py`. A program
starts as a fork of it, with an environment, arguments and a log of its own. A program of the
project is forked from a process that has the project imported too (`settled.py`).
What else it imports is compiled once, even where the shell asks for no files of bytecode.
"""

from __future__ import annotations

import atexit
import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from tests.fakes.once import folder

ROOT = Path(__file__).resolve().parents[2]
PARENT = Path(__file__).with_name("forking.py")
PROJECT = PARENT.with_name("settled.py")
DATABASES = {"sqlite": "sqlite:///:memory:", "postgres": "postgres://127.0.0.1/none"}
COMPANY = {
    "OIDC_ISSUER": "https://company.test",
    "OIDC_CLIENT_ID": "gateway",
    "OIDC_CLIENT_SECRET": "none",
}
FAILED = 255
LENGTH = 8
Files = tuple[int, int, int]


class Forked:
    """A started program, as `subprocess.Popen` has them: what the tests need of it."""

    def __init__(self, args: Sequence[str], environment: Mapping[str, str], files: Files) -> None:
        """`args`: what stands behind `python`. `files`: its input, output and errors."""
        self.args = args
        self.returncode: int | None = None
        self._lock = threading.Lock()
        self._end, status = os.pipe()
        try:
            self.pid = _parent(_kind(args, environment)).fork(args, environment, [*files, status])
        finally:
            os.close(status)

    def poll(self) -> int | None:
        """The exit code, None while it runs."""
        return self._await(0.0)

    def wait(self, timeout: float | None = None) -> int:
        code = self._await(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(list(self.args), timeout or 0.0)
        return code

    def _await(self, timeout: float | None) -> int | None:
        with self._lock:
            if self.returncode is None and select.select([self._end], [], [], timeout)[0]:
                self.returncode = int(os.read(self._end, 32) or str(FAILED))
                os.close(self._end)
            return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def run(
    args: Sequence[str], environment: Mapping[str, str], entered: str, seconds: float
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, with this text as its input."""
    with TemporaryFile() as given, TemporaryFile() as output, TemporaryFile() as errors:
        given.write(entered.encode())
        given.seek(0)
        program = Forked(args, environment, (given.fileno(), output.fileno(), errors.fileno()))
        try:
            code = program.wait(seconds)
        except subprocess.TimeoutExpired:
            program.kill()
            raise
        written = [_whole(file) for file in (output, errors)]
    return subprocess.CompletedProcess(list(args), code, *written)


def _whole(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


class _Parent:
    """The line on which a process that forks takes orders from this one."""

    def __init__(self, line: socket.socket) -> None:
        self._lock = threading.Lock()
        self._line = line
        atexit.register(line.close)

    def fork(
        self, args: Sequence[str], environment: Mapping[str, str], files: Sequence[int]
    ) -> int:
        """The id of the new process. Into the last of the files its exit code is written."""
        given = {"args": list(args), "environment": dict(environment)}
        order = json.dumps(given | {"is_shared": list(args) == [str(PROJECT)]}).encode()
        with self._lock:
            socket.send_fds(self._line, [len(order).to_bytes(LENGTH, "big")], files)
            self._line.sendall(order)
            answer = self._line.recv(LENGTH)
        assert answer, "the process that forks has ended"
        return int.from_bytes(answer, "big")


PACKAGES = "packages"
"""The kind of what is no program of the project."""
_parents: dict[tuple[int, str], _Parent] = {}
_starting = threading.RLock()


def _parent(kind: str) -> _Parent:
    """The line of this process to the one that forks this kind, for all processes of the tests."""
    key = os.getpid(), kind
    with _starting:
        if key not in _parents:
            _parents[key] = _Parent(_connected(kind))
        return _parents[key]


def _connected(kind: str) -> socket.socket:
    """Started by whoever needs it first. It ends with the last line."""
    path = folder() / f"forks-{kind}"
    line = socket.socket(socket.AF_UNIX)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            line.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            path.unlink(missing_ok=True)
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(str(path))
                listener.listen()
                line.connect(str(path))
                _start(kind, listener.fileno())
    return line


def _start(kind: str, listener: int) -> None:
    if kind == PACKAGES:
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        command = [sys.executable, "-u", str(PARENT)]
        given = [(os.POSIX_SPAWN_DUP2, listener, 0)]
        os.posix_spawn(command[0], command, environment, file_actions=given)
        return
    scheme, _, company = kind.partition("-")
    variables = {"DATABASE_URL": DATABASES[scheme]} | (COMPANY if company else {})
    Forked([str(PROJECT)], variables, (listener, 1, 2))


def _kind(args: Sequence[str], environment: Mapping[str, str]) -> str:
    """Named by what decides on the imports of a program."""
    if not (args[0] == "manage.py" or args[:2] == ["-m", "daphne"]):
        return PACKAGES
    scheme = environment.get("DATABASE_URL", "").partition(":")[0]
    scheme = scheme if scheme in DATABASES else "sqlite"
    return f"{scheme}-company" if environment.get("OIDC_ISSUER") else scheme
