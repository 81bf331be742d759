"""The official SDK in front of the gateway, and gateways for each family of backends."""

from collections.abc import Callable, Iterator
from functools import cache

import pytest
from anthropic import Anthropic, DefaultHttpxClient

from tests.conftest import starting
from tests.fakes.backend import FakeBackend
from tests.fakes.client import KEY, PLAIN
from tests.fakes.gateway import Gateway


@pytest.fixture
def sdk(gateway: Gateway) -> Iterator[Anthropic]:
    """A client that does not retry, so that a test sees the first answer.

    Over plain HTTP, for which it need not read all certificate authorities.
    """
    plain = DefaultHttpxClient(**PLAIN)
    with Anthropic(
        api_key=KEY, base_url=gateway.url, max_retries=0, timeout=60, http_client=plain
    ) as client:
        yield client


Serve = Callable[[str], Gateway]
"""A family of backends -> a gateway that takes its backend for one of them."""


@pytest.fixture(scope="module")
def gateways(
    session_backend: FakeBackend, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Serve]:
    """One gateway for each family, started when it is first asked for.

    For one module: what a gateway learns of a backend must not reach other tests.
    """
    with starting(session_backend, tmp_path_factory) as start:
        yield cache(lambda family: start(BACKEND_DIALECT=family))


@pytest.fixture
def serve(gateways: Serve, backend: FakeBackend) -> Serve:
    return gateways
