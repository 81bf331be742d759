"""A new key in place of one's own, by a person or by whoever holds it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from bridge.accounts import key_holders
from bridge.keys import authentication
from bridge.models import ApiKey
from tests.dashboard import reading
from tests.dashboard.views.test_my_person import MY, Holder, a_holder, counted_anew, key_visit

pytestmark = pytest.mark.django_db
__all__ = ["counted_anew"]


@pytest.fixture
def ann() -> Holder:
    return a_holder("ann")


def rotate(client: Client, row: ApiKey, overlap: str = "24") -> str:
    """The new key, from the page that shows it."""
    answer = client.post(reverse("my_rotate", args=[row.pk]), {"overlap": overlap})
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    return reading.page(answer).first("pre").text


def is_good(text: str) -> bool:
    return key_holders.holder_of(text) is not None


def test_person_is_asked_first_and_sees_the_new_key_once(ann: Holder) -> None:
    path = reverse("my_rotate", args=[ann.key.pk])
    page = reading.page(ann.browser.get(path))
    assert [each.attrs["value"] for each in page.all("input", type="radio")] == [
        "24",
        "1",
        "168",
        "0",
    ]
    assert authentication.digest(ann.text) == ApiKey.objects.get(pk=ann.key.pk).digest
    text = rotate(ann.browser, ann.key)
    assert text.startswith("gwk_") and text != ann.text
    assert is_good(text) and is_good(ann.text)
    for later in (MY, path):
        assert text not in ann.browser.get(later).content.decode()
    row = ApiKey.objects.get(pk=ann.key.pk)
    assert row.former_until is not None
    assert timedelta(hours=23) < row.former_until - timezone.now() <= timedelta(hours=24)


@pytest.mark.parametrize("opened", ["login", "key"])
def test_key_that_leaked_ends_at_once(ann: Holder, opened: str) -> None:
    client = ann.browser if opened == "login" else key_visit(ann)
    text = rotate(client, ann.key, "0")
    assert is_good(text) and not is_good(ann.text)
    assert reading.page(client.get(MY)).first("h1").text in ("ann", "ann-laptop")


def test_form_without_its_token_rotates_nothing(ann: Holder) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(ann.user)
    path = reverse("my_rotate", args=[ann.key.pk])
    assert client.post(path, {"overlap": "24"}).status_code == 403
    assert ApiKey.objects.get(pk=ann.key.pk).digest == ann.key.digest


@pytest.mark.parametrize("overlap", ["", "2", "-1", "9999999", "x"])
def test_overlap_is_one_of_those_that_are_offered(ann: Holder, overlap: str) -> None:
    answer = ann.browser.post(reverse("my_rotate", args=[ann.key.pk]), {"overlap": overlap})
    assert answer.status_code == 400
    assert "overlap: choose one" in reading.page(answer).first("p", class_="problem").text
    assert ApiKey.objects.get(pk=ann.key.pk).digest == ann.key.digest


@pytest.mark.parametrize(
    "given",
    [
        {"enabled": False},
        {"expires_at": timezone.now() - timedelta(days=1)},
        {"enabled": False, "revoked_at": timezone.now()},
        {"kind": "session"},
        {"person": None},
    ],
)
def test_only_good_issued_keys_of_the_person_can_be_rotated(
    ann: Holder, given: dict[str, Any]
) -> None:
    """Ours: what an operator ended stays ended; a sign-in is refreshed by its client."""
    ApiKey.objects.filter(pk=ann.key.pk).update(**given)
    path = reverse("my_rotate", args=[ann.key.pk])
    assert ann.browser.get(path).status_code == 404
    assert ann.browser.post(path, {"overlap": "24"}).status_code == 404
    assert ApiKey.objects.get(pk=ann.key.pk).digest == ann.key.digest


def test_session_key_that_is_pasted_cannot_rotate_itself() -> None:
    row, text = ApiKey.issue("session", {"kind": "session"})
    client = Client()
    client.post(MY, {"key": text})
    assert "Rotate" not in reading.page(client.get(MY)).text
    assert client.post(reverse("my_rotate", args=[row.pk]), {"overlap": "24"}).status_code == 404


def test_former_key_cannot_rotate(ann: Holder) -> None:
    """Ours: the old key may be the one that leaked, and would get the new one."""
    visit = key_visit(ann)
    rotate(ann.browser, ann.key)
    assert "Rotate" not in reading.page(visit.get(MY)).text
    answer = visit.post(reverse("my_rotate", args=[ann.key.pk]), {"overlap": "24"})
    assert answer.status_code == 404
