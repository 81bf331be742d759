"""Hearing at once, from the database alone, that another process changed something.

PostgreSQL carries a message for each change (`notify`) to one connection of each process that
listens. A SQLite file counts its commits: ten times a second each process asks for that number,
which reads no table. Both are hints: whoever listens also looks at the rows by itself.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, InterfaceError, connection

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


def notify() -> None:
    """Tell every process that listens, once the running transaction is committed.

    On SQLite the commit itself is the message. DatabaseError.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"NOTIFY {CHANNEL}")


async def listen(heard: Heard, marks: Marks) -> None:
    """Call `heard`, on this loop, soon after each change by any process, until cancelled."""
    if connection.vendor == "postgresql":
        await _listen_to_postgres(heard)
    elif connection.is_in_memory_db():  # type: ignore[attr-defined]  # no other process has it
        await asyncio.Event().wait()
    else:
        await _watch_file(heard, marks)


# --- SQLite ---------------------------------------------------------------------------------------


async def _watch_file(heard: Heard, marks: Marks) -> None:
    """The looks are made in a thread of their own: a busy disk must not hold the loop."""
    ended = threading.Event()
    loop = asyncio.get_running_loop()

    def changed() -> None:
        with suppress(RuntimeError):  # the loop was closed
            loop.call_soon_threadsafe(heard)

    watch = threading.Thread(
        target=_watch, args=(changed, marks, ended), name="database changes", daemon=True
    )
    watch.start()
    try:
        await asyncio.Event().wait()
    finally:
        ended.set()
        await asyncio.to_thread(watch.join)


def _watch(changed: Heard, marks: Marks, ended: threading.Event) -> None:
    seen: tuple[object, object] = None, None
    pause = LOOK_SECONDS
    try:
        while not ended.wait(pause):
            try:
                seen = _look(seen, changed, marks)
                pause = LOOK_SECONDS
            except (DatabaseError, InterfaceError):
                connection.close()
                pause = PAUSE_SECONDS
    finally:
        connection.close()


def _look(seen: tuple[object, object], changed: Heard, marks: Marks) -> tuple[object, object]:
    """The number of commits and the marks; those of before are `seen`, (None, None) at first."""
    connection.ensure_connection()
    # The wrapped connection: this is asked ten times a second, in each process.
    (commits,) = connection.connection.execute("PRAGMA data_version").fetchone()
    if commits == seen[0]:
        return seen
    marked = marks()
    if marked != seen[1]:
        changed()
    return commits, marked


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
