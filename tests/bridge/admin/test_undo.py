"""The page that says what an undo does, and what no undo ever does: bring a key back. Ours."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from bridge.configuration.snapshot import build
from bridge.keys.authentication import KeyPolicy, digest, identify
from bridge.models import ApiKey, Backend, Change, DiscoveredModel, ModelAlias
from bridge.models.changes import recorded
from bridge.translation.errors.api_error import ApiError
from tests.bridge.admin_pages import CHANGES, form, page, press, revert, said, text
from tests.bridge.history import forget
from tests.bridge.people import browser
from tests.bridge.rows import a_row, an_alias

pytestmark = pytest.mark.django_db
LONG = timedelta(hours=1)


@pytest.fixture
def client() -> Client:
    return browser("operator")


def newest() -> Change:
    return Change.objects.all()[0]


def address(change: Change) -> str:
    return reverse("admin:bridge_change_revert", args=[change.pk])


def is_good(key: str) -> bool:
    try:
        identify({"x-api-key": key}, build(1).keys, KeyPolicy(), timezone.now().timestamp())
    except ApiError:
        return False
    return True


def set_rpm(row: ApiKey, rpm: int) -> Change:
    row.rpm = rpm
    with recorded("test"):
        row.save()
    return newest()


# --- keys ---------------------------------------------------------------------------------------

End = Callable[[ApiKey], Any]
ENDS: dict[str, End] = {
    "rotated": lambda row: row.rotate(timedelta()),
    "rotated twice": lambda row: (row.rotate(LONG), row.rotate(LONG)),
    "revoked": lambda row: row.revoke(),
    "deleted": lambda row: row.delete(),
    "expired": lambda row: expire(row),
    "switched off": lambda row: switch_off(row),
}


def expire(row: ApiKey) -> None:
    row.expires_at = timezone.now() - LONG
    row.save()


def switch_off(row: ApiKey) -> None:
    row.enabled = False
    row.save()


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("which", ["of the end itself", "of an earlier field", "of all"])
def test_no_undo_makes_a_key_good_again(client: Client, end: End, which: str) -> None:
    """Ours: pages H1. Whichever entry is taken back, also one from before."""
    row, text_of_key = ApiKey.issue("team")
    earlier = set_rpm(row, 5)
    end(row)
    assert not is_good(text_of_key)
    undone = {"of the end itself": [newest()], "of an earlier field": [earlier]}
    for change in undone.get(which, list(Change.objects.exclude(before=None))):
        revert(client, change)
    assert not is_good(text_of_key)
    assert not ApiKey.objects.filter(digest=digest(text_of_key), enabled=True).exclude(
        expires_at__lt=timezone.now()
    )


def test_undo_of_a_rotation_leaves_the_new_key_good(client: Client) -> None:
    """Ours: pages H1 (b). The limit goes back, the key stays."""
    row, _ = ApiKey.issue("team")
    earlier = set_rpm(row, 5)
    fresh = row.rotate(timedelta())
    told = said(revert(client, earlier))
    assert told == [f"{earlier.label} is again as it was before, with the key that it has now."]
    row.refresh_from_db()
    assert row.rpm is None and is_good(fresh)


def test_deleted_key_comes_back_revoked_and_can_get_a_new_one(client: Client) -> None:
    row, old = ApiKey.issue("team", {"rpm": 7})
    number = row.pk
    row.delete()
    told = said(revert(client, newest()))
    assert told == ["team is back, revoked and without its key."]
    back = ApiKey.objects.get(pk=number)
    assert (back.rpm, back.enabled) == (7, False)
    fresh = back.rotate(timedelta())
    assert is_good(fresh) and not is_good(old)


def test_revoked_key_cannot_be_switched_on(client: Client) -> None:
    """Ours: what leaked stays out, whatever is ticked."""
    row, _ = ApiKey.issue("team")
    press(client, row, "revoke")
    answer = client.post(page(row), form(client, page(row)) | {"enabled": "on"})
    assert "revoked for good" in text(answer)
    row.refresh_from_db()
    assert not row.enabled


def test_rotation_is_told_in_words_and_without_a_digest(client: Client) -> None:
    """Ours: pages M6."""
    row, old = ApiKey.issue("team")
    press(client, row, "rotate", overlap="24")
    row.refresh_from_db()
    change = newest()
    until = f"{row.former_until:%Y-%m-%d %H:%M} UTC"
    assert change.summary == f"rotated, …{old[-4:]} -> …{row.last_four}, old one until {until}"
    stored = str(list(Change.objects.values()))
    assert digest(old) not in stored and row.digest not in stored
    for place in (page(row, "history"), f"{CHANGES}{change.pk}/change/", CHANGES):
        shown = text(client.get(place))
        assert digest(old) not in shown and row.digest not in shown
        assert f"…{row.last_four}, old one until {until}" in shown
    row.rotate(timedelta())
    assert newest().summary.endswith("old one ended at once")
    row.revoke()
    assert newest().summary == "revoked for good"


# --- the page -----------------------------------------------------------------------------------


def test_page_says_beforehand_what_goes_with_it(client: Client) -> None:
    """Ours: pages H1."""
    row, _ = ApiKey.issue("team")
    earlier = set_rpm(row, 5)
    set_rpm(row, 9)
    row.rotate(LONG)
    shown = text(client.get(address(earlier)))
    assert "With it go 2 later changes of the same row" in shown
    assert "rotated, " in shown and "The key itself stays what it is now" in shown
    assert '<th scope="row">rpm</th><td data-label="Now">9' in shown


@pytest.mark.parametrize("given", [{}, {"latest": "0"}, {"latest": "x"}])
def test_one_click_takes_nothing_back(client: Client, given: dict[str, str]) -> None:
    """Ours: only the page's own form does, and only while nothing else has happened."""
    row = a_row()
    row.weight = 2
    row.save()
    answer = client.post(address(newest()), given)
    assert answer.status_code == 200 and "Take it back" in text(answer)
    row.refresh_from_db()
    assert row.weight == 2


