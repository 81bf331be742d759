"""Fixtures: the client of the backends, and the rows in a database of the test's own."""

from collections.abc import AsyncIterator

import pytest

from bridge.routing import Backend
from bridge.upstream import Upstream
from tests.bridge.making import a_backend
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
