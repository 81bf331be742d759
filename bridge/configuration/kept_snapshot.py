"""The configuration as pages look at it: read when it has changed, and not for every page.

A snapshot of thousands of keys takes half a second to make. The one of the data plane is another:
it serves on with last good values, which pages are not to show.
"""

from __future__ import annotations

import threading

from django.db import connection

from bridge.configuration import snapshot
from bridge.configuration.snapshot import Snapshot
from bridge.models import ConfigVersion

_turn = threading.Lock()
_kept = Snapshot()


def current() -> Snapshot:
    """Of the version that the database has now. One query where that is known. Within a transaction
    none is kept, since what it changed may be taken back. Raises DatabaseError."""
    global _kept
    if connection.in_atomic_block:
        return snapshot.build(*_version())
    with _turn:
        version, sessions = ConfigVersion.both()
        if (version, sessions) != (_kept.version, _kept.sessions):
            _kept = snapshot.build(version, None, sessions)
        return _kept


def forget() -> None:
    """Read all of it at the next look: the tables are others."""
    global _kept
    with _turn:
        _kept = Snapshot()


def _version() -> tuple[int, None, int]:
    version, sessions = ConfigVersion.both()
    return version, None, sessions
