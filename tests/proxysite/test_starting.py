"""A start that cannot be says why in one line, and with which setting; several may be at once."""

import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

from tests.conftest import Start
from tests.fakes import forked, postgres
from tests.fakes.client import RawClient
from tests.fakes.gateway import Gateway, Ready, launch
from tests.fakes.ports import reserve_port

ROOT = Path(__file__).resolve().parents[2]
SERVERS = pytest.mark.parametrize("server", ["daphne", "uvicorn"])
NO_SERVER = "no PostgreSQL server: initdb was not found"
TOGETHER = 4
LONG_SECONDS = 120.0
"""Several processes that start at once share the machine."""
# Root may read and write everything; here it has to ask like anybody else.
ORDINARY = (
    ("setpriv", "--bounding-set", "-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
)


def serve(
    folder: Path, is_ordinary: bool = False, **variables: str
) -> subprocess.CompletedProcess[str]:
    """`manage.py serve`, which is expected to end by itself. `is_ordinary`: by no root."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PORT": str(reserve_port()),
        "DATA_DIR": str(folder / "data"),
        "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}",
        "STATIC_ROOT": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    if not is_ordinary:
        return forked.run(["manage.py", "serve"], environment | variables, "", 60)
    return subprocess.run(
        [*ORDINARY, sys.executable, "manage.py", "serve"],
        cwd=ROOT,
        env=environment | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def complaint(folder: Path, is_ordinary: bool = False, **variables: str) -> str:
    """The one line that it ends with."""
    ended = serve(folder, is_ordinary, **variables)
    assert ended.returncode == 1
    assert ended.stdout == "", "promised something before"
    (line,) = ended.stderr.splitlines()
    assert line.startswith("Configuration error. ")
    return line.removeprefix("Configuration error. ")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that a server of the user `postgres` may use, too; pytest's own are closed to it."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


# --- where it listens ----------------------------------------------------------------------------


@SERVERS
def test_port_in_use_ends_the_start(folder: Path, server: str) -> None:
    """Observed: a banner with the password that is shown once, and exit code 0."""
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        port = other.getsockname()[1]
        line = complaint(folder, SERVER=server, PORT=str(port))
    assert line == f"PORT: {port} of 127.0.0.1 is in use by another program; choose a free one"


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("203.0.113.9", "HOST: 203.0.113.9 is not an address of this machine"),
        ("nowhere.invalid", "HOST: nowhere.invalid cannot be resolved"),
    ],
)
def test_address_that_is_not_ours_ends_the_start(folder: Path, host: str, reason: str) -> None:
    assert complaint(folder, HOST=host).startswith(reason)


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 on this machine")
@SERVERS
@pytest.mark.parametrize("host", ["::", "[::]"])
def test_all_addresses_are_those_of_both_kinds(
    start_gateway: Start, server: str, host: str
) -> None:
    """Observed: daphne served IPv4 too, uvicorn did not, and died of the brackets."""
    gateway = start_gateway("serve", demo=True, SERVER=server, HOST=host)
    assert f"on http://localhost:{gateway.port} " in gateway.log
    for address in ("127.0.0.1", "[::1]"):
        client = RawClient(f"http://{address}:{gateway.port}")
        assert client.get("/health").status == 200


# --- what it keeps -------------------------------------------------------------------------------


def read_only_folder(folder: Path) -> str:
    (folder / "data").mkdir()
    (folder / "data").chmod(0o500)
    return f"DATA_DIR: expected a folder that this user can write to ({folder}/data"


def read_only_database(folder: Path) -> str:
    sqlite3.connect(folder / "db.sqlite3").close()
    (folder / "db.sqlite3").chmod(0o444)
    return "DATABASE_URL: expected an SQLite database that this user may write"


def no_database(folder: Path) -> str:
    (folder / "db.sqlite3").write_bytes(b"a letter to my mother, " * 100)
    return "DATABASE_URL: expected an SQLite database that this user may write"


def folder_instead_of_database(folder: Path) -> str:
    (folder / "db.sqlite3").mkdir()
    return "DATABASE_URL: expected an SQLite database that this user may write"


def newer_database(folder: Path) -> str:
    with closing(sqlite3.connect(folder / "db.sqlite3")) as database:
        database.execute("CREATE TABLE django_migrations (id, app, name, applied)")
        database.execute(
            "INSERT INTO django_migrations VALUES (1, 'bridge', '9999_later', '2026-01-01')"
        )
        database.commit()
    return "DATABASE_URL: the database is of a newer version of the gateway (it has 9999_later)"


@pytest.mark.parametrize(
    "make",
    [
        read_only_folder,
        read_only_database,
        no_database,
        folder_instead_of_database,
        newer_database,
    ],
)
def test_place_that_cannot_be_used_ends_the_start(
    folder: Path, make: Callable[[Path], str]
) -> None:
    """Observed: 15 to 70 lines of traceback, without the path or the setting."""
    expected = make(folder)
    is_ordinary = make in (read_only_folder, read_only_database)
    assert complaint(folder, is_ordinary).startswith(expected)


def test_database_without_a_folder_ends_the_start(folder: Path) -> None:
    line = complaint(folder, DATABASE_URL=f"sqlite:///{folder}/nowhere/db.sqlite3")
    assert line.endswith(f"{folder}/nowhere/db.sqlite3: No such file or directory")


# --- several at once -----------------------------------------------------------------------------


@contextmanager
def sqlite(folder: Path) -> Iterator[str]:
    yield f"sqlite:///{folder}/db.sqlite3"


missing = pytest.mark.skipif(postgres.programs() is None, reason=NO_SERVER)
DATABASES = [
    pytest.param(sqlite, id="SQLite"),
    pytest.param(postgres.running_empty, id="PostgreSQL", marks=missing),
]


@pytest.mark.parametrize("database", DATABASES)
def test_several_may_start_on_an_empty_database(
    tmp_path: Path, folder: Path, database: Callable[[Path], AbstractContextManager[str]]
) -> None:
    """Observed: one lived, the others died of tables that existed already."""
    with database(folder) as url, ThreadPoolExecutor(TOGETHER) as starters:

        def start(number: int) -> Gateway:
            (home := tmp_path / str(number)).mkdir()
            given = {"DATABASE_URL": url}
            return launch("serve", home, None, given, Ready.HEALTHY, LONG_SECONDS)

        starts = [starters.submit(start, number) for number in range(TOGETHER)]
        wait(starts)
        gateways = [each.result() for each in starts if each.exception() is None]
        for gateway in gateways[:1]:  # each has looked for migrations and made what was missing
            gateway.manage("migrate", "--check")
        codes = [gateway.stop() for gateway in gateways]
    assert [each.exception() for each in starts] == [None] * TOGETHER
    assert codes == [0] * TOGETHER
    assert sum(gateway.log.count("shown only now") for gateway in gateways) == 1
    for gateway in gateways:
        gateway.check_log()


def test_without_packages_it_says_what_to_do() -> None:
    """Ours: whoever takes the machine's Python for that of the project is shown the way."""
    command = [sys.executable, "-S", str(ROOT / "manage.py"), "check"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("No package django here. `make run` installs what the")
