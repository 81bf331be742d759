"""Files of all rows, from a running gateway: whole on every server, and ended when nobody reads."""

import csv
import io
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import Start
from tests.fakes import postgres
from tests.fakes.gateway import Gateway
from tests.fakes.wire import Wire

ROWS = 5000
PAGE = "/dashboard/requests/?range=24h&tz=Europe/Berlin&rows=all"
FILL = f"""
from importlib import import_module
from django.conf import settings
from django.contrib import auth
from django.contrib.auth.models import User
from django.utils import timezone
from bridge.models import UsageRecord
now = timezone.now()
UsageRecord.objects.bulk_create(
    (
        UsageRecord(request_id=f"req_{{n:09}}", time=now, model="m", status=200,
                    agent_id="x" * 64, session=f"{{n:064}}", cost_nano_usd=34_200)
        for n in range({ROWS})
    ),
    batch_size=500,
)
user = User.objects.create_superuser("adele", password="a long password")
session = import_module(settings.SESSION_ENGINE).SessionStore()
session[auth.SESSION_KEY] = str(user.pk)
session[auth.BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
session[auth.HASH_SESSION_KEY] = user.get_session_auth_hash()
session.save()
print(session.session_key)
"""


class Filled(NamedTuple):
    """A gateway with many rows. `session`: of an admin who is logged in."""

    gateway: Gateway
    session: str

    def file(self, kind: str) -> str:
        cookie = {"cookie": f"sessionid={self.session}"}
        return self.gateway.with_key(None).get(f"{PAGE}&format={kind}", cookie).body.decode()

    def leave(self) -> None:
        """Ask for a file, read its beginning, and go."""
        with Wire(self.gateway.port, lazy=True) as wire:
            wire.send(
                f"GET {PAGE}&format=csv HTTP/1.1\r\nhost: 127.0.0.1\r\n"
                f"cookie: sessionid={self.session}\r\n\r\n".encode()
            )
            assert wire.socket.recv(12) == b"HTTP/1.1 200"


def _without_database() -> bool:
    return postgres.programs() is None


@pytest.fixture(
    scope="module",
    params=[
        "daphne",
        pytest.param("uvicorn", marks=pytest.mark.slow),
        pytest.param(
            "postgres",
            marks=pytest.mark.skipif(_without_database(), reason="initdb was not found"),
        ),
    ],
)
def filled(request: pytest.FixtureRequest, launch_gateway: Start) -> Iterator[Filled]:
    # Not below pytest's own folder: its parents are closed to the user that PostgreSQL runs as.
    if request.param == "postgres":
        with tempfile.TemporaryDirectory() as folder, postgres.running(Path(folder)) as url:
            yield _fill(launch_gateway("serve", DATABASE_URL=url))
    else:
        yield _fill(launch_gateway(request.param))


def _fill(gateway: Gateway) -> Filled:
    return Filled(gateway, gateway.manage("shell", "-v0", "-c", FILL).strip())


def test_file_has_every_row(filled: Filled) -> None:
    text = filled.file("csv").removeprefix("\ufeff")
    lines = list(csv.DictReader(io.StringIO(text)))
    assert [line["request_id"] for line in lines] == [f"req_{n:09}" for n in reversed(range(ROWS))]
    assert {line["cost_usd"] for line in lines} == {"0.0000342"}
    assert lines[0]["time (Europe/Berlin)"][-6:] in ("+01:00", "+02:00")
    rows = json.loads(filled.file("json"))
    assert [row["request_id"] for row in rows] == [line["request_id"] for line in lines]


def test_client_that_leaves_ends_its_file(filled: Filled) -> None:
    """Whoever goes holds nothing: the process answers others, and ends when it is told to."""
    for _ in range(5):
        filled.leave()
    assert len(json.loads(filled.file("json"))) == ROWS
    assert filled.gateway.stop() == 0
