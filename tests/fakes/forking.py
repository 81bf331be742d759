"""The process that `forked` starts: imports packages once, and forks a program at each order.

Its input is the socket to which those connect who give orders.
An order comes with four files: input, output and errors of the program, and one into which its exit
code is written.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import pkgutil
import runpy
import signal
import socket
import sys
import threading
import traceback
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from select import select
from typing import Any

from django.contrib.auth.hashers import PBKDF2PasswordHasher

ROOT = Path(__file__).resolve().parents[2]
LENGTH = 8
FILES = 4
FIRST_FILE, MOST_FILES = 3, 65_536
QUICK_ITERATIONS = 1000
"""Of a password's hash. The usual million costs as much as the rest of a start, and most starts on
an empty database make an admin. A test of what hashing costs starts its gateway fresh."""
PACKAGES = (
    "aiohappyeyeballs",
    "asgiref.server",
    "asgiref.sync",
    "autobahn.twisted.websocket",
    "cryptography.fernet",
    "django.contrib.postgres.fields",
    "django.core.asgi",
    "django.core.management",
    "django.core.paginator",
    "django.core.serializers.json",
    "django.core.validators",
    "django.db.backends.sqlite3.base",
    "django.db.migrations.executor",
    "django.db.models",
    "django.forms.models",
    "django.template.defaultfilters",
    "django.template.defaulttags",
    "django.template.loader_tags",
    "django.views.generic",
    "httptools",
    "logging.config",
    "msgspec",
    "multiprocessing",
    "psycopg",
    "sqlparse",
    "twisted.internet.asyncioreactor",
    "twisted.web.http",
    "uvicorn.config",
    "whitenoise.base",
)
PURE = ("bridge.routing", "bridge.translation")
"""Of the project, what knows neither the environment nor Django (`test_shape` holds them to it)."""
UNTOUCHED = ("daphne.server", "twisted.internet.reactor", "uvicorn.protocols.http.httptools_impl")
"""What the gateway looks for to know which server runs it."""


def load() -> None:
    """Of the project only what is pure: the program that starts runs all other code anew."""
    gc.disable()
    for name in PACKAGES:
        import_module(name)
    PBKDF2PasswordHasher.iterations = QUICK_ITERATIONS
    for name in PURE:
        for module in pkgutil.walk_packages(import_module(name).__path__, f"{name}."):
            import_module(module.name)
    gc.freeze()
    assert not any(name in sys.modules for name in UNTOUCHED)


class Parent:
    """Forks, and passes on how its children end. It ends when nobody can give it orders any more.

    Orders come on lines, one from each process of the tests, which connects to `listener`. What a
    process leaves behind that was killed ends with its line, unless others use it too.
    """

    def __init__(self, listener: socket.socket) -> None:
        self.listener = listener
        self.lines: dict[int, socket.socket] = {}
        self.endings: dict[int, int] = {}
        self.owners: dict[int, int] = {}
        self.woken, self.waker = os.pipe()
        for end in (self.woken, self.waker):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(self.waker)

    def next_program(self) -> dict[str, Any]:
        """Returns in each new process, with its order. In the parent it ends the process."""
        while True:
            ready, _, _ = select([self.listener.fileno(), self.woken, *self.lines], [], [])
            if self.listener.fileno() in ready:
                line, _ = self.listener.accept()
                self.lines[line.fileno()] = line
            if self.woken in ready:
                os.read(self.woken, 1024)
                self.report_endings()
            for number in self.lines.keys() & ready:
                order = self.obey(self.lines[number])
                if order is not None:
                    return order

    def obey(self, line: socket.socket) -> dict[str, Any] | None:
        """One order, in the new process."""
        try:
            head, files, _, _ = socket.recv_fds(line, LENGTH, FILES)
            text = read(line, int.from_bytes(head, "big"))
        except OSError:
            head = b""
        if not head:
            self.hang_up(line)
            return None
        order: dict[str, Any] = json.loads(text)
        return order if self.fork(line, files, is_shared=order["is_shared"]) == 0 else None

    def hang_up(self, line: socket.socket) -> None:
        number = line.fileno()
        del self.lines[number]
        line.close()
        for process in [each for each, owner in self.owners.items() if owner == number]:
            os.kill(process, signal.SIGKILL)
            del self.owners[process]
        if not self.lines and not select([self.listener], [], [], 0)[0]:
            os._exit(0)

    def fork(self, line: socket.socket, files: list[int], *, is_shared: bool) -> int:
        process = os.fork()
        if process == 0:
            self.become_program(files)
        else:
            if not is_shared:
                self.owners[process] = line.fileno()
            *streams, self.endings[process] = files
            for file in streams:
                os.close(file)
            with suppress(OSError):  # whoever gave the order has ended
                line.sendall(process.to_bytes(LENGTH, "big"))
        return process

    def become_program(self, files: list[int]) -> None:
        """Nothing of the parent stays open in it."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for stream, file in enumerate(files[:-1]):
            os.dup2(file, stream)
        for file in (*files, self.woken, self.waker, *self.endings.values()):
            os.close(file)
        for line in (self.listener, *self.lines.values()):
            line.close()

    def report_endings(self) -> None:
        while self.endings:
            process, status = os.waitpid(-1, os.WNOHANG)
            if not process:
                return
            code = os.waitstatus_to_exitcode(status)
            self.owners.pop(process, None)
            ending = self.endings.pop(process)
            with suppress(OSError):  # nobody waits for it any more
                os.write(ending, str(code).encode())
            os.close(ending)


def read(line: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        piece = line.recv(length - len(data))
        if not piece:
            raise ConnectionResetError
        data += piece
    return data


def run(args: list[str]) -> None:
    """As `python ARGS`: `-m module ...`, or a file. Ends the process.

    What Python does at an end is done, but for taking everything apart that was imported.
    """
    code = _code_of(args)
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _code_of(args: list[str]) -> int:
    """The exit code of a program that is run here."""
    try:
        _run(args)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
        return 1
    return 0


def _run(args: list[str]) -> None:
    if args[0] == "-m":
        sys.argv = args[1:]
        runpy.run_module(args[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = args
        runpy.run_path(args[0], run_name="__main__")


if __name__ == "__main__":
    sys.path[0] = str(ROOT)
    os.chdir(ROOT)
    os.closerange(FIRST_FILE, MOST_FILES)
    load()
    order = Parent(socket.socket(fileno=os.dup(0))).next_program()
    os.environ.clear()
    os.environ.update(order["environment"])
    gc.enable()
    run(order["args"])
