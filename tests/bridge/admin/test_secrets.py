"""A stored key does not leave the server: not on a page, not in a form, not in the history."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client

from bridge.keys import encryption
from bridge.models import ApiKey, Backend, Change, ModelAlias, Origin
from tests.bridge.people import a_user, browser
from tests.bridge.rows import a_row, an_alias

pytestmark = pytest.mark.django_db

KEY = "cpk_stored_0123456789abcdef"


@pytest.fixture
def row() -> Backend:
    made = a_row(credential=KEY)
    an_alias("fast", (made, "m"))
    return made


def pages(row: Backend) -> list[str]:
    backend, change = "/admin/bridge/backend/", "/admin/bridge/change/"
    return [
        "/admin/",
        "/admin/search/?s=main",
        backend,
        f"{backend}?q=main",
        f"{backend}{row.pk}/change/",
        f"{backend}{row.pk}/history/",
        f"{backend}{row.pk}/delete/",
        "/admin/bridge/modelalias/",
        f"/admin/bridge/modelalias/{ModelAlias.objects.get().pk}/change/",
        change,
        *(f"{change}{found.pk}/change/" for found in Change.objects.all()),
    ]


def secrets_on(answer: Any, row: Backend) -> list[str]:
    """What of the key is in an answer: its text, what it was sealed to, the end of either."""
    body = answer.content.decode()
    sealed = row.credential
    assert sealed.startswith(encryption.PREFIX)
    pieces = (KEY, KEY[-8:], sealed, sealed.removeprefix(encryption.PREFIX)[:24], sealed[-24:])
    return [piece for piece in pieces if piece in body]


@pytest.mark.parametrize("role", ["operator", "admin"])
def test_no_page_shows_the_key_of_a_backend(row: Backend, role: str) -> None:
    """the issue: neither the key nor the sealed text."""
    client = browser(role)
    for page in pages(row):
        answer = client.get(page)
        assert answer.status_code == 200, page
        assert secrets_on(answer, row) == [], page


def test_row_that_cannot_be_edited_does_not_show_it_either(row: Backend) -> None:
    """Ours: read-only pages show values and not fields."""
    Backend.objects.filter(pk=row.pk).update(origin=Origin.ENVIRONMENT)
    client = browser("operator")
    for page in pages(row):
        assert secrets_on(client.get(page), row) == [], page


def test_who_may_only_look_sees_that_there_is_a_key(row: Backend) -> None:
    own = Group.objects.create(name="readers")
    own.permissions.set(Permission.objects.filter(codename="view_backend"))
    user = a_user(name="reader", is_staff=True)
    user.groups.add(own)
    client = Client()
    client.force_login(user)
    answer = client.get(f"/admin/bridge/backend/{row.pk}/change/")
    assert "stored, encrypted" in answer.content.decode()
    assert secrets_on(answer, row) == []


def form_of(client: Client, row: Backend) -> dict[str, Any]:
    """The form of a backend's page, as a browser would send it back."""
    form = client.get(f"/admin/bridge/backend/{row.pk}/change/").context["adminform"].form
    return {name: value for name, value in form.initial.items() if value is not None}


@pytest.mark.parametrize(
    ("url", "moves"),
    [
        ("https://llm.example.com/other/v1", False),
        ("https://LLM.example.com/v1", False),
        ("http://llm.example.com/v1", True),
        ("https://llm.example.com:8443/v1", True),
        ("https://evil.example.net/v1", True),
    ],
)
def test_stored_key_is_not_sent_to_another_server_unseen(
    row: Backend, url: str, moves: bool
) -> None:
    """Ours: who may change the address could read the key at the other end."""
    client, page = browser("operator"), f"/admin/bridge/backend/{row.pk}/change/"
    given = form_of(client, row) | {"url": url}
    answer = client.post(page, given)
    assert answer.status_code == (200 if moves else 302)
    if moves:
        assert list(answer.context["adminform"].form.errors) == ["credential"]
        assert client.post(page, given | {"credential": "cpk_another"}).status_code == 302


def test_refused_form_does_not_send_back_what_is_stored(row: Backend) -> None:
    client = browser("operator")
    page = f"/admin/bridge/backend/{row.pk}/change/"
    answer = client.post(page, form_of(client, row) | {"url": "nonsense"})
    assert "url" in answer.context["adminform"].form.errors
    assert secrets_on(answer, row) == []


def test_page_of_an_issued_key_does_not_show_it_again() -> None:
    """design, Secrets: issued keys are shown once."""
    key, text = ApiKey.issue("team")
    client = browser("operator")
    for page in ("", f"{key.pk}/change/", f"{key.pk}/history/", f"{key.pk}/delete/"):
        body = client.get(f"/admin/bridge/apikey/{page}").content.decode()
        assert text not in body and text[:-4] not in body
        assert key.digest not in body
