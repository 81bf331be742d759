"""The database: reachable, of this version, with a clock that agrees."""

from __future__ import annotations

import time
from collections.abc import Iterator

from django.core.exceptions import ImproperlyConfigured
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor

from bridge.management.doctor.clocks import compared
from bridge.management.doctor.results import CheckResult, ok, problem, warning
from bridge.management.preparing import check_version
from bridge.translation.errors.redaction import redact

DATABASE_URL = "DATABASE_URL"
NOW = "SELECT extract(epoch FROM clock_timestamp())"
AWAY = (
    "see that it runs, that host, name, user and password are right, and that it lets this one in"
)


def check() -> Iterator[CheckResult]:
    """Closes its connection: checks have threads of their own."""
    try:
        connection.ensure_connection()
        yield from _of_version()
        if connection.vendor == "postgresql":
            yield _clock()
    except ImproperlyConfigured as error:
        text = str(error).removeprefix(f"{DATABASE_URL}: ")
        yield problem(DATABASE_URL, text, "start that version, or restore a backup")
    except Error as error:
        words = " ".join(redact(str(error)).split())[:300]
        yield problem(DATABASE_URL, f"the database cannot be used: {words}", AWAY)
    finally:
        connection.close()


def _of_version() -> Iterator[CheckResult]:
    check_version()
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    kind = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}.get(connection.vendor, "it")
    if not executor.loader.applied_migrations:
        yield ok(DATABASE_URL, f"{kind} is reachable and empty: the first start makes the tables")
    elif plan:
        text = f"{kind} is reachable; its tables are older than this version ({len(plan)} steps)"
        yield warning(DATABASE_URL, text, "make a backup; the next start brings them up to date")
    else:
        yield ok(DATABASE_URL, f"{kind} is reachable, its tables are of this version")


def _clock() -> CheckResult:
    with connection.cursor() as cursor:
        cursor.execute(NOW)
        return compared("the database", float(cursor.fetchone()[0]) - time.time())
