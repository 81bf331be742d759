"""Roles: what the table promises, what the groups hold, and which pages open for whom."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.core.management import call_command

from bridge.accounts import roles
from bridge.models import Backend, Change, DiscoveredModel
from tests.bridge.people import a_user, browser
from tests.bridge.rows import a_row, an_alias

pytestmark = pytest.mark.django_db

CONFIGURATION = [label for label, rights in roles.RIGHTS.items() if len(rights["operator"]) == 4]


def held(name: str) -> set[str]:
    """The permissions of a group, as `app.codename`."""
    rows = Group.objects.get(name=name).permissions.select_related("content_type")
    return {f"{row.content_type.app_label}.{row.codename}" for row in rows}


def promised(name: str) -> set[str]:
    return {f"{app}.{right}" for app in roles.APPS for right in roles.codenames((app,), name)}


# --- the table ---------------------------------------------------------------------------------


@pytest.mark.parametrize("label", roles.RIGHTS)
def test_row_of_the_table_names_a_model_its_groups_and_its_actions(label: str) -> None:
    """Ours: a slip in the table fails here and nowhere in the field."""
    model = apps.get_model(label)
    assert label == model._meta.label_lower
    for group, actions in roles.RIGHTS[label].items():
        assert group in roles.GROUPS
        assert set(actions) <= set(model._meta.default_permissions)


def test_operators_may_do_everything_with_routing_and_only_look_at_the_rest() -> None:
    """the issue: an operator runs the gateway."""
    assert len(CONFIGURATION) >= 7
    assert roles.RIGHTS["bridge.groupmapping"] == {"operator": ()}, "it would make roles"
    for label in roles.RIGHTS.keys() - {*CONFIGURATION, "bridge.groupmapping"}:
        may_end = ("view", "change") if label == "bridge.signin" else ("view",)
        assert roles.RIGHTS[label]["operator"] == may_end
    assert sorted(roles.codenames(("bridge",), "auditor")) == ["view_change", "view_signin"]


# --- the groups --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", roles.GROUPS)
def test_group_holds_what_the_table_says(name: str) -> None:
    """the issue: created by the migrations."""
    assert held(name) == promised(name) != set()


def test_migration_puts_back_what_is_missing_and_takes_what_is_too_much() -> None:
    """Ours: the two groups are the gateway's, whoever changed them."""
    operator = Group.objects.get(name="operator")
    operator.permissions.remove(Permission.objects.get(codename="view_backend"))
    operator.permissions.add(*Permission.objects.filter(codename__in=("add_user", "add_change")))
    Group.objects.get(name="auditor").delete()
    call_command("migrate", verbosity=0)
    assert {name: held(name) for name in roles.GROUPS} == {
        name: promised(name) for name in roles.GROUPS
    }


@pytest.mark.parametrize("too_much", ["add_user", "add_change"])
def test_start_sees_rights_that_are_too_many(too_much: str) -> None:
    assert roles.are_kept()
    operator = Group.objects.get(name="operator")
    operator.permissions.add(Permission.objects.get(codename=too_much))
    assert not roles.are_kept()


def test_start_sees_rights_and_groups_that_are_missing() -> None:
    operator = Group.objects.get(name="operator")
    operator.permissions.remove(Permission.objects.get(codename="view_backend"))
    assert not roles.are_kept()
    call_command("migrate", verbosity=0)
    assert roles.are_kept()
    Group.objects.get(name="auditor").delete()
    assert not roles.are_kept()


def test_rights_are_there_even_if_this_signal_comes_before_djangos() -> None:
    """Ours: the order of receivers follows the order of the apps."""
    Permission.objects.filter(content_type__app_label="bridge").delete()
    assert held("operator") == set()
    roles.keep(apps.get_app_config("bridge"), "default")
    assert held("operator") == promised("operator")


def test_migration_so_early_that_there_are_no_groups_is_let_pass() -> None:
    class Earlier:
        def get_model(self, app: str, name: str) -> Any:
            raise LookupError(f"no {app}.{name} yet")

    Group.objects.all().delete()
    roles.keep(apps.get_app_config("bridge"), "default", apps=Earlier())
    assert not Group.objects.exists()


def test_groups_of_others_are_left_alone() -> None:
    own = Group.objects.create(name="readers")
    own.permissions.add(Permission.objects.get(codename="view_backend"))
    call_command("migrate", verbosity=0)
    assert held("readers") == {"bridge.view_backend"}


