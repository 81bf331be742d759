"""Users, roles, memberships, passwords, sign-ins: each act one entry, in plain words, for auditors
too, and none with a way back.

The issue: an auditor learns who made somebody an operator.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from bridge.accounts import sign_in_history
from bridge.accounts.clients import device_requests, sign_ins
from bridge.ledger.retention import erasing
from bridge.models import Change, SignIn, TeamMember
from bridge.models.people.persons import SIGN_INS
from tests.bridge.admin_pages import CHANGES, form, of, text
from tests.bridge.history import forget, only
from tests.bridge.people import PASSWORD, a_team, a_user, browser

pytestmark = pytest.mark.django_db

USERS = "/admin/auth/user/"
LOGIN = "/admin/login/"


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def boss() -> Client:
    return browser("admin", "boss")


def entry() -> tuple[str, str, str, str]:
    """(actor, label, verb, summary) of the only entry."""
    change = only()
    return change.actor, change.label, change.verb, change.summary


def user_page(user: User) -> str:
    return f"{USERS}{user.pk}/change/"


def make(boss: Client, user: User) -> None:
    given = {"username": "ann", "role": "operator", "usable_password": "true"}
    boss.post(f"{USERS}add/", given | {"password1": PASSWORD, "password2": PASSWORD})


def give_role(boss: Client, user: User) -> None:
    boss.post(user_page(user), form(boss, user_page(user)) | {"role": "operator"})


def switch_off(boss: Client, user: User) -> None:
    fields = form(boss, user_page(user))
    answer = boss.post(
        user_page(user), {k: v for k, v in fields.items() if k not in ("is_active", "groups")}
    )
    assert answer.status_code == 302, answer.context["adminform"].form.errors


def delete(boss: Client, user: User) -> None:
    boss.post(f"{USERS}{user.pk}/delete/", {"post": "yes"})


def delete_ticked(boss: Client, user: User) -> None:
    ticked = {"action": "delete_selected", "_selected_action": [user.pk], "post": "yes"}
    boss.post(USERS, ticked)


def set_password(boss: Client, user: User) -> None:
    given = {"password1": PASSWORD, "password2": PASSWORD, "usable_password": "true"}
    boss.post(f"{USERS}{user.pk}/password/", given)


def join(boss: Client, user: User) -> None:
    team = a_team("blue")
    forget()
    address = of("team", "change", team.pk)
    boss.post(address, form(boss, address) | {"memberships-0-user": user.pk, **ONE_MORE})


ONE_MORE = {"memberships-TOTAL_FORMS": 1, "memberships-INITIAL_FORMS": 0}

ACTS: dict[str, tuple[Callable[[Client, User], None], str, str, str]] = {
    "made": (make, "ann", "added", "role operator"),
    "given a role": (give_role, "bob", "changed", "role none -> operator"),
    "switched off": (switch_off, "bob", "changed", "switched off"),
    "deleted": (delete, "bob", "deleted", ""),
    "deleted among others": (delete_ticked, "bob", "deleted", ""),
    "given a password": (set_password, "bob", "password changed", ""),
}


@pytest.mark.parametrize("act", ACTS)
def test_act_of_an_admin_is_one_entry_without_a_way_back(boss: Client, act: str) -> None:
    deed, label, verb, summary = ACTS[act]
    user = a_user(name="bob")
    forget()
    deed(boss, user)
    assert entry() == ("boss", label, verb, summary)
    change = only()
    assert PASSWORD not in str(list(Change.objects.values())) and "md5$" not in str(change.after)
    refused = boss.get(reverse("admin:bridge_change_revert", args=[change.pk]))
    assert refused.status_code == 403 and "no undo makes or changes a user" in text(refused)
    posted = boss.post(refused.request["PATH_INFO"], {"latest": change.pk})
    assert posted.status_code == 403 and Change.objects.count() == 1


def test_own_password_is_changed_in_ones_own_name() -> None:
    user = a_user("auditor", "ann")
    user.set_password(PASSWORD)
    user.save()
    ann = Client()
    ann.force_login(user)
    forget()
    new = "another horse battery"
    ann.post(
        "/admin/password_change/",
        {"old_password": PASSWORD, "new_password1": new, "new_password2": new},
    )
    assert entry() == ("ann", "ann", "password changed", "")


def test_stronger_hash_of_the_same_password_is_no_change(settings: Any) -> None:
    """Django hashes a password again at a log-in when the hash is an old one."""
    user = a_user("admin", "ann")
    user.set_password(PASSWORD)
    user.save()
    forget()
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.PBKDF2SHA1PasswordHasher",
        "django.contrib.auth.hashers.MD5PasswordHasher",
    ]
    assert user.check_password(PASSWORD)
    assert not Change.objects.exists()


def test_membership_names_who_joined_and_left() -> None:
    ann = a_user(name="ann")
    team = a_team("blue")
    forget()
    member = TeamMember.objects.create(team=team, user=ann)
    assert entry()[1:] == ("blue", "changed", "ann joined")
    forget()
    member.delete()
    assert entry()[1:] == ("blue", "changed", "ann left")


def test_person_who_is_deleted_leaves_teams_in_the_same_entry(boss: Client) -> None:
    ann = a_user(name="ann")
    a_team("blue", ann)
    forget()
    delete(boss, ann)
    lead = Change.objects.get(leads=True)
    assert (lead.label, lead.verb) == ("ann", "deleted")
    assert Change.objects.filter(act=lead.act, label="blue").get().summary == "ann left"
    shown = boss.get(CHANGES)
    assert shown.context["cl"].result_count == 1 and "ann and 1 more" in text(shown)


def test_group_of_an_admins_own_and_its_rights(boss: Client) -> None:
    boss.post("/admin/auth/group/add/", {"name": "night shift"})
    assert entry() == ("boss", "night shift", "added", "")
    forget()
    ann = a_user(name="ann")
    ann.groups.add(Group.objects.get(name="night shift"))
    assert only().differences() == [("groups", None, ["night shift"])]
    forget()
    Group.objects.get(name="night shift").user_set.clear()
    assert only().differences() == [("groups", ["night shift"], None)]


def test_command_acts_in_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    from bridge.models import acting

    monkeypatch.setattr(acting, "_of_process", list(acting._of_process))
    acting.run_as_command("createsuperuser")
    call_command("createsuperuser", "--noinput", "--username", "root", "--email", "")
    assert entry() == ("command createsuperuser", "root", "added", "role admin")


# --- sign-ins on the pages ------------------------------------------------------------------------


def log_in(password: str = PASSWORD, name: str = "ann", address: str = "192.0.2.1") -> Client:
    client = Client(REMOTE_ADDR=address)
    client.post(LOGIN, {"username": name, "password": password})
    return client


@pytest.fixture
def ann() -> User:
    user = a_user("auditor", "ann")
    user.set_password(PASSWORD)
    user.save()
    forget()
    return user


def test_sign_in_and_sign_out(ann: User) -> None:
    client = log_in()
    assert entry() == ("ann", "ann", "signed in", "with a password")
    forget()
    client.post("/admin/logout/")
    assert entry() == ("ann", "ann", "signed out", "")


@pytest.mark.parametrize(("how", "found"), [("off", ""), ("whole", "192.0.2.1"), ("hashed", "*")])
def test_address_is_kept_as_the_setting_allows(
    ann: User, settings: Any, how: str, found: str
) -> None:
    settings.CLIENT_ADDRESSES = how
    log_in()
    kept = only().address
    assert kept == found or (found == "*" and len(kept) == 12 and "." not in kept)


def test_wrong_password_is_no_entry_and_the_lock_is_one(ann: User) -> None:
    for _ in range(4):
        log_in("wrong")
    assert not Change.objects.exists()
    for _ in range(6):
        log_in("wrong")
    assert entry() == ("sign-in", "ann", "locked for sign-ins", "after 5 failures")


def test_many_names_from_one_address_are_one_lock_and_stand_nowhere(settings: Any) -> None:
    """People type passwords where a name belongs."""
    settings.LOGIN_FAILURES_PER_ADDRESS = 4
    for number in range(8):
        log_in("wrong", f"hunter{number}")
    assert entry()[:3] == ("sign-in", "An address", "locked for sign-ins")
    for number in range(3):
        for _ in range(6):
            log_in("wrong", f"hunter{number}", f"192.0.2.{number + 10}")
    assert "hunter" not in str(list(Change.objects.values()))


def test_locks_are_few_whatever_comes(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No flood by failed log-ins: of addresses that anybody can vary, too."""
    monkeypatch.setattr(sign_in_history, "LOCKS_AN_HOUR", 6)
    settings.CLIENT_ADDRESSES, settings.LOGIN_FAILURES = "whole", 1
    settings.AXES_FAILURE_LIMIT = 1
    for number in range(9):
        log_in("wrong", "nobody-here", f"198.51.100.{number}")
    assert Change.objects.filter(event="locked for sign-ins").count() == 6