def test_change_in_between_shows_the_page_again(client: Client) -> None:
    row = a_row()
    row.weight = 2
    row.save()
    change = newest()
    latest = client.get(address(change)).context["latest"]
    row.weight = 3
    row.save()
    answer = client.post(address(change), {"latest": str(latest)})
    assert "Something has changed since" in text(answer)
    row.refresh_from_db()
    assert row.weight == 3


@pytest.mark.parametrize("then", ["https://evil.example/", "javascript:alert(1)", "//evil.example"])
def test_page_leads_to_pages_of_this_gateway_only(client: Client, then: str) -> None:
    a_row()
    assert "evil" not in (shown := text(client.get(address(newest()), {"next": then})))
    assert "javascript:" not in shown


def test_auditor_does_not_see_the_page() -> None:
    a_row()
    assert browser("auditor").get(address(newest())).status_code == 403


# --- one step, one undo -------------------------------------------------------------------------


def test_deleted_backend_and_all_that_went_with_it_come_back_in_one_step(client: Client) -> None:
    """Ours: pages M5."""
    main, spare = a_row(), a_row("spare")
    alias = an_alias("fast", (main, "big"), (spare, "small"))
    DiscoveredModel.objects.create(backend=spare, name="small", context_override=4096)
    before = alias.document()
    forget()
    client.post(page(spare, "delete"), {"post": "yes"})
    assert Change.objects.count() == 3
    change = Change.objects.filter(kind="aliases")[0]
    assert "2 other changes belong to the same step" in text(client.get(address(change)))
    told = said(revert(client, change, whole=True))
    assert told == ["3 changes of one step are taken back."]
    assert Backend.objects.filter(name="spare").exists()
    assert ModelAlias.objects.get().document() == before
    assert DiscoveredModel.objects.get().context_override == 4096


def test_message_of_an_undo_leads_to_its_own_undo(client: Client) -> None:
    """Ours: pages M5."""
    row = a_row()
    row.weight = 2
    row.save()
    answer = revert(client, newest())
    (message,) = answer.context["messages"]
    assert address(newest()) in str(message)
    revert(client, newest())
    row.refresh_from_db()
    assert row.weight == 2
