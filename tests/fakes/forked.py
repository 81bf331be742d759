"""Processes of the project that start quickly: forks of one that has the packages imported.

The packages that a gateway imports cost as much processor time as all the rest of its start. None
of those named here looks at the environment or at Django's settings, so one process imports them
once, and each program starts as a fork of it, with an environment, arguments and a log of its own.
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
            self.pid = _parent().fork(args, environment, [*files, status])
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
    """The process that has imported the packages, and the line on which it takes orders."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._line, other = socket.socketpair()
        command = [sys.executable, "-u", str(PARENT), str(other.fileno())]
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            pass_fds=[other.fileno()],
        )
        other.close()
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


_parents: dict[int, _Parent] = {}


def _parent() -> _Parent:
    """The one of this process, started when it is first needed."""
    if os.getpid() not in _parents:
        _parents[os.getpid()] = _Parent()
    return _parents[os.getpid()]
