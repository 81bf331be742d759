"""Hearing at once, from the database alone, that another process changed something.

PostgreSQL carries a message for each change (`notify`) to one connection of each process that
listens. A SQLite file counts its commits: ten times a second each process looks whether anything
was written, and then asks for that number, which reads no table. Both are hints: whoever listens
also looks at the rows by itself, though rarely beside a SQLite file, of which it misses nothing.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, InterfaceError, connection

from bridge.database_steps import FileMark, file_mark

if TYPE_CHECKING:
    import psycopg

CHANNEL = "gateway_changes"
LOOK_SECONDS = 0.1
"""Between two looks at the number of commits of a SQLite file."""
PAUSE_SECONDS = 1.0
"""Between two attempts to reach a database that is away."""
QUIET_SECONDS = 30.0
"""Silence after which PostgreSQL is asked whether it is still there."""
ANSWER_SECONDS = 5.0

Heard = Callable[[], None]
Marks = Callable[[], object]
"""What a change changes, read from rows: two equal values mean that nothing has happened."""
Certain = Callable[[bool], None]
"""Called with whether from now on every change will be heard of."""


class FileError(DatabaseError):
    """The file that is open is not the database any more."""


def notify() -> None:
    """Tell every process that listens, once the running transaction is committed.

    On SQLite the commit itself is the message. DatabaseError.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"NOTIFY {CHANNEL}")


async def listen(heard: Heard, marks: Marks, certain: Certain) -> None:
    """Call `heard`, on this loop, soon after each change by any process, until cancelled."""
    if connection.vendor == "postgresql":
        await _listen_to_postgres(heard)
    elif connection.is_in_memory_db():  # type: ignore[attr-defined]  # no other process has it
        await asyncio.Event().wait()
    else:
        await _watch_file(heard, marks, certain)


# --- SQLite ---------------------------------------------------------------------------------------


async def _watch_file(heard: Heard, marks: Marks, certain: Certain) -> None:
    """The looks are made in a thread of their own: a busy disk must not hold the loop."""
    loop = asyncio.get_running_loop()

    def call(what: Callable[..., None], *values: object) -> None:
        with suppress(RuntimeError):  # the loop was closed
            loop.call_soon_threadsafe(what, *values)

    watch = Watch(partial(call, heard), marks, partial(call, certain))
    thread = threading.Thread(target=watch.run, name="database changes", daemon=True)
    thread.start()
    try:
        await asyncio.Event().wait()
    finally:
        watch.end()
        await asyncio.to_thread(thread.join)


class Watch:
    """Looks at a SQLite file, in a thread, until `end`."""

    def __init__(self, heard: Heard, marks: Marks, certain: Certain) -> None:
        self._heard, self._marks, self._certain = heard, marks, certain
        self._seen: tuple[object, object] = None, None
        self._file: FileMark | None = None
        self._wal = f"{connection.settings_dict['NAME']}-wal"
        self._written: object = None
        self._is_still = False
        self._runs = threading.Lock()  # an Event makes a lock for each wait
        self._runs.acquire()

    def end(self) -> None:
        self._runs.release()

    def run(self) -> None:
        pause, is_certain = LOOK_SECONDS, False
        try:
            while not self._runs.acquire(timeout=pause):
                before, is_certain = is_certain, self._is_seen()
                pause = LOOK_SECONDS if is_certain else PAUSE_SECONDS
                if before is not is_certain:
                    self._certain(is_certain)
        finally:
            connection.close()

    def _is_seen(self) -> bool:
        try:
            self.look()
        except (DatabaseError, InterfaceError):
            connection.close()
            self._seen, self._written, self._is_still = (None, None), None, False
            return False
        return True

    def look(self) -> None:
        """See whether there may be new commits."""
        before, was_still = self._written, self._is_still
        self._written = self._stamp()
        self._is_still = self._written is not None and self._written == before
        if not (self._is_still and was_still):
            self._count()

    def _stamp(self) -> object:
        """What every write changes. The clock of files is coarse, so that two writes may share one:
        a stamp says nothing until it was seen twice."""
        try:
            found = os.stat(self._wal)
        except OSError:
            return None  # it is not kept beside the file, so the file itself has to be asked
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _count(self) -> None:
        """Ask for the number of commits, and for the marks where it is another one."""
        if connection.connection is None:
            self._file = file_mark()
            connection.ensure_connection()
        elif file_mark() != self._file:
            raise FileError
        # The wrapped connection: this may be asked ten times a second, in each process.
        (commits,) = connection.connection.execute("PRAGMA data_version").fetchone()
        if commits == self._seen[0]:
            return
        marked = self._marks()
        if marked != self._seen[1]:
            self._heard()
        self._seen = commits, marked


# --- PostgreSQL -----------------------------------------------------------------------------------


async def _listen_to_postgres(heard: Heard) -> None:
    """`heard` is also called whenever the database is reached anew, for what was missed."""
    import psycopg

    while True:
        with suppress(psycopg.Error, OSError, TimeoutError):
            async with await psycopg.AsyncConnection.connect(
                **_parameters(), autocommit=True
            ) as listener:
                await listener.execute(f"LISTEN {CHANNEL}")
                heard()
                while True:
                    await _wait_for_notice(listener)
                    heard()
        await asyncio.sleep(PAUSE_SECONDS)


async def _wait_for_notice(listener: psycopg.AsyncConnection[Any]) -> None:
    """Return with a message. TimeoutError: the database was silent, also when it was asked."""
    while True:
        async for _ in listener.notifies(timeout=QUIET_SECONDS, stop_after=1):
            return
        async with asyncio.timeout(ANSWER_SECONDS):
            await listener.execute("SELECT 1")


def _parameters() -> dict[str, Any]:
    """Django's, less those that only its own connections know."""
    parameters = connection.get_connection_params()
    for name in ("cursor_factory", "context", "prepare_threshold", "server_side_binding"):
        parameters.pop(name, None)
    return parameters