def test_old_sign_ins_are_erased_and_changes_stay(ann: User) -> None:
    log_in()
    ann.set_password("x")
    ann.save()
    Change.objects.update(at=only_at(days=91))
    assert erasing.erase_sign_ins(only_at(days=90)) == 1
    assert entry()[2] == "password changed"


def only_at(days: int) -> Any:
    from django.utils import timezone

    return timezone.now() - timedelta(days=days)


# --- sign-ins of clients --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("decision", "event"), [("approve", "approved a sign-in"), ("deny", "denied a sign-in")]
)
def test_decision_about_a_client(ann: User, decision: str, event: str) -> None:
    row, _ = device_requests.begin("claude-code/2.1", None)
    client = Client()
    client.force_login(ann)
    answer = client.post("/device/", {"user_code": row.user_code, "decision": decision})
    assert answer.status_code == 200
    assert entry() == ("ann", "ann", event, "of claude-code/2.1")


def signed_in(person: User) -> SignIn:
    row, code = device_requests.begin("claude-code/2.1", None)
    device_requests.decide(row, person, True)
    granted = sign_ins.begin(device_requests.approved(code))
    forget()
    return granted.row


def test_client_that_is_ended_and_one_that_leaves(ann: User, boss: Client) -> None:
    row = signed_in(ann)
    boss.post("/admin/bridge/signin/", {"action": "end", "_selected_action": [row.pk]})
    assert entry() == (
        "boss",
        "ann",
        "no longer signed in",
        "of claude-code/2.1, because boss ended it",
    )
    key = signed_in(ann)
    key.end("the client signed out")
    assert only().summary == "of claude-code/2.1, because the client signed out"
    assert key.key.digest not in str(list(Change.objects.values()))


