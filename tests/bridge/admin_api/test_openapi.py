"""The description, the table of routes and the addresses are the same; the description is valid."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import URLPattern
from openapi_spec_validator import OpenAPIV31SpecValidator

from bridge.admin_api import urls
from bridge.admin_api.routes import ROUTES
from bridge.admin_api.views import Endpoint, unknown
from tests.bridge.scripts import BASE, a_script

pytestmark = pytest.mark.django_db


@pytest.fixture
def described() -> dict[str, Any]:
    answer = a_script("auditor").get("/openapi.json")
    assert answer.status_code == 200
    document: dict[str, Any] = answer.json()
    return document


def endpoints() -> Iterator[tuple[URLPattern, Endpoint]]:
    for pattern in urls.urlpatterns:
        if pattern.callback is not unknown:
            assert isinstance(pattern.callback, Endpoint)
            yield pattern, pattern.callback


def test_description_is_valid(described: dict[str, Any]) -> None:
    """OpenAPI 3.1."""
    assert described["openapi"] == "3.1.0" and described["servers"] == [{"url": BASE}]
    assert [error.message for error in OpenAPIV31SpecValidator(described).iter_errors()] == []


def test_description_has_the_routes_of_the_table_and_no_others(described: dict[str, Any]) -> None:
    found = {
        (method.upper(), path, operation["x-role"])
        for path, item in described["paths"].items()
        for method, operation in item.items()
    }
    assert found == {(route.method, route.path, route.role) for route in ROUTES}


def test_addresses_are_those_of_the_table() -> None:
    routed = [route for _, endpoint in endpoints() for route in endpoint.routes.values()]
    assert sorted(routed, key=id) == sorted(ROUTES, key=id)
    for pattern, endpoint in endpoints():
        for method, route in endpoint.routes.items():
            assert route.method == method and str(pattern.pattern) == route.pattern


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_address_leads_to_its_own_route(route: Any) -> None:
    """`/keys/x/rotate` is no key called x/rotate."""
    path = route.path[1:].replace("{", "a-").replace("}", "")
    first = next(pattern for pattern in urls.urlpatterns if pattern.resolve(path))
    assert isinstance(first.callback, Endpoint) and first.callback.routes[route.method] is route


def test_every_operation_says_what_it_needs(described: dict[str, Any]) -> None:
    names = set()
    for item in described["paths"].values():
        for operation in item.values():
            names.add(operation["operationId"])
            assert operation["summary"].endswith(".") and operation["x-role"]
            assert "default" in operation["responses"]
    assert len(names) == len(ROUTES)


def test_no_secret_can_be_read(described: dict[str, Any]) -> None:
    """The text of a key stands in the answers that make one, and nowhere else."""
    schemas = described["components"]["schemas"]
    with_key = {name for name, schema in schemas.items() if "key" in schema.get("properties", {})}
    assert with_key == {"KeyShown"}
    digests = [name for name, schema in schemas.items() if "digest" in str(schema)]
    assert digests == []
