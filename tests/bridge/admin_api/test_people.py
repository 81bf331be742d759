"""People through the API: users with a role, which only admins give."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from bridge.accounts.roles import role_of
from bridge.models import ApiKey, Change
from bridge.models.changes import happened
from tests.bridge.admin_pages import of, text
from tests.bridge.history import forget
from tests.bridge.people import a_team, a_user, browser
from tests.bridge.scripts import Script, a_script, message

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin() -> Script:
    return a_script("admin")


def test_person_is_made_without_a_password(admin: Script) -> None:
    made = admin.put("/people/ann", {"email": "ann@example.com", "role": "operator"})
    assert made.status_code == 201
    ann = User.objects.get()
    assert not ann.has_usable_password() and ann.is_staff and not ann.is_superuser
    assert (role_of(ann), made.json()["teams"]) == ("operator", [])
    again = admin.put("/people/ann", {"email": "ann@example.com", "role": "operator"})
    assert (again.status_code, again["etag"]) == (200, made["etag"])
    change = Change.objects.filter(kind="users").get()
    assert (change.actor, change.label, change.verb) == ("token ci", "ann", "added")


def test_role_is_given_and_taken(admin: Script) -> None:
    ann = a_user("auditor", "ann")
    for role, is_staff in (("admin", True), ("operator", True), ("", False)):
        a_user("admin", f"other-{role}")
        assert admin.patch("/people/ann", {"role": role}).json()["role"] == role
        ann = User.objects.get(pk=ann.pk)
        assert (role_of(ann), ann.is_staff, ann.is_superuser) == (role, is_staff, role == "admin")
    last = Change.objects.filter(kind="users")[0]
    assert last.differences() == [("role", "operator", "")]


def test_person_who_is_renamed_keeps_everything(admin: Script) -> None:
    ann, _ = a_user(name="ann"), a_user(name="bob")
    a_team("blue", ann)
    assert message(admin.patch("/people/ann", {"username": "bob"}), 409).startswith("username: ")
    assert admin.patch("/people/ann", {"username": "ann2"}).json()["teams"] == ["blue"]
    assert message(admin.get("/people/ann"), 404) == "people: nobody is called ann"
    assert message(admin.put("/people/ann2", {"username": "x"})).startswith("username: ")


def test_last_admin_stays_one(admin: Script) -> None:
    a_user("admin", "ann")
    for answer in (
        admin.patch("/people/ann", {"role": "operator"}),
        admin.patch("/people/ann", {"active": False}),
        admin.put("/people/ann", {}),
        admin.delete("/people/ann"),
    ):
        assert "last active admin" in message(answer, 409)
    a_user("admin", "bob")
    assert admin.patch("/people/ann", {"active": False}).status_code == 200
    assert admin.delete("/people/ann").status_code == 204


def test_keys_of_a_person_who_is_deleted_end(admin: Script) -> None:
    ann = a_user(name="ann")
    ApiKey.issue("k", {"person": ann})
    a_team("blue", ann)
    assert admin.delete("/people/ann").status_code == 204
    assert admin.get("/keys/k").json()["state"] == "revoked"
    changes = Change.objects.filter(actor="token ci")
    assert {change.kind for change in changes} == {"keys", "teams", "users"}
    assert len({change.act for change in changes}) == 1, "one step"


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("ann", {"email": "no address"}, "email: "),
        ("ann", {"role": "king"}, "role: "),
        ("ann", {"password": "x"}, "password: no such member"),
        ("ann", {"is_superuser": True}, "is_superuser: no such member"),
        ("ann", {"active": "yes"}, "active: "),
        ("a b", {}, "username: "),
        ("a" * 151, {}, "username: "),
    ],
)
def test_person_that_makes_no_sense_is_refused(
    admin: Script, path: str, body: Any, expected: str
) -> None:
    assert message(admin.put(f"/people/{path}", body)).startswith(expected)
    assert not User.objects.exists()


def test_people_are_listed_by_team(admin: Script) -> None:
    ann, _ = a_user(name="ann"), a_user(name="bob")
    a_team("blue", ann)
    assert [person["username"] for person in admin.get("/people").json()["data"]] == ["ann", "bob"]
    (found,) = admin.get("/people?team=blue").json()["data"]
    assert (found["username"], found["teams"]) == ("ann", ["blue"])
    assert "password" not in found


def test_operator_cannot_give_himself_anything() -> None:
    operator = a_script()
    a_user("operator", "bob")
    for answer in (
        operator.patch("/people/bob", {"role": "admin"}),
        operator.put("/people/eve", {"role": "admin"}),
        operator.post("/import", {"group_mappings": [{"group": "all", "role": "operator"}]}),
        operator.put("/group_mappings/*/all", {"role": "operator"}),
    ):
        assert "needs the role admin" in message(answer, 403)
    admin = a_script("admin", "root")
    assert admin.put("/group_mappings/*/all/of/us", {"role": "operator"}).status_code == 201
    assert "group_mappings" in admin.get("/export").json()
    assert "group_mappings" not in operator.get("/export").json()
    pruned = operator.post("/import?prune=1", {"teams": []})
    assert pruned.status_code == 200 and admin.get("/group_mappings/*/all/of/us").status_code == 200


def test_history_of_people_has_no_way_back(admin: Script) -> None:
    """No undo gives a role."""
    admin.put("/people/ann", {"role": "operator"})
    change = Change.objects.get(kind="users")
    client = browser("admin", "root")
    shown = client.get(of("change", "change", change.pk))
    assert shown.status_code == 200 and "Revert" not in text(shown) and "role" in text(shown)
    assert client.get(of("change", "revert", change.pk)).status_code == 403
    (entry,) = admin.get("/changes?kind=users").json()["data"]
    assert (entry["label"], entry["actor"], entry["change"]) == ("ann", "token ci", "added")


def test_history_is_asked_for_by_time_and_act(admin: Script) -> None:
    forget()
    admin.put("/people/ann", {"role": "auditor"})
    happened("sign_ins", 1, "ann", "signed in", {"with": "a password"}, actor="ann")
    made, event = admin.get("/changes").json()["data"]
    assert (event["change"], event["event"], event["members"][0]["after"]) == (
        "event",
        "signed in",
        "a password",
    )
    assert (made["change"], made["event"], made["address"]) == ("added", "", "")
    assert admin.get(f"/changes?act={made['act']}").json()["data"] == [made]
    for query, found in (
        ("since=2000-01-01T00:00:00Z", 2),
        ("until=2000-01-01T00:00:00Z", 0),
        ("since=2000-01-01T00:00:00Z&until=2999-01-01T00:00:00%2B02:00", 2),
    ):
        assert len(admin.get(f"/changes?{query}").json()["data"]) == found, query
    assert "since" in message(admin.get("/changes?since=yesterday"))
    assert "until" in message(admin.get("/changes?until=2026-01-31T00:00:00"))
