"""The pages of keys: the choices of a rotation, the last use of each key, and finding one. Ours."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from bridge.keys.authentication import digest
from bridge.ledger.record import Record
from bridge.ledger.writer import enter
from bridge.models import ApiKey, KeyUse
from tests.bridge.admin_pages import of, page, press, said, text, wrong
from tests.bridge.people import browser

pytestmark = pytest.mark.django_db
FIND = "/admin/bridge/apikey/find/"


@pytest.fixture
def client() -> Client:
    return browser("operator")


def use(row: ApiKey, four: str, status: int = 200) -> None:
    """One request with that key of the row, in the ledger."""
    record = Record(f"req_{four}{status}", key=row.name, key_id=row.pk, key_four=four)
    record.status = status
    enter([record])


def shown_keys(client: Client, row: ApiKey) -> dict[str, tuple[str, bool]]:
    """Last four -> (state, whether it was ever used), as the row's page shows it."""
    keys = client.get(page(row)).context["panel"]["keys"]
    return {key.four: (key.state, key.used_at is not None) for key in keys}


def test_page_tells_the_last_use_of_the_old_and_the_new_key(client: Client) -> None:
    """Ours: pages M9, operators: use of the old key during a rotation, and after it."""
    row, old = ApiKey.issue("team")
    fresh = row.rotate(timedelta(hours=1))
    use(row, old[-4:])
    until = f"{row.former_until:%Y-%m-%d %H:%M} UTC"
    assert shown_keys(client, row) == {
        fresh[-4:]: ("the present key", False),
        old[-4:]: (f"the one before, good until {until}", True),
    }
    row.rotate(timedelta())
    use(row, old[-4:], 401)
    assert shown_keys(client, row)[old[-4:]][1]
    assert "replaced by a new key" in shown_keys(client, row)[old[-4:]][0]
    assert KeyUse.objects.count() == 1


def test_last_use_is_the_latest_one_in_whatever_order_records_come(client: Client) -> None:
    row, key = ApiKey.issue("team")
    now = timezone.now().timestamp()
    for number, age in enumerate((50, 10, 90)):
        enter([Record(f"r{number}", key_id=row.pk, key_four=key[-4:], started_at=now - age)])
    assert KeyUse.objects.get().last_at.timestamp() == pytest.approx(now - 10)
    listed = client.get(of("apikey", "changelist")).context["cl"].result_list[0]
    assert listed.used_at == KeyUse.objects.get().last_at


def test_leak_is_one_click_that_ends_the_old_key_now(client: Client) -> None:
    """Ours: pages M9. The other choices say how long the old key stays good."""
    row, old = ApiKey.issue("team")
    shown = text(client.get(page(row)))
    assert "Leaked: new key, old one ends now" in shown
    assert '<input type="hidden" name="overlap" value="0">' in shown
    press(client, row, "rotate", overlap="0")
    row.refresh_from_db()
    assert (row.former_digest, row.digest) != ("", digest(old)) and row.former_until is None


def test_revoked_key_is_offered_a_new_one_and_nothing_else(client: Client) -> None:
    row, old = ApiKey.issue("team")
    press(client, row, "revoke")
    shown = text(client.get(page(row)))
    assert "Issue a new key" in shown and "stays good for" not in shown
    press(client, row, "rotate", overlap="24")
    row.refresh_from_db()
    assert row.enabled and row.former_digest == "" and row.digest != digest(old)


@pytest.mark.parametrize("overlap", ["", "2", "-1", "x", "999999"])
def test_other_overlaps_are_refused(client: Client, overlap: str) -> None:
    row, _ = ApiKey.issue("team")
    before = row.digest
    assert press(client, row, "rotate", overlap=overlap).status_code == 403
    row.refresh_from_db()
    assert row.digest == before


# --- finding a key by itself --------------------------------------------------------------------


def found(answer: Any) -> tuple[str, list[str]]:
    """Where a search ended, and what it answered."""
    return answer.redirect_chain[-1][0], said(answer)


@pytest.mark.parametrize("way", ["form", "search box"])
def test_pasted_key_leads_to_its_row_and_stands_nowhere(
    client: Client, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Ours: operators, leaked key searched in the admin."""
    caplog.set_level(logging.DEBUG)
    row, key = ApiKey.issue("team")
    pasted = f" {key}\n"
    if way == "form":
        answer = client.post(FIND, {"key": pasted}, follow=True)
    else:
        answer = client.get(of("apikey", "changelist"), {"q": pasted}, follow=True)
    assert found(answer) == (page(row), [])
    assert key not in text(answer) and key not in caplog.text
    assert all(key not in address for address, _ in answer.redirect_chain)


def test_old_key_leads_to_its_row_and_says_what_became_of_it(client: Client) -> None:
    row, first = ApiKey.issue("team")
    row.rotate(timedelta(hours=1))
    (told,) = found(client.post(FIND, {"key": first}, follow=True))[1]
    assert told == "This is the key that team had before its rotation."
    row.rotate(timedelta(hours=1))
    address, (told,) = found(client.post(FIND, {"key": first}, follow=True))
    assert address == page(row)
    assert told.startswith(f"The key …{first[-4:]} of team is not good any more: replaced by")


def test_key_of_a_deleted_row_is_known_by_name(client: Client) -> None:
    row, key = ApiKey.issue("team")
    row.delete()
    address, (told,) = found(client.post(FIND, {"key": key}, follow=True))
    assert address == of("apikey", "changelist") and "of team" in told and "deleted" in told


@pytest.mark.parametrize("key", ["gwk_never", "sk-other", "", "x" * 10_000])
def test_unknown_key_says_so(client: Client, key: str) -> None:
    ApiKey.issue("team")
    address, (told,) = found(client.post(FIND, {"key": key}, follow=True))
    assert address == of("apikey", "changelist") and "never issued that key" in told


def test_only_who_sees_keys_may_look_for_one() -> None:
    _, key = ApiKey.issue("team")
    assert browser("auditor").post(FIND, {"key": key}).status_code == 403
    assert browser("anonymous").post(FIND, {"key": key}).status_code == 302


def test_addresses_are_checked_in_the_form(client: Client) -> None:
    given = {"name": "x", "enabled": "on", "period": "month", "sample_percent": 0}
    bad = client.post(of("apikey", "add"), given | {"addresses": "10.0.0.0/40"})
    assert wrong(bad) == ["addresses"]
    client.post(of("apikey", "add"), given | {"addresses": "10.0.0.0/8\n192.0.2.7"})
    assert [str(network) for network in ApiKey.objects.get().networks] == [
        "10.0.0.0/8",
        "192.0.2.7/32",
    ]
