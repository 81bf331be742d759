"""Users and groups in the admin: a role in the place of four boxes, and always one admin left."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from tests.bridge.people import PASSWORD, a_team, a_user, browser

pytestmark = pytest.mark.django_db

USERS, GROUPS = "/admin/auth/user/", "/admin/auth/group/"


@pytest.fixture
def boss() -> Client:
    return browser("admin", "boss")


def sent(user: User, **fields: Any) -> dict[str, Any]:
    """The form of a user as a browser sends it, without `role`."""
    given = {"username": user.username, "is_active": "on", "email": ""} | fields
    return {name: value for name, value in given.items() if value is not None}


def errors(answer: Any) -> dict[str, Any]:
    return dict(answer.context["adminform"].form.errors)


@pytest.mark.parametrize(
    ("role", "staff", "superuser", "groups"),
    [
        ("", False, False, []),
        ("auditor", True, False, ["auditor"]),
        ("operator", True, False, ["operator"]),
        ("admin", True, True, []),
    ],
)
def test_role_decides_about_login_and_rights(
    boss: Client, role: str, staff: bool, superuser: bool, groups: list[str]
) -> None:
    """the issue: staff status is made comfortable."""
    new = {"username": "new", "password1": PASSWORD, "password2": PASSWORD, "role": role}
    assert boss.post(f"{USERS}add/", new).status_code == 302
    user = User.objects.get(username="new")
    assert (user.is_staff, user.is_superuser) == (staff, superuser)
    assert [group.name for group in user.groups.all()] == groups
    assert user.check_password(PASSWORD)


def test_form_shows_the_role_and_what_each_means(boss: Client) -> None:
    user = a_user("operator")
    answer = boss.get(f"{USERS}{user.pk}/change/")
    assert answer.context["adminform"].form.initial["role"] == "operator"
    for meaning in ("Reads the reports", "Runs the gateway", "May do everything"):
        assert meaning in answer.content.decode()


def test_another_role_takes_the_place_of_the_first(boss: Client) -> None:
    user = a_user("operator")
    boss.post(f"{USERS}{user.pk}/change/", sent(user, role="auditor"))
    assert [group.name for group in user.groups.all()] == ["auditor"]


def test_group_of_an_admins_own_stays_beside_the_role_and_lets_in_alone(boss: Client) -> None:
    own = Group.objects.create(name="readers")
    user = a_user("operator")
    boss.post(f"{USERS}{user.pk}/change/", sent(user, role="operator", groups=[own.pk]))
    assert {group.name for group in user.groups.all()} == {"operator", "readers"}
    boss.post(f"{USERS}{user.pk}/change/", sent(user, role="", groups=[own.pk]))
    user.refresh_from_db()
    assert ([group.name for group in user.groups.all()], user.is_staff) == (["readers"], True)


def test_role_that_does_not_exist_is_refused(boss: Client) -> None:
    user = a_user("operator")
    answer = boss.post(f"{USERS}{user.pk}/change/", sent(user, role="emperor"))
    assert list(errors(answer)) == ["role"]


@pytest.mark.parametrize("fields", [{"role": "operator"}, {"role": "admin", "is_active": None}])
def test_last_admin_stays_one(boss: Client, fields: dict[str, Any]) -> None:
    """Ours: nobody could let anybody in again."""
    user = User.objects.get(username="boss")
    answer = boss.post(f"{USERS}{user.pk}/change/", sent(user, **fields))
    assert "last active admin" in str(errors(answer)["role"])
    a_user("admin", "second")
    assert boss.post(f"{USERS}{user.pk}/change/", sent(user, **fields)).status_code == 302


@pytest.mark.parametrize("by", ["page", "action"])
def test_last_admin_is_not_deleted(boss: Client, by: str) -> None:
    user = User.objects.get(username="boss")
    a_user("admin", "asleep", is_active=False)
    page = f"{USERS}{user.pk}/delete/" if by == "page" else USERS
    ticked = {"action": "delete_selected", "_selected_action": [user.pk], "post": "yes"}
    answer = boss.post(page, {"post": "yes"} if by == "page" else ticked)
    assert "last active admin" in answer.content.decode()
    assert User.objects.filter(username="boss").exists()


def test_others_are_deleted(boss: Client) -> None:
    user = a_user("operator")
    boss.post(f"{USERS}{user.pk}/delete/", {"post": "yes"})
    assert not User.objects.filter(pk=user.pk).exists()


def test_rights_on_users_given_by_a_group_open_nothing() -> None:
    """Ours: whoever may change users may become an admin."""
    own = Group.objects.create(name="personnel")
    own.permissions.set(Permission.objects.filter(content_type__app_label="auth"))
    user = a_user("operator")
    user.groups.add(own)
    client = Client()
    client.force_login(user)
    assert client.get(USERS).status_code == 403
    assert client.get(f"{USERS}add/").status_code == 403
    assert client.get(f"{USERS}{user.pk}/password/").status_code == 403


def test_groups_of_the_gateway_are_shown_and_not_edited(boss: Client) -> None:
    group = Group.objects.get(name="operator")
    assert boss.get(f"{GROUPS}{group.pk}/change/").status_code == 200
    assert boss.post(f"{GROUPS}{group.pk}/change/", {"name": "x"}).status_code == 403
    assert boss.post(f"{GROUPS}{group.pk}/delete/", {"post": "yes"}).status_code == 403
    ticked = {"action": "delete_selected", "_selected_action": [group.pk], "post": "yes"}
    assert boss.post(GROUPS, ticked).status_code == 403
    assert Group.objects.filter(name="operator").exists()


def test_own_group_gets_rights_that_have_an_effect(boss: Client) -> None:
    page = boss.get(f"{GROUPS}add/")
    offered = page.context["adminform"].form.fields["permissions"]
    labels = {label for _, label in offered.choices}
    assert {"backend: view", "price: add"} <= labels
    assert not any(label.startswith(("user:", "session:", "change: add")) for label in labels)
    right = Permission.objects.get(codename="view_backend")
    boss.post(f"{GROUPS}add/", {"name": "readers", "permissions": [right.pk]})
    assert list(Group.objects.get(name="readers").permissions.all()) == [right]


def test_password_of_another_is_set(boss: Client) -> None:
    user = a_user("operator")
    page = f"{USERS}{user.pk}/password/"
    assert boss.get(page).status_code == 200
    given = {"password1": PASSWORD, "password2": PASSWORD, "usable_password": "true"}
    assert boss.post(page, given).status_code == 302
    user.refresh_from_db()
    assert user.check_password(PASSWORD)


def test_page_of_a_user_shows_what_claude_code_is_handed(boss: Client) -> None:
    """Composed of all teams."""
    ann = a_user(name="ann")
    a_team("blue", ann, client_settings={"language": "french"})
    shown = boss.get(f"{USERS}{ann.pk}/change/").content.decode()
    assert "&quot;language&quot;: &quot;french&quot;" in shown
