"""The client, on the loop of the test: each test runs on both loops that the product runs on."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import uvloop

from bridge.outbound.client import HttpClient

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def pytest_asyncio_loop_factories() -> dict[str, LoopFactory]:
    """A hook of pytest-asyncio: the loops on which the tests of this folder run."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def client() -> AsyncIterator[HttpClient]:
    client = HttpClient(connect_timeout=5.0)
    yield client
    await client.aclose()
