"""What the guide says on backups, done while requests run: the copy is whole and adds up."""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.conftest import Start
from tests.fakes import books, postgres
from tests.fakes.backend import FakeBackend
from tests.fakes.crowd import Crowd
from tests.fakes.gateway import Gateway

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "deploy.md"
SECRET = {"SECRET_KEY": "of-both-" * 6, "LOG_LEVEL": "warning"}
BEFORE, MEANWHILE = 40, 120
WAIT_SECONDS = 120


@pytest.fixture
def server() -> Iterator[postgres.Server]:
    if postgres.programs() is None:
        pytest.skip("no PostgreSQL server: initdb was not found")
    with tempfile.TemporaryDirectory() as folder, postgres.serving(Path(folder)) as found:
        yield found


def copied_under_load(gateway: Gateway, command: list[str]) -> tuple[set[str], set[str]]:
    """The ids of requests that were booked before the copy, and of those that ended after all."""
    with Crowd(gateway.url, BEFORE) as early:
        first = early.wait_all()
    books.wait_for_rows(gateway, BEFORE)
    with Crowd(gateway.url, MEANWHILE) as crowd:
        crowd.wait_for(10)
        subprocess.run(command, check=True, capture_output=True, timeout=WAIT_SECONDS)
        later = crowd.wait_all()
    books.wait_for_rows(gateway, BEFORE + MEANWHILE)
    ids = [{one.headers["request-id"] for one in each} for each in (first, later)]
    return ids[0], ids[0] | ids[1]


def is_whole(restored: Gateway, booked: set[str], ended: set[str]) -> None:
    """All that was booked is in it, nothing that never was, and sums agree with rows."""
    ids = [row["request_id"] for row in books.rows(restored)]
    assert len(ids) == len(set(ids))
    assert booked <= set(ids) <= ended
    assert restored.client.messages().status == 200
    books.wait_for_rows(restored, len(ids) + 1)
    books.check(restored)


def documented(program: str) -> str:
    """The line of the guide that runs this program."""
    found = re.findall(rf"^\$ ({re.escape(program)} .*)$", GUIDE.read_text(), re.MULTILINE)
    assert len(found) == 1, f"{program} is there {len(found)} times"
    return str(found[0])


def test_sqlite_is_copied_while_it_is_written(
    start_gateway: Start, backend: FakeBackend, tmp_path: Path
) -> None:
    gateway = start_gateway("serve", **SECRET)
    path = gateway.environment["DATABASE_URL"].removeprefix("sqlite:///")
    code = documented("docker compose exec proxy python -c").partition('-c "')[2].removesuffix('"')
    for there, here in (
        ("/data/gateway.sqlite3", path),
        ("/data/backup.sqlite3", str(tmp_path / "copy.sqlite3")),
    ):
        assert there in code
        code = code.replace(there, here)
    booked, ended = copied_under_load(gateway, [sys.executable, "-c", code])
    url = f"sqlite:///{tmp_path / 'copy.sqlite3'}"
    is_whole(start_gateway("serve", DATABASE_URL=url, **SECRET), booked, ended)


def test_postgres_is_dumped_while_it_is_written(
    start_gateway: Start, backend: FakeBackend, server: postgres.Server, tmp_path: Path
) -> None:
    programs = postgres.programs()
    assert programs is not None
    gateway = start_gateway("serve", DATABASE_URL=server.url, **SECRET)
    file, other = str(tmp_path / "gateway.dump"), server.url.removesuffix("gateway") + "restored"
    places = {
        '"$DATABASE_URL"': server.url,
        '"$NEW_DATABASE_URL"': other,
        "gateway.dump": file,
    }

    def command(program: str) -> list[str]:
        words = documented(program).split()
        return [str(programs / program), *map(replaced, words[1:])]

    def replaced(word: str) -> str:
        for there, here in places.items():
            word = word.replace(there, here)
        return word

    booked, ended = copied_under_load(gateway, command("pg_dump"))
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE restored")
    subprocess.run(command("pg_restore"), check=True, capture_output=True, timeout=WAIT_SECONDS)
    is_whole(start_gateway("serve", DATABASE_URL=other, **SECRET), booked, ended)
