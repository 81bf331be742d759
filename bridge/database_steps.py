"""Steps of background work in the database, one after the other in one thread.

On a SQLite file they share a connection that stays open: to open one costs more than what most
steps ask. On a server of databases each step opens its own, as everywhere else: an old one that
the network has dropped could hold all steps for minutes.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import SyncToAsync
from django.db import close_old_connections, connection

P = ParamSpec("P")
T = TypeVar("T")
FileMark = tuple[int, int]


class _Opened(threading.local):
    """What the connection of a thread was opened to. `raw` is sqlite3's own connection."""

    raw: object = None
    file: FileMark | None = None


_opened = _Opened()


def in_database(step: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
    """The step as a coroutine function. It raises what the step raises."""
    return _Step(step)


async def close() -> None:
    """Close the connection that stays open: the background work has ended."""
    await SyncToAsync(close_old_connections)()


def file_mark() -> FileMark | None:
    """Which file the database is now; None where it is no file, or there is none."""
    try:
        found = os.stat(connection.settings_dict["NAME"])
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


class _Step(SyncToAsync[P, T]):
    def thread_handler(self, loop: Any, *args: Any, **kwargs: Any) -> Any:
        if not _is_kept():
            close_old_connections()
        is_done = False
        try:
            found = super().thread_handler(loop, *args, **kwargs)  # type: ignore[no-untyped-call]
            is_done = True
            return found
        finally:
            if not (is_done and _keep()):
                close_old_connections()


def _is_kept() -> bool:
    """Whether this thread's connection may serve once more: its file may have been replaced."""
    raw = connection.connection
    return raw is not None and raw is _opened.raw and file_mark() == _opened.file


def _keep() -> bool:
    """Note what was opened. False: it is not to be kept."""
    raw = connection.connection
    if raw is None or connection.vendor != "sqlite":
        return False
    if raw is not _opened.raw:
        _opened.raw, _opened.file = raw, file_mark()
    return _opened.file is not None
