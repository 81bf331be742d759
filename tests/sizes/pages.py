"""How long each page of the dashboard, of the admin and of `/my/` takes over a big ledger.

    python -m tests.sizes.pages --rows 5000000 --keys 5000 --database sqlite

Fills an empty database, then opens every page for several ranges, with its filters and orders, and
prints a table: wall time, CPU of this process and of PostgreSQL's, number of queries. Each page is
opened a few times; the median counts. `--at URL` is for a database that is filled already.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import django

from tests.fakes import postgres

RANGES = ("24h", "7d", "30d", "90d")
LIMITS = {"90d": 1.0}
"""Seconds; every other range, and none, has the first limit."""
LIMIT = 0.3


@dataclass(frozen=True, slots=True)
class Taken:
    """Seconds of one page, and the queries that it made."""

    status: int
    wall: float
    cpu: float
    database: float
    queries: int


def main() -> None:
    asked = _arguments()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pages-")))
        url = asked.at or _database(stack, asked.database, folder)
        os.environ |= {"DATABASE_URL": url, "DATA_DIR": str(folder)}
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "proxysite.settings")
        django.setup()
        if not asked.at:
            _fill(asked)
        _measure(asked)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--keys", type=int, default=5_000)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--at", default="", help="URL of a database that is filled already")
    parser.add_argument("--only", default="", help="pages whose address contains this")
    parser.add_argument("--times", type=int, default=3)
    return parser.parse_args()


def _database(stack: ExitStack, kind: str, folder: Path) -> str:
    if kind == "sqlite":
        return f"sqlite:///{folder}/gateway.sqlite3"
    home = folder / "postgres"
    home.mkdir()
    return stack.enter_context(postgres.running(home))


def _fill(asked: argparse.Namespace) -> None:
    from django.core.management import call_command

    from tests.sizes.big_ledger import fill

    call_command("migrate", verbosity=0)
    began = time.monotonic()
    fill(asked.rows, asked.keys, asked.days)
    print(f"filled within {time.monotonic() - began:.0f} s", flush=True)


def _measure(asked: argparse.Namespace) -> None:
    from tests.sizes.page_addresses import page_addresses, person, visitor

    admin, holder = visitor(), person()
    print("   wall    CPU  of it in the database   queries  page")
    for address in page_addresses():
        if asked.only in address:
            client = holder if address.startswith("/my/") else admin
            print(
                _line(address, _median([_open(client, address) for _ in range(asked.times)])),
                flush=True,
            )


def _open(client: object, address: str) -> Taken:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as made:
        of_others, wall, cpu = _database_seconds(), time.monotonic(), time.process_time()
        answer = client.get(address)  # type: ignore[attr-defined]
        len(getattr(answer, "content", b""))
        wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    return Taken(answer.status_code, wall, cpu, _database_seconds() - of_others, len(made))


def _median(taken: list[Taken]) -> Taken:
    middle = sorted(taken, key=lambda one: one.cpu + one.database)[len(taken) // 2]
    wall = statistics.median(one.wall for one in taken)
    return Taken(middle.status, wall, middle.cpu, middle.database, middle.queries)


def _line(address: str, taken: Taken) -> str:
    name = next((name for name in LIMITS if f"range={name}" in address), "")
    limit = LIMITS.get(name, LIMIT)
    mark = "!" if taken.cpu + taken.database > limit else " "
    times = " ".join(
        f"{1000 * seconds:6.0f}" for seconds in (taken.wall, taken.cpu, taken.database)
    )
    return f"{mark} {times} {taken.queries:4} {taken.status} {address}"


def _database_seconds() -> float:
    """CPU of the processes of PostgreSQL's server so far; 0 for SQLite, which is in this one."""
    from django.db import connection

    if connection.vendor != "postgresql":
        return 0.0
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        backend = int(cursor.fetchone()[0])
    return sum(_seconds(Path(f"/proc/{pid}")) for pid in _family(backend))


def _family(backend: int) -> Iterator[int]:
    """A backend and its parent, which has waited for those that helped it."""
    yield backend
    yield int(Path(f"/proc/{backend}/stat").read_text().rpartition(")")[2].split()[1])


def _seconds(process: Path) -> float:
    """Of a process and of the children that it has waited for."""
    fields = process.joinpath("stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
