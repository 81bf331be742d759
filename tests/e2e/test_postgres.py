"""The gateway on PostgreSQL, as several processes or hosts would share it."""

import json
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Start
from tests.e2e.signing_in import (
    BEHIND_A_FRONT,
    Device,
    bearer,
    log_in,
    make_people,
    signed_in,
    wait_dead,
)
from tests.fakes import postgres
from tests.fakes.backend import FakeBackend
from tests.fakes.gateway import Gateway

pytestmark = pytest.mark.skipif(
    postgres.programs() is None, reason="no PostgreSQL server: initdb was not found"
)


@pytest.fixture(scope="module")
def database_url() -> Iterator[str]:
    # Not below pytest's own folder: its parents are closed to the user that the server runs as.
    with tempfile.TemporaryDirectory() as folder, postgres.running(Path(folder)) as url:
        yield url


def names(gateway: Gateway) -> list[str]:
    return [model["id"] for model in gateway.client.get("/v1/models?limit=100").json["data"]]


def test_discovery_and_case_repair_work_on_postgres(
    start_gateway: Start, backend: FakeBackend, database_url: str
) -> None:
    """the design: DATABASE_URL for PostgreSQL; nothing else is needed to start."""
    gateway = start_gateway("serve", DATABASE_URL=database_url)
    assert "test/alpha" in names(gateway)
    assert gateway.client.messages(model="TEST/Alpha").status == 200
    assert backend.calls[-1].body["model"] == "test/alpha"


def test_second_process_shares_the_rows(
    start_gateway: Start, backend: FakeBackend, database_url: str
) -> None:
    """Ours: two gateways on one database list the same models and aliases."""
    mapped = '{"claude-*": "test/alpha", "my-model": "test/beta"}'
    first = start_gateway("serve", DATABASE_URL=database_url, MODEL_MAP=mapped)
    second = start_gateway("uvicorn", DATABASE_URL=database_url, MODEL_MAP=mapped)
    assert names(first) == names(second)
    assert second.client.messages(model="claude-sonnet-5").status == 200
    assert backend.calls[-1].body["model"] == "test/alpha"


ADMINS = """
from django.contrib.auth.models import User
User.objects.filter(is_superuser=True).delete()
for number in range(6):
    User.objects.create_superuser(f"admin-{number}", "", "correct horse battery")
"""
LEFT = """
from django.contrib.auth.models import User
print(User.objects.filter(is_superuser=True, is_active=True).count())
"""


@pytest.fixture(scope="module")
def gateway(launch_gateway: Start, database_url: str) -> Gateway:
    return launch_gateway("serve", DATABASE_URL=database_url, **BEHIND_A_FRONT)


@pytest.fixture(scope="module")
def token(gateway: Gateway) -> str:
    return gateway.manage("issue_token", "all", "--role", "admin").split()[-1]


def change(gateway: Gateway, token: str, name: str, **members: Any) -> int:
    """Change a person by the admin API; the status of the answer."""
    path = f"/api/admin/v1/people/{name}"
    body = json.dumps(members).encode()
    return gateway.with_key(None).request("PATCH", path, body, bearer(token)).status


def test_one_admin_is_left_when_all_go_at_one_moment(gateway: Gateway, token: str) -> None:
    """docs/security.md: there is always one active admin. SQLite has one writer at a time."""
    gateway.manage("shell", "-v0", "-c", ADMINS)
    with ThreadPoolExecutor(6) as threads:
        names = [f"admin-{number}" for number in range(6)]
        statuses = sorted(threads.map(lambda name: change(gateway, token, name, role=""), names))
    assert statuses == [200, 200, 200, 200, 200, 409]
    assert gateway.manage("shell", "-v0", "-c", LEFT).strip() == "1"


def test_person_is_deactivated_while_clients_refresh(gateway: Gateway, token: str) -> None:
    """Nobody's request waits for one that waits for it, and no key outlives the person."""
    make_people(gateway, "ann")
    browser = log_in(gateway, "ann")
    clients = [signed_in(gateway, browser) for _ in range(6)]
    begun = Device(gateway)
    begun.begin()
    assert browser.answer(begun).status == 200
    with ThreadPoolExecutor(9) as threads:
        refreshed = [
            threads.submit(device.refresh, granted["refresh_token"]) for device, granted in clients
        ]
        polled = threads.submit(begun.poll)
        gone = threads.submit(change, gateway, token, "ann", active=False)
        ended = threads.submit(
            clients[0][0].post, "/oauth/revoke", {"token": clients[0][1]["access_token"]}
        )
    assert (gone.result(), ended.result().status) == (200, 200)
    answers = [each.result() for each in (*refreshed, polled)]
    assert {answer.status for answer in answers} <= {200, 400, 401}
    assert change(gateway, token, "ann", active=True) == 200
    given = [answer.json["access_token"] for answer in answers if answer.status == 200]
    for key in (*given, *(granted["access_token"] for _, granted in clients)):
        wait_dead(gateway, key)
