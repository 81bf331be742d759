"""Who sees the reports: auditors, operators and admins, nobody else (pages, "who")."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from bridge.accounts import roles
from bridge.models import KeyLabel
from tests.dashboard.conftest import visitor
from tests.dashboard.making import CODER, FORWARDED, NOW, enter, record

pytestmark = pytest.mark.django_db

PAGES = (
    reverse("dashboard:overview"),
    reverse("dashboard:keys"),
    reverse("dashboard:key", args=["1"]),
    reverse("dashboard:people"),
    reverse("dashboard:teams"),
    reverse("dashboard:models"),
    reverse("dashboard:model", args=[CODER]),
    reverse("dashboard:cache"),
)
NAMING = reverse("dashboard:key_name", args=[f"f-{FORWARDED}"])


@pytest.fixture(autouse=True)
def used(now: None) -> None:
    enter([record(NOW, 1), record(NOW, 2, key_id=0, fingerprint=FORWARDED, key="key-x")])


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("group", [roles.AUDITOR, roles.OPERATOR, roles.ADMIN])
def test_who_may_see_reports_sees_them(path: str, group: str) -> None:
    client = visitor(group)
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize("path", PAGES)
def test_strangers_log_in_first_and_come_back_to_the_page(client: Client, path: str) -> None:
    answer = client.get(f"{path}?range=7d")
    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("admin:login"))
    assert answer["Location"].endswith(f"{path}%3Frange%3D7d")


@pytest.mark.parametrize("path", PAGES)
def test_others_are_told_why_not(guest: Client, path: str) -> None:
    answer = guest.get(path)
    assert answer.status_code == 403
    assert "This page is not open to you" in answer.content.decode()
    assert "the-guest" in answer.content.decode()


def test_the_roles_agree_with_the_gateways(guest: Client) -> None:
    """The pages ask for the role once; both ways to ask answer alike."""
    from dashboard.pages.access import OPERATORS, READERS

    for group in ("", *roles.GROUPS, roles.ADMIN):
        if group:
            visitor(group)
        user = User.objects.get(username=f"the-{group or 'guest'}")
        role = roles.role_of(user)
        assert (role in READERS) == roles.may_see_reports(user)
        assert (role in OPERATORS) == roles.may_operate(user)


def test_no_report_is_changed_by_get(operator: Client) -> None:
    assert operator.get(NAMING).status_code == 405
    for path in PAGES:
        assert operator.post(path).status_code == 405


def test_auditors_change_no_names(auditor: Client) -> None:
    assert auditor.post(NAMING, {"name": "mine"}).status_code == 403
    assert not KeyLabel.objects.exists()


def test_naming_needs_the_forms_token(db: None) -> None:
    visitor(roles.OPERATOR)
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username="the-operator"))
    assert strict.post(NAMING, {"name": "mine"}).status_code == 403


@pytest.mark.parametrize("path", PAGES)
def test_everything_comes_from_here_and_nothing_runs_inline(auditor: Client, path: str) -> None:
    """docs/security.md: the reports keep the strictest policy."""
    answer = auditor.get(path)
    policy = answer["Content-Security-Policy"]
    assert "default-src 'self'" in policy and "unsafe" not in policy
    text = answer.content.decode()
    assert "style=" not in text and "onclick" not in text
    assert "http://" not in text.replace("http://testserver", "")
    assert text.count("<script>") == 0
