"""Sign-ins as rows: what time does to them, who ends them, and what processes read of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from bridge.accounts.clients import device_requests, sign_ins
from bridge.accounts.clients.sign_ins import Granted
from bridge.configuration import snapshot
from bridge.configuration.snapshot import Snapshot
from bridge.keys.authentication import digest
from bridge.models import ApiKey, ConfigVersion, DeviceRequest, EndedKey, KeyUse, SignIn
from bridge.sign_in import tokens
from bridge.sign_in.failures import NoTokensError
from tests.bridge.people import a_team, a_user, browser

pytestmark = pytest.mark.django_db


def signed_in(person: User, client: str = "claude-code/2") -> Granted:
    row, code = device_requests.begin(client, "192.0.2.1")
    assert device_requests.decide(row, person, is_approved=True)
    return sign_ins.begin(device_requests.approved(code))


def aged(row: SignIn, **ages: timedelta) -> None:
    row.refresh_from_db()
    SignIn.objects.filter(pk=row.pk).update(
        **{name: getattr(row, name) - age for name, age in ages.items()}
    )


def read(last: Snapshot | None = None) -> Snapshot:
    found = snapshot.read(last or Snapshot())
    assert found is not None
    return found


# --- time -----------------------------------------------------------------------------------------


def test_token_that_comes_again_after_its_leeway_ends_the_sign_in() -> None:
    """RFC 6819, 5.2.2.3: within it two processes of one client may have sent it."""
    granted = signed_in(a_user())
    sign_ins.refresh(granted.pair.refresh)
    expected = tokens.next_pair(granted.pair.refresh, settings.SECRET_KEY)
    assert sign_ins.refresh(granted.pair.refresh).pair == expected
    aged(granted.row, refreshed_at=sign_ins.LEEWAY)
    with pytest.raises(NoTokensError) as refused:
        sign_ins.refresh(granted.pair.refresh)
    assert (refused.value.code, refused.value.status) == ("invalid_grant", 401)
    granted.row.refresh_from_db()
    assert granted.row.ended_why == sign_ins.REPLAYED
    assert not ApiKey.objects.get().enabled


def test_sign_in_that_nobody_refreshes_ends() -> None:
    granted = signed_in(a_user())
    aged(granted.row, expires_at=timedelta(days=30))
    with pytest.raises(NoTokensError, match="has expired"):
        sign_ins.refresh(granted.pair.refresh)
    granted.row.refresh_from_db()
    assert granted.row.state == "expired"


def test_what_is_long_over_leaves_the_database() -> None:
    """the issue: purged after a while."""
    ann = a_user()
    old, new = signed_in(ann), signed_in(ann)
    KeyUse.objects.create(key_id=old.row.key_id, last_four="abcd", last_at=timezone.now())
    aged(old.row, expires_at=timedelta(days=38))
    DeviceRequest.objects.filter(sign_in=new.row).update(
        created_at=timezone.now() - timedelta(days=2)
    )
    assert (sign_ins.clear(10), device_requests.clear(10)) == (1, 1)
    assert [row.pk for row in SignIn.objects.all()] == [new.row.pk]
    assert [row.pk for row in ApiKey.objects.all()] == [new.row.key_id]
    assert not KeyUse.objects.exists()
    assert (sign_ins.clear(10), device_requests.clear(10)) == (0, 0)


def test_refreshes_leave_neither_ended_keys_nor_uses_behind() -> None:
    """Ours: there would be one each hour."""
    granted = signed_in(a_user())
    seen = timezone.now()
    for _ in range(4):
        key = ApiKey.objects.get()
        KeyUse.objects.create(key_id=key.pk, last_four=key.last_four, last_at=seen)
        granted = sign_ins.refresh(granted.pair.refresh)
    assert not EndedKey.objects.exists()
    assert KeyUse.objects.count() == 1
    row: Any = SignIn.objects.with_last_use().get()
    assert row.last_at == seen


# --- people ---------------------------------------------------------------------------------------


def test_deactivated_person_is_signed_out_for_good() -> None:
    ann = a_user(name="ann")
    granted = signed_in(ann)
    ann.is_active = False
    ann.save()
    ann.is_active = True
    ann.save()
    assert not SignIn.objects.active().exists()
    with pytest.raises(NoTokensError, match="was ended"):
        sign_ins.refresh(granted.pair.refresh)
    assert "was ended" in read().keys[digest(granted.pair.key)].why_not(timezone.now().timestamp())


def test_deleted_person_takes_the_sign_ins_along() -> None:
    ann = a_user(name="ann")
    granted = signed_in(ann)
    ann.delete()
    assert not (SignIn.objects.exists() or ApiKey.objects.exists())
    assert read().keys[digest(granted.pair.key)].ended == "deleted"


def test_person_deactivated_between_approval_and_tokens_gets_none() -> None:
    ann = a_user(name="ann")
    row, code = device_requests.begin("c", None)
    device_requests.decide(row, ann, is_approved=True)
    User.objects.update(is_active=False)
    with pytest.raises(NoTokensError) as refused:
        device_requests.approved(code)
    assert refused.value.code == "access_denied"


def test_oldest_of_too_many_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_ins, "MOST_OF_A_PERSON", 2)
    ann = a_user()
    first, second, third = (signed_in(ann, str(n)) for n in range(3))
    assert [row.pk for row in SignIn.objects.active()] == [third.row.pk, second.row.pk]
    first.row.refresh_from_db()
    assert first.row.ended_at is not None


def test_too_many_clients_that_wait_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_requests, "MOST_WAITING", 1)
    device_requests.begin("c", None)
    with pytest.raises(NoTokensError) as refused:
        device_requests.begin("c", None)
    assert (refused.value.status, refused.value.retry_after) == (503, 60)


# --- what processes read --------------------------------------------------------------------------


def test_session_key_counts_for_its_person_and_the_only_team() -> None:
    ann = a_user(name="ann")
    a_team("blue", ann)
    granted = signed_in(ann)
    key = read().keys[digest(granted.pair.key)]
    assert key.person is not None and key.team is not None
    assert (key.person.name, key.team.name) == ("ann", "blue")
    assert key.name.startswith("ann (sign-in ")


def test_sign_in_makes_no_process_read_the_configuration_anew(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    """Ours: keys come and go each hour; the rest of a snapshot stays the same object."""
    ann = a_user(name="ann")
    a_team("blue", ann)
    before = read()
    granted = signed_in(ann)
    assert ConfigVersion.both() == (before.version, before.sessions + 1)
    with django_assert_num_queries(5):  # the versions, people, their limits, teams, the keys
        after = read(before)
    assert after.routes is before.routes and after.prices is before.prices
    full = snapshot.build(0)
    assert (after.keys, after.people) == (full.keys, full.people)
    fresh = sign_ins.refresh(granted.pair.refresh)
    refreshed = read(after)
    assert {digest(fresh.pair.key), digest(granted.pair.key)} <= refreshed.keys.keys()
    assert refreshed.keys == snapshot.build(0).keys
    sign_ins.revoke(fresh.pair.key)
    assert read(refreshed).keys == snapshot.build(0).keys
    assert snapshot.read(read(refreshed)) is None


# --- the admin ------------------------------------------------------------------------------------


def test_operator_ends_sign_ins_and_sees_no_secret() -> None:
    ann = a_user(name="ann")
    one, other = signed_in(ann), signed_in(ann)
    client = browser("operator")
    page = client.get("/admin/bridge/signin/").content.decode()
    assert "claude-code/2" in page and "192.0.2.1" in page
    row = SignIn.objects.get(pk=one.row.pk)
    for secret in (row.refresh_digest, row.family_digest, row.key.digest, one.pair.key):
        assert secret not in page
    chosen = {"action": "end", "_selected_action": [one.row.pk]}
    client.post("/admin/bridge/signin/", chosen)
    assert [row.pk for row in SignIn.objects.active()] == [other.row.pk]
    client.post("/admin/bridge/signin/", chosen | {"action": "end_all_of_person"})
    assert not SignIn.objects.active().exists()
    assert not ApiKey.objects.filter(enabled=True).exists()
    assert client.get(f"/admin/bridge/signin/{one.row.pk}/change/").status_code == 404


def test_auditor_looks_and_ends_nothing() -> None:
    granted = signed_in(a_user(name="ann"))
    client = browser("auditor")
    assert client.get("/admin/bridge/signin/").status_code == 200
    chosen = {"action": "end", "_selected_action": [granted.row.pk]}
    client.post("/admin/bridge/signin/", chosen)
    assert SignIn.objects.active().count() == 1
