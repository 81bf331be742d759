"""The gateway on PostgreSQL, as several processes or hosts would share it."""

import json
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.conftest import Start
from tests.fakes import postgres
from tests.fakes.backend import FakeBackend
from tests.fakes.client import RawClient
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


def test_one_admin_is_left_when_all_go_at_one_moment(
    start_gateway: Start, database_url: str
) -> None:
    """docs/security.md: there is always one active admin. SQLite has one writer at a time."""
    gateway = start_gateway("serve", DATABASE_URL=database_url)
    gateway.manage("shell", "-v0", "-c", ADMINS)
    token = gateway.manage("issue_token", "all", "--role", "admin").split()[-1]

    def step_down(number: int) -> int:
        path = f"/api/admin/v1/people/admin-{number}"
        lines = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        body = json.dumps({"role": ""}).encode()
        return RawClient(gateway.url, None).request("PATCH", path, body, lines).status

    with ThreadPoolExecutor(6) as threads:
        statuses = sorted(threads.map(step_down, range(6)))
    assert statuses == [200, 200, 200, 200, 200, 409]
    assert gateway.manage("shell", "-v0", "-c", LEFT).strip() == "1"