def test_person_who_is_switched_off_and_what_ended_are_one_entry(ann: User, boss: Client) -> None:
    signed_in(ann)
    switch_off(boss, ann)
    lead = Change.objects.get(leads=True)
    assert (lead.actor, lead.label, lead.summary) == ("boss", "ann", "switched off")
    ended = Change.objects.get(kind=SIGN_INS)
    assert (ended.act, ended.verb) == (lead.act, "no longer signed in")


# --- who sees it ----------------------------------------------------------------------------------


def test_auditors_see_all_of_it_and_people_without_a_role_nothing(boss: Client) -> None:
    user = a_user(name="bob")
    forget()
    give_role(boss, user)
    auditor = browser("auditor")
    listed = text(auditor.get(CHANGES))
    assert "role none -&gt; operator" in listed and "boss" in listed
    page = text(auditor.get(of("change", "change", only().pk)))
    assert "role none -&gt; operator" in page and "Revert" not in page
    assert "no undo makes or changes a user" in page
    nobody = browser("", "eve")
    assert nobody.get(CHANGES).status_code == 302
    assert "bob" not in text(nobody.get(of("change", "change", only().pk)))


def test_history_of_a_user_is_what_they_did_and_what_became_of_them(boss: Client) -> None:
    user = a_user(name="bob")
    give_role(boss, user)
    shown = boss.get(f"{USERS}{user.pk}/history/", follow=True)
    assert "person=bob" in shown.redirect_chain[0][0] and shown.context["cl"].result_count == 1
