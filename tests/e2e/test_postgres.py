"""The gateway on PostgreSQL, as several processes or hosts would share it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Start
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
