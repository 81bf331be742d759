"""Backend keys in the database, over restarts with another SECRET_KEY. design, Secrets. S24."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Start
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.gateway import Gateway, Ready

KEY = "cpk_stored_0123456789"
FIRST, SECOND = "first-secret-0123456789-0123456789-0123456789", "second-secret-0123456789-01234567"

Restart = Callable[..., Gateway]


@pytest.fixture
def restart(start_gateway: Start, backend: FakeBackend, tmp_path: Path) -> Restart:
    """Start a gateway on the same database; a key for the backend `paid` is stored at first."""
    database = tmp_path / "kept.sqlite3"
    shared = {"DATABASE_URL": f"sqlite:///{database}", "DATA_DIR": str(tmp_path / "data")}
    first = start_gateway("serve", SECRET_KEY=FIRST, **shared)
    paid = {"name": "paid", "url": backend.base_url, "api_key": KEY}
    aliases = [{"pattern": "paid", "targets": [{"backend": "paid", "model": ALPHA}]}]
    first.configure(backends=[paid], aliases=aliases)
    assert first.client.messages(model="paid").status == 200
    assert first.stop() == 0
    assert holding(tmp_path, KEY) == []

    def restart(**variables: str) -> Gateway:
        gateway = start_gateway("serve", ready=Ready.HEALTHY, **shared, **variables)
        gateway.client.get("/v1/models")
        return gateway

    return restart


def holding(folder: Path, secret: str) -> list[Path]:
    """The files in which a secret stands as it is."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return [path for path in files if secret.encode() in path.read_bytes()]


def test_same_secret_reads_the_key(restart: Restart, backend: FakeBackend) -> None:
    gateway = restart(SECRET_KEY=FIRST)
    assert gateway.client.messages(model="paid").status == 200
    assert backend.calls[-1].header("authorization") == f"Bearer {KEY}"


def test_another_secret_is_told_and_touches_nobody_else(
    restart: Restart, backend: FakeBackend
) -> None:
    """The backend with the key says that it is not configured; the other one serves."""
    gateway = restart(SECRET_KEY=SECOND)
    refused = gateway.client.messages(model="paid")
    assert refused.status == 503
    assert refused.json["error"]["message"] == "Backend paid is not configured correctly"
    assert gateway.client.messages().status == 200
    health = gateway.client.get("/health")
    assert (health.status, health.json["status"]) == (200, "degraded")
    told = [line for line in gateway.log.splitlines() if "backends paid is not" in line]
    assert len(told) == 1
    assert "SECRET_KEY has changed" in told[0]
    for secret in (KEY, FIRST, SECOND, "sealed:"):
        assert secret not in gateway.log


def test_fallback_reads_the_key(restart: Restart, backend: FakeBackend) -> None:
    """sealing.py: the earlier one is named in SECRET_KEY_FALLBACKS."""
    gateway = restart(SECRET_KEY=SECOND, SECRET_KEY_FALLBACKS=f"zeroth,{FIRST}")
    assert gateway.client.messages(model="paid").status == 200
    assert backend.calls[-1].header("authorization") == f"Bearer {KEY}"
