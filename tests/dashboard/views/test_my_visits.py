"""Visits of a key holder: opened by POST with a key, closed by leaving, expiry or revocation."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from bridge.models import ApiKey
from dashboard.pages import key_holder_session
from tests.dashboard import reading
from tests.dashboard.views.test_my import (
    is_question,
    issue,
    shown,
    visit,
)

pytestmark = pytest.mark.django_db

MY, LEAVE = reverse("my"), reverse("my_leave")
FORWARDED = "cpk_somebodys_own_key_0123456789"


@pytest.fixture(autouse=True)
def counted_anew(now: None) -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


# --- in and out -----------------------------------------------------------------------------------


def test_without_a_key_the_page_asks_for_one(client: Client) -> None:
    root = reading.page(client.get(MY))
    field = root.first("input", name="key")
    assert is_question(root)
    assert (field.attrs["type"], field.attrs["autocomplete"]) == ("password", "off")
    assert root.first("form").attrs["method"] == "post"


def test_a_good_key_opens_the_page() -> None:
    row, text = issue("maria")
    root = shown(visit(text))
    assert root.first("h1").text == "maria"
    assert f"ends in …{row.last_four}" in root.text


def test_a_key_in_the_address_is_not_read() -> None:
    """Addresses stand in logs and histories."""
    _, text = issue("maria")
    for path in (f"{MY}?key={text}", f"{MY}?{text}"):
        assert is_question(reading.page(Client().get(path)))


@pytest.mark.parametrize("text", ["gwk_wrong", "cpk_never_seen", "", "ключ"])
def test_a_key_that_is_not_good_opens_nothing(text: str) -> None:
    issue("maria")
    client = Client()
    answer = client.post(MY, {"key": text})
    assert answer.status_code == 403
    root = reading.page(answer)
    assert is_question(root) and "not good any more" in root.first("p", class_="problem").text
    assert not client.cookies.get(key_holder_session.COOKIE)
    assert not text or text not in answer.content.decode()


def test_a_key_that_was_good_once_is_told_what_became_of_it() -> None:
    """Revoked and mistyped do not read the same."""
    row, old = issue("maria")
    _, leaked = issue("leaked")
    row.rotate(timedelta(0))
    ApiKey.objects.get(name="leaked").revoke()
    for text, why in ((old, "replaced by a new key"), (leaked, "revoked")):
        answer = Client().post(MY, {"key": text})
        problem = reading.page(answer).first("p", class_="problem").text
        assert answer.status_code == 403
        assert f"…{text[-4:]} was good once and is {why}." in problem
        assert text not in answer.content.decode()


def test_the_key_is_nowhere_afterwards() -> None:
    """Not on the page, not in a cookie, not in a session of the database."""
    row, text = issue("maria")
    client = visit(text)
    page = client.get(MY).content.decode()
    kept = " ".join(morsel.value for morsel in client.cookies.values())
    for told in (page, kept):
        assert text not in told and row.digest not in told
    assert "sessionid" not in client.cookies


def test_the_cookie_is_for_this_page_and_an_hour() -> None:
    _, text = issue("maria")
    cookie = visit(text).cookies[key_holder_session.COOKIE]
    assert (cookie["path"], cookie["max-age"], cookie["samesite"]) == ("/my/", 3600, "Lax")
    assert cookie["httponly"]


def test_an_hour_later_the_visit_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    _, text = issue("maria")
    client = visit(text)
    monkeypatch.setattr(key_holder_session, "SECONDS", -1)
    assert is_question(reading.page(client.get(MY)))


def test_leaving_ends_the_visit() -> None:
    _, text = issue("maria")
    client = visit(text)
    assert client.get(LEAVE).status_code == 405
    client.post(LEAVE)
    assert is_question(reading.page(client.get(MY)))


@pytest.mark.parametrize("end", ["revoke", "delete"])
def test_a_key_that_ends_takes_its_visits_along(end: str) -> None:
    row, text = issue("maria")
    client = visit(text)
    getattr(row, end)()
    answer = client.get(MY)
    assert is_question(reading.page(answer))
    assert answer.cookies[key_holder_session.COOKIE]["max-age"] == 0


@pytest.mark.parametrize("forged", ["", "x", "WzEsIiIsIiJd:1abc:sig", '[1,"",""]'])
def test_a_forged_cookie_opens_nothing(client: Client, forged: str) -> None:
    issue("maria")
    client.cookies[key_holder_session.COOKIE] = forged
    assert is_question(reading.page(client.get(MY)))


def test_a_cookie_signed_for_another_purpose_opens_nothing(client: Client) -> None:
    from django.core import signing

    row, _ = issue("maria")
    client.cookies[key_holder_session.COOKIE] = signing.dumps(
        [row.pk, "", ""], salt="something else"
    )
    assert is_question(reading.page(client.get(MY)))
    client.cookies[key_holder_session.COOKIE] = signing.dumps(
        [row.pk, "", "guessed"], salt=key_holder_session.SALT
    )
    assert is_question(reading.page(client.get(MY)))


def test_too_many_wrong_keys_are_too_many(settings: Any) -> None:
    """Also for the right one, until the lock ends."""
    settings.LOGIN_FAILURES = 3
    _, text = issue("maria")
    client = Client()
    for _ in range(3):
        assert client.post(MY, {"key": "gwk_guess"}).status_code == 403
    answer = client.post(MY, {"key": text})
    assert (answer.status_code, answer["Retry-After"]) == (429, "900")
    assert "Try again in 15 min" in reading.page(answer).text
    assert client.get(MY).status_code == 200


def test_other_pages_cannot_post_a_key() -> None:
    _, text = issue("maria")
    assert Client(enforce_csrf_checks=True).post(MY, {"key": text}).status_code == 403


def test_nothing_of_it_is_cached() -> None:
    _, text = issue("maria")
    client = visit(text)
    for answer in (Client().get(MY), client.get(MY), client.post(MY, {"key": "x"})):
        assert "no-store" in answer["Cache-Control"]
