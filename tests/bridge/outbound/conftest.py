"""The client, on the loop of the test."""

from collections.abc import AsyncIterator

import pytest

from bridge.outbound.client import HttpClient


@pytest.fixture
async def client() -> AsyncIterator[HttpClient]:
    client = HttpClient(connect_timeout=5.0)
    yield client
    await client.aclose()
