"""The official SDK in front of the gateway."""

from collections.abc import Iterator

import pytest
from anthropic import Anthropic

from tests.fakes.client import KEY
from tests.fakes.gateway import Gateway


@pytest.fixture
def sdk(gateway: Gateway) -> Iterator[Anthropic]:
    """A client that does not retry, so that a test sees the first answer."""
    with Anthropic(api_key=KEY, base_url=gateway.url, max_retries=0, timeout=10) as client:
        yield client
