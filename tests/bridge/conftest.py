"""Fixtures: the client of the backends, and the rows in a database of the test's own."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bridge import discovery as discovering
from bridge.models import Backend as Row
from bridge.routing import Backend
from bridge.snapshot import SnapshotStore
from bridge.upstream import Upstream
from tests.bridge.found import Found
from tests.bridge.making import Clock, a_backend
from tests.fakes.backend import FakeBackend

CONNECT_SECONDS = 5.0


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    """The client, on the loop of the test."""
    upstream = Upstream(CONNECT_SECONDS)
    yield upstream
    await upstream.aclose()


@pytest.fixture
def main(backend: FakeBackend) -> Backend:
    """The scriptable backend, as routing knows it."""
    return a_backend(f"{backend.base_url}/v1", timeout=5.0)


@pytest.fixture
def nothing_in_the_environment(settings: Any) -> Any:
    """The settings, with no backend, alias or tool name from the environment."""
    settings.BACKEND_URL, settings.MODEL_MAP, settings.TOOL_NAME_MAP = "", {}, {}
    return settings


@pytest.fixture
def schedule(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of discovery."""
    clock = Clock()
    monkeypatch.setattr(discovering, "time", clock)
    return clock


@pytest.fixture
async def found(
    upstream: Upstream,
    backend: FakeBackend,
    schedule: Clock,
    nothing_in_the_environment: Any,
    transactional_db: None,
) -> Found:
    """Discovery that knows one backend row and has asked nothing yet."""
    nothing_in_the_environment.DISCOVERY_INTERVAL = 60.0
    nothing_in_the_environment.DISCOVERY_MIN_INTERVAL = 300.0
    await Row.objects.acreate(name="main", url=f"{backend.base_url}/v1")
    store = SnapshotStore()
    await store.start()
    return Found(upstream, store, schedule)
