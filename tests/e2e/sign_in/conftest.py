"""A gateway that people sign in to with company accounts, and the provider behind it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.conftest import starting
from tests.fakes.backend import FakeBackend
from tests.fakes.gateway import Gateway, Ready
from tests.fakes.oidc_provider import CLIENT_ID, CLIENT_SECRET, OidcProvider
from tests.fakes.signing_in import Visitor

TEAMS = {
    "teams": [{"name": "blue"}, {"name": "green"}],
    "group_mappings": [
        {"group": "operators", "role": "operator"},
        {"group": "readers", "role": "auditor"},
        {"group": "/company/blue", "team": "blue"},
        {"group": "everybody", "team": "green", "role": "auditor"},
    ],
}


@pytest.fixture(scope="package")
def package_provider() -> Iterator[OidcProvider]:
    with OidcProvider() as provider:
        yield provider


@pytest.fixture
def provider(package_provider: OidcProvider) -> Iterator[OidcProvider]:
    """The provider, which has forgotten what it was told."""
    package_provider.reset()
    yield package_provider
    package_provider.reset()


@pytest.fixture(scope="package")
def package_gateway(
    package_provider: OidcProvider,
    session_backend: FakeBackend,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Gateway]:
    with starting(session_backend, tmp_path_factory) as start:
        gateway = start(
            "serve",
            ready=Ready.HEALTHY,
            OIDC_ISSUER=package_provider.issuer,
            OIDC_CLIENT_ID=CLIENT_ID,
            OIDC_CLIENT_SECRET=CLIENT_SECRET,
            OIDC_NAME="Example Inc.",
            LOGIN_FAILURES_PER_ADDRESS="1000",
        )
        gateway.manage("import_config", "-", said=json.dumps(TEAMS))
        yield gateway


@pytest.fixture
def company_gateway(package_gateway: Gateway, provider: OidcProvider) -> Gateway:
    return package_gateway


@pytest.fixture
def visitor(company_gateway: Gateway, provider: OidcProvider) -> Iterator[Visitor]:
    with Visitor(company_gateway, provider) as visitor:
        yield visitor
