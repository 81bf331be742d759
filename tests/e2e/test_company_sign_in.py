"""Signing in with a company account: who comes in, where they come out, what they get."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import Start
from tests.fakes.gateway import Gateway, Ready
from tests.fakes.oidc_provider import CLIENT_ID, CLIENT_SECRET, OidcProvider
from tests.fakes.signing_in import Visitor


@pytest.fixture(scope="module")
def module_provider() -> Iterator[OidcProvider]:
    with OidcProvider() as provider:
        yield provider


@pytest.fixture
def provider(module_provider: OidcProvider) -> Iterator[OidcProvider]:
    yield module_provider
    module_provider.reset()


@pytest.fixture(scope="module")
def company_gateway(launch_gateway: Start, module_provider: OidcProvider) -> Gateway:
    return launch_gateway(
        "serve",
        ready=Ready.HEALTHY,
        OIDC_ISSUER=module_provider.issuer,
        OIDC_CLIENT_ID=CLIENT_ID,
        OIDC_CLIENT_SECRET=CLIENT_SECRET,
        OIDC_NAME="Example Inc.",
        LOGIN_FAILURES_PER_ADDRESS="1000",
    )


@pytest.fixture
def visitor(company_gateway: Gateway, provider: OidcProvider) -> Iterator[Visitor]:
    with Visitor(company_gateway, provider) as visitor:
        yield visitor


def test_person_without_role_comes_out_on_their_own_page(visitor: Visitor) -> None:
    assert visitor.comes_in() == "/my/"