# --- questions ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "reports", "operates"),
    [("", False, False), ("auditor", True, False), ("operator", True, True), ("admin", True, True)],
)
def test_roles_answer_who_may_see_reports_and_who_may_operate(
    role: str, reports: bool, operates: bool
) -> None:
    """the issue: what the reports will ask."""
    user = a_user(role)
    assert (roles.may_see_reports(user), roles.may_operate(user)) == (reports, operates)
    assert roles.role_of(user) == role
    user.is_active = False
    assert not roles.may_see_reports(user) and not roles.may_operate(user)


def test_nobody_may_do_nothing() -> None:
    assert not roles.may_see_reports(AnonymousUser())
    assert not roles.may_operate(AnonymousUser())


def test_of_several_roles_the_strongest_counts() -> None:
    user = a_user("auditor")
    user.groups.add(Group.objects.get(name="operator"))
    assert roles.role_of(user) == "operator"
    user.is_superuser = True
    assert roles.role_of(user) == "admin"


# --- pages -------------------------------------------------------------------------------------

LISTS = [
    f"/admin/{model._meta.app_label}/{model._meta.model_name}/" for model in admin.site._registry
]
OPENED: dict[str, set[str]] = {
    "": set(),
    "auditor": {"/admin/bridge/change/", "/admin/bridge/signin/"},
    "operator": {page for page in LISTS if page.startswith("/admin/bridge/")}
    - {"/admin/bridge/groupmapping/", "/admin/bridge/admintoken/"},
    "admin": set(LISTS),
}


@pytest.mark.parametrize("role", [role for role in OPENED if role])
def test_lists_open_for_the_roles_that_may_see_them(role: str) -> None:
    """the issue: an operator cannot open users, an auditor cannot open routing rows."""
    client = browser(role)
    statuses = {page: client.get(page).status_code for page in LISTS}
    assert statuses == {page: 200 if page in OPENED[role] else 403 for page in LISTS}
    assert client.get("/admin/").status_code == 200


@pytest.mark.parametrize("role", ["anonymous", ""])
@pytest.mark.parametrize("page", ["/admin/", *LISTS, "/admin/nothing/"])
def test_who_has_no_role_gets_the_login(page: str, role: str) -> None:
    """the issue: anonymous gets the login."""
    answer = browser(role).get(page)
    assert answer.status_code == 302
    assert answer["location"].startswith("/admin/login/?next=/admin/")


@pytest.mark.parametrize("role", ["auditor", "operator"])
@pytest.mark.parametrize("page", ["auth/user/add/", "auth/user/1/change/", "auth/group/add/"])
def test_users_and_groups_are_made_by_admins_only(role: str, page: str) -> None:
    """the issue: superuser = admin, who alone has users and groups."""
    client = browser(role)
    assert client.get(f"/admin/{page}").status_code in (302, 403)
    assert client.post(f"/admin/{page}", {"username": "x"}).status_code in (302, 403)
    assert not User.objects.filter(username="x").exists()


@pytest.mark.parametrize(("role", "status"), [("auditor", 403), ("operator", 302)])
def test_backend_is_changed_by_operators_and_not_by_auditors(role: str, status: int) -> None:
    row = a_row()
    page = f"/admin/bridge/backend/{row.pk}/delete/"
    assert browser(role).post(page, {"post": "yes"}).status_code == status
    assert Backend.objects.filter(pk=row.pk).exists() == (role == "auditor")


@pytest.mark.parametrize(
    ("method", "page"),
    [
        ("get", "modelalias/route/?model=fast"),
        ("get", "modelalias/client/?model=fast"),
        ("post", "backend/{backend}/do/force_open/"),
        ("post", "backend/{backend}/do/take_over/"),
        ("post", "backend/{backend}/do/delete/"),
        ("post", "discoveredmodel/{model}/probe/"),
        ("post", "change/{change}/revert/"),
    ],
)
def test_buttons_and_pages_beside_the_lists_are_not_an_auditors(method: str, page: str) -> None:
    """the issue: an auditor changes nothing and sees no routing."""
    backend = a_row()
    an_alias("fast", (backend, "m"))
    model = DiscoveredModel.objects.create(backend=backend, name="m")
    numbers = {"backend": backend.pk, "model": model.pk, "change": Change.objects.earliest("pk").pk}
    before = Change.objects.count()
    address = f"/admin/bridge/{page}".format(**numbers)
    assert getattr(browser("auditor"), method)(address).status_code == 403
    assert getattr(browser("anonymous"), method)(address).status_code == 302
    assert Change.objects.count() == before
