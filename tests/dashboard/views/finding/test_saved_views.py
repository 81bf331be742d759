"""Saved views of the list of requests: each user's own."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from bridge.accounts import roles
from bridge.models import SavedView
from bridge.models.people.saved_views import LONGEST_QUERY, MOST_VIEWS
from tests.dashboard import reading
from tests.dashboard.conftest import visitor

pytestmark = pytest.mark.django_db

LIST, KEEP = reverse("dashboard:requests"), reverse("dashboard:saved_views")
QUERY = {"outcome": "error", "range": "7d", "sort": "-duration"}


def views(client: Client) -> dict[str, reading.Node]:
    box = reading.page(client.get(LIST, {"tz": "UTC"})).first("details", class_="views")
    return {line.first("a").text: line for line in box.all("li")}


def form(client: Client, **query: str) -> dict[str, str]:
    """What the form for the filters that are shown sends, but for the name."""
    box = reading.page(client.get(LIST, {"tz": "UTC", **query})).first("details", class_="views")
    inputs = box.all("form")[-1].all("input")
    return {n.attrs["name"]: n.attrs.get("value", "") for n in inputs}


@pytest.mark.parametrize("role", [roles.AUDITOR, roles.OPERATOR])
def test_filters_are_kept_under_a_name(now: None, role: str) -> None:
    client = visitor(role)
    answer = client.post(KEEP, {**form(client, **QUERY), "name": " slow  errors "}, follow=True)
    assert "saved as slow errors" in reading.page(answer).text
    (line,) = views(client).values()
    href = line.first("a", href="*").attrs["href"]
    assert dict(parse_qsl(urlsplit(href).query)) == {**QUERY, "tz": "UTC"}
    shown = reading.page(client.get(href)).first("details", class_="views")
    assert shown.first("a").attrs["aria-current"] == "true"


def test_name_that_is_there_is_overwritten(auditor: Client) -> None:
    for outcome in ("error", "refused"):
        auditor.post(KEEP, {"name": "mine", "query": f"outcome={outcome}"})
    (row,) = SavedView.objects.all()
    assert row.query == "outcome=refused"


def test_everybody_sees_and_deletes_their_own_alone(now: None, db: None) -> None:
    one, other = visitor(roles.AUDITOR), visitor(roles.OPERATOR)
    one.post(KEEP, {"name": "mine", "query": "outcome=error"})
    (row,) = SavedView.objects.all()
    assert list(views(one)) == ["mine"] and list(views(other)) == []
    delete = reverse("dashboard:saved_view_delete", args=[row.pk])
    assert other.post(delete).status_code == 404
    assert SavedView.objects.exists()
    answer = one.post(delete, {"query": "status=404"})
    assert answer["Location"] == f"{LIST}?status=404"
    assert not SavedView.objects.exists()
    assert one.post(delete).status_code == 404


def test_views_go_with_their_user(auditor: Client) -> None:
    auditor.post(KEEP, {"name": "mine", "query": ""})
    User.objects.filter(username="the-auditor").delete()
    assert not SavedView.objects.exists()


def test_address_is_cleaned_of_what_is_no_filter(auditor: Client) -> None:
    query = "outcome=error&next=//evil.example&after=x&tz=UTC&model=a%26b%00&format=csv&key=a%26b"
    answer = auditor.post(KEEP, {"name": "mine", "query": query})
    assert SavedView.objects.get().query == "outcome=error&key=a%26b"
    assert answer["Location"] == f"{LIST}?outcome=error&key=a%26b"


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("", "outcome=error"),
        ("n" * 61, ""),
        ("two\x07bells", ""),
        ("mine", "key=" + "k" * LONGEST_QUERY),
    ],
)
def test_what_cannot_be_kept_is_told(auditor: Client, name: str, query: str) -> None:
    answer = auditor.post(KEEP, {"name": name, "query": query}, follow=True)
    assert "expected" in reading.page(answer).first("p", class_="message").text
    assert not SavedView.objects.exists()


def test_there_are_only_so_many(auditor: Client) -> None:
    for number in range(MOST_VIEWS + 3):
        auditor.post(KEEP, {"name": f"view {number}", "query": ""})
    assert SavedView.objects.count() == MOST_VIEWS
    auditor.post(KEEP, {"name": "view 1", "query": "status=404"})
    assert SavedView.objects.get(name="view 1").query == "status=404"


def test_names_are_text(auditor: Client) -> None:
    auditor.post(KEEP, {"name": "<script>alert(1)</script>", "query": ""})
    assert list(views(auditor)) == ["<script>alert(1)</script>"]


def test_only_forms_of_ours_are_taken(now: None, db: None) -> None:
    visitor(roles.AUDITOR)
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username="the-auditor"))
    assert strict.post(KEEP, {"name": "mine", "query": ""}).status_code == 403
    assert strict.get(KEEP).status_code == 405
    assert (
        Client().post(KEEP, {"name": "mine", "query": ""})["Location"].startswith("/admin/login/")
    )
    assert not SavedView.objects.exists()


def test_guest_keeps_nothing(guest: Client) -> None:
    assert guest.post(KEEP, {"name": "mine", "query": ""}).status_code == 403
