"""Every endpoint by role: who may use it, from the table of routes and the table of rights."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.apps import apps
from django.core.cache import cache
from django.utils import timezone

from bridge.accounts import roles
from bridge.admin_api.resources.configuration import RESOURCES
from bridge.admin_api.resources.keys import KEYS
from bridge.admin_api.route import ApiRoute
from bridge.admin_api.routes import ROUTES
from bridge.configuration.documents import KINDS
from bridge.models import AdminToken, ApiKey
from tests.bridge.scripts import Script, a_script

pytestmark = pytest.mark.django_db

EXPECTED = {
    "auditor": {
        "GET /openapi.json",
        "GET /people",
        "GET /people/{username}",
        "GET /keys",
        "GET /keys/{name}",
        "GET /teams",
        "GET /teams/{name}",
        "GET /person_limits",
        "GET /person_limits/{person}",
        "GET /usage",
        "GET /budgets",
        "GET /organizations/spend_limits",
        "GET /organizations/spend_limits/{id}",
        "GET /organizations/spend_limits/effective",
        "GET /changes",
    },
    "admin": {
        "GET /group_mappings",
        "GET /group_mappings/{team}/{group}",
        "PUT /group_mappings/{team}/{group}",
        "PATCH /group_mappings/{team}/{group}",
        "DELETE /group_mappings/{team}/{group}",
        "PUT /people/{username}",
        "PATCH /people/{username}",
        "DELETE /people/{username}",
        "GET /tokens",
        "POST /tokens/{name}/revoke",
    },
}
"""Everything else is for operators."""
WRITES = {"PUT": "change", "PATCH": "change", "POST": "change", "DELETE": "delete"}


def name(route: ApiRoute) -> str:
    return f"{route.method} {route.path}"


def address(route: ApiRoute) -> str:
    """One of its addresses, where nothing is."""
    return route.path.replace("{", "no-").replace("}", "")


def ask(script: Script, route: ApiRoute) -> int:
    return script.send(route.method, address(route)).status_code


@pytest.mark.parametrize("route", ROUTES, ids=name)
def test_route_is_for_its_role_and_those_above(route: ApiRoute) -> None:
    """What an auditor, an operator and an admin may."""
    lowest = next((role for role, names in EXPECTED.items() if name(route) in names), "operator")
    assert route.role == lowest
    for role in roles.RANKS:
        status = ask(a_script(role, role), route)
        assert (status == 403) == (not roles.reaches(role, lowest)), role
        assert status in (200, 400, 403, 404), role


def test_table_here_names_only_routes_that_exist() -> None:
    known = {name(route) for route in ROUTES}
    assert all(names <= known for names in EXPECTED.values())
    assert len(known) == len(ROUTES)


@pytest.mark.parametrize("route", ROUTES, ids=name)
def test_route_opens_for_nothing_else(route: ApiRoute) -> None:
    cache.clear()
    expired, revoked = a_script("admin", "expired"), a_script("admin", "revoked")
    past = timezone.now() - timedelta(days=1)
    AdminToken.objects.filter(name="expired").update(expires_at=past)
    AdminToken.objects.get(name="revoked").revoke()
    _, key = ApiKey.issue("ann")
    for script in (Script(""), Script(key), expired, revoked):
        assert ask(script, route) == 401
    cache.clear()


@pytest.mark.parametrize("resource", [*RESOURCES, KEYS], ids=lambda each: each.noun)
def test_rights_of_a_kind_are_those_of_the_admin(resource: object) -> None:
    """bridge.accounts.roles.RIGHTS is the truth: whoever may change a row there may do so here."""
    label = resource.label  # type: ignore[attr-defined]
    own = [route for route in ROUTES if route.tag == resource.model.KIND]  # type: ignore[attr-defined]
    assert len(own) >= 5
    for route in own:
        held = roles.RIGHTS.get(label, {}).get(route.role, ())
        if route.writes:
            assert route.role == "admin" or {WRITES[route.method], "add"} <= {*held}
        else:
            assert route.role in ("auditor", "admin") or "view" in held


def test_every_kind_of_the_configuration_is_here() -> None:
    """A new kind of rows is a new row of RESOURCES."""
    assert {resource.model for resource in (*RESOURCES, KEYS)} == set(KINDS.values())


def test_what_auditors_read_are_models() -> None:
    assert {apps.get_model(label)._meta.label_lower for label in roles.REPORTED} == roles.REPORTED
