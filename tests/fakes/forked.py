"""Processes of the project that start quickly: forks of one that has the packages imported.

Imports are nearly all of the processor time of a start. Packages that look neither at the
environment nor at Django's settings are imported once, by the process of `forking.py`. A program
starts as a fork of it, with an environment, arguments and a log of its own. A program of the
project is forked from a process that has the project imported too (`settled.py`).
What else it imports is compiled once, even where the shell asks for no files of bytecode.
"""

from __future__ import annotations

import atexit
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
    """A process that forks, and the line on which it takes orders."""

    def __init__(self, line: socket.socket, process: subprocess.Popen[bytes] | Forked) -> None:
        self._lock = threading.Lock()
        self._line = line
        self._process = process
        atexit.register(self._leave)

    def fork(
        self, args: Sequence[str], environment: Mapping[str, str], files: Sequence[int]
    ) -> int:
        """The id of the new process. Into the last of the files its exit code is written."""
        order = json.dumps({"args": list(args), "environment": dict(environment)}).encode()
        with self._lock:
            socket.send_fds(self._line, [len(order).to_bytes(LENGTH, "big")], files)
            self._line.sendall(order)
            answer = self._line.recv(LENGTH)
        assert answer, "the process that forks has ended"
        return int.from_bytes(answer, "big")

    def _leave(self) -> None:
        """It ends when nobody can give it orders any more."""
        self._line.close()
        self._process.wait()


Kind = frozenset[tuple[str, str]]
"""The variables that decide what the project imports."""
_parents: dict[tuple[int, Kind | None], _Parent] = {}
_starting = threading.RLock()


def _parent(kind: Kind | None) -> _Parent:
    """The one of this process, started when it is first needed. None: with packages alone."""
    key = os.getpid(), kind
    with _starting:
        if key not in _parents:
            _parents[key] = _start_packages() if kind is None else _start_project(dict(kind))
        return _parents[key]


def _start_packages() -> _Parent:
    line, other = socket.socketpair()
    with other:
        process = subprocess.Popen(
            [sys.executable, "-u", str(PARENT), str(other.fileno())],
            cwd=ROOT,
            env={k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"},
            stdin=subprocess.DEVNULL,
            pass_fds=[other.fileno()],
        )
    return _Parent(line, process)


def _start_project(variables: Mapping[str, str]) -> _Parent:
    line, other = socket.socketpair()
    with other:
        process = Forked([str(PROJECT)], variables, (other.fileno(), 1, 2))
    return _Parent(line, process)


def _kind(args: Sequence[str], environment: Mapping[str, str]) -> Kind | None:
    """None for what is no program of the project."""
    if not (args[0] == "manage.py" or args[:2] == ["-m", "daphne"]):
        return None
    scheme = environment.get("DATABASE_URL", "sqlite:").partition(":")[0]
    kind = {"DATABASE_URL": DATABASES.get(scheme, DATABASES["sqlite"])}
    if environment.get("OIDC_ISSUER"):
        kind |= COMPANY
    return frozenset(kind.items())
