"""What a start does with the database before it serves: tables, version, first admin.

Several gateways may start on an empty database at the same moment: one of them prepares it while
the others wait.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import DatabaseError, Error, OperationalError, connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from bridge.accounts import roles

FIRST_ADMIN = "admin"
APP = "bridge"
LOCK = 0x636C61756465
"""The advisory lock of PostgreSQL that a start holds; any number that nobody else uses."""
SETTING = "DATABASE_URL"


def prepare() -> str:
    """Make the database ready; the first admin's password, "" where there is an admin.

    Raises ImproperlyConfigured for what an operator has to mend, and OperationalError while a
    database server is away.
    """
    try:
        with _alone():
            executor = MigrationExecutor(connection)
            check_version(executor.loader)
            # An empty migration makes all permissions and roles anew, which is half of a start.
            if _has_steps(executor) or not roles.are_kept():
                call_command("migrate", verbosity=0, interactive=False)
            return first_admin()
    except OperationalError as error:
        if connection.vendor != "sqlite":
            raise
        raise _unusable(error) from None
    except DatabaseError as error:
        raise _unusable(error) from None


def first_admin() -> str:
    """Create the first admin when there is none; its password, else ""."""
    users = get_user_model().objects
    if users.filter(is_superuser=True).exists():
        return ""
    password = secrets.token_urlsafe(12)
    users.create_superuser(FIRST_ADMIN, password=password)
    return password


def _has_steps(executor: MigrationExecutor) -> bool:
    """Whether tables of this version are still to be made."""
    executor.loader.check_consistent_history(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def check_version(loader: MigrationLoader | None = None) -> None:
    """Raises ImproperlyConfigured where the tables are of a newer version, and django.db.Error."""
    loader = loader or MigrationLoader(connection)
    known = set(loader.disk_migrations)
    known.update(old for each in loader.disk_migrations.values() for old in each.replaces)
    newer = sorted(name for app, name in loader.applied_migrations if app == APP)
    newer = [name for name in newer if (APP, name) not in known]
    if newer:
        raise ImproperlyConfigured(
            f"{SETTING}: the database is of a newer version of the gateway (it has {newer[-1]}); "
            "start that version, or restore a backup from before the upgrade"
        )


# --- one at a time ------------------------------------------------------------------------------


@contextmanager
def _alone() -> Iterator[None]:
    if connection.vendor == "postgresql":
        with _postgres_lock():
            yield
    elif connection.vendor == "sqlite" and (path := _file()):
        with _folder_lock(path.parent):
            yield
    else:
        yield


@contextmanager
def _postgres_lock() -> Iterator[None]:
    """In a transaction of its own, which a pooler keeps on one connection of the server."""
    own = connections.create_connection("default")
    try:
        own.set_autocommit(False)
        with own.cursor() as cursor:
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        yield
    finally:
        own.close()


@contextmanager
def _folder_lock(folder: Path) -> Iterator[None]:
    """On the folder itself, so that no file is left behind."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise _unusable(error) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


# --- errors -------------------------------------------------------------------------------------


def _file() -> Path | None:
    """Where SQLite keeps the rows; None for a database in memory."""
    name = str(connection.settings_dict["NAME"])
    return None if ":memory:" in name or "mode=memory" in name else Path(name)


def _unusable(error: Error | OSError) -> ImproperlyConfigured:
    words = getattr(error, "strerror", None) or " ".join(str(error).split())
    if connection.vendor != "sqlite":
        return ImproperlyConfigured(f"{SETTING}: the database refuses to be prepared: {words}")
    return ImproperlyConfigured(
        f"{SETTING}: expected an SQLite database that this user may write; {_file()}: {words}"
    )
