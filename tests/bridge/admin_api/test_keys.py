"""Keys through the API: issued, rotated and revoked; shown once, and never a sign-in's."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from bridge.keys.authentication import digest
from bridge.models import ApiKey, Change, EndedKey, KeyUse
from bridge.models.people.keys import KeyKind
from tests.bridge.people import a_team, a_user
from tests.bridge.scripts import Script, a_script, message

pytestmark = pytest.mark.django_db


@pytest.fixture
def script() -> Script:
    return a_script()


def test_key_is_shown_once(script: Script) -> None:
    ann = a_user(name="ann")
    a_team("blue", ann)
    wanted = {
        "name": "k",
        "person": "ann",
        "team": "blue",
        "budget_usd": 2.5,
        "period": "day",
        "expires_at": "2099-01-31T12:00:00+02:00",
    }
    answer = script.post("/keys", wanted)
    assert answer.status_code == 201 and answer["cache-control"] == "no-store"
    made = answer.json()
    row = ApiKey.objects.get()
    assert row.digest == digest(made["key"]) and made["last_four"] == made["key"][-4:]
    assert (row.person, made["state"], made["budget_usd"]) == (ann, "good", 2.5)
    assert made["expires_at"] == "2099-01-31T10:00:00Z"
    for other in (script.get("/keys"), script.get("/keys/k"), script.get("/changes")):
        assert made["key"] not in other.content.decode() and row.digest not in str(other.json())
    change = Change.objects.filter(kind="keys").get()
    assert (change.actor, change.label, change.verb) == ("token ci", "k", "added")


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        ({}, 400, "name: is missing"),
        ({"name": ""}, 400, "name: "),
        ({"name": "taken"}, 409, "name: another one"),
        ({"name": "s"}, 409, "name: another one"),
        ({"name": "k", "person": "zoe"}, 400, "person: no user is called zoe"),
        ({"name": "k", "team": "zoe"}, 400, "team: no team is called zoe"),
        ({"name": "k", "expires_at": "2001-01-01T00:00:00Z"}, 400, "expires_at: This moment"),
        ({"name": "k", "expires_at": "2099-01-01T00:00:00"}, 400, "expires_at: "),
        ({"name": "k", "expires_at": "2099-01-01"}, 400, "expires_at: "),
        ({"name": "k", "expires_at": "9999-12-31T23:00:00-05:00"}, 400, "expires_at: "),
        ({"name": "k", "expires_at": "0001-01-01T00:00:00+05:00"}, 400, "expires_at: "),
        ({"name": "k", "addresses": "nowhere"}, 400, "addresses: "),
        ({"name": "k", "sample_percent": 101}, 400, "sample_percent: "),
        ({"name": "k", "period": "year"}, 400, "period: "),
        ({"name": "k", "last_four": "abcd"}, 400, "last_four: no such member"),
        ({"name": "k", "kind": "session"}, 400, "kind: no such member"),
        ({"name": "k", "digest": "x"}, 400, "digest: no such member"),
    ],
)
def test_key_that_makes_no_sense_is_refused(
    script: Script, body: Any, status: int, expected: str
) -> None:
    ApiKey.issue("taken")
    ApiKey.issue("s", {"kind": KeyKind.SESSION})
    assert message(script.post("/keys", body), status).startswith(expected)
    assert ApiKey.objects.count() == 2


def test_put_makes_no_key(script: Script) -> None:
    """It would have to show one, and twice another."""
    assert message(script.put("/keys/k", {}), 404) == "keys: nothing is called k"
    text = script.post("/keys", {"name": "k", "rpm": 5}).json()["key"]
    answer = script.put("/keys/k", {"tpm": 7})
    assert (answer.status_code, answer.json()["rpm"], answer.json()["tpm"]) == (200, None, 7)
    assert ApiKey.objects.get().digest == digest(text), "the key itself is the same"
    assert script.patch("/keys/k", {"enabled": False}).json()["state"] == "switched off"
    assert script.patch("/keys/k", {"name": "k2"}).json()["name"] == "k2"


def test_rotated_key_goes_on_for_a_while(script: Script) -> None:
    old = script.post("/keys", {"name": "k"}).json()["key"]
    answer = script.post("/keys/k/rotate", {"overlap_hours": 2}).json()
    row = ApiKey.objects.get()
    assert (row.digest, row.former_digest) == (digest(answer["key"]), digest(old))
    assert row.former_until is not None
    left = row.former_until - timezone.now()
    assert timedelta(hours=1) < left <= timedelta(hours=2)
    assert answer["former_four"] == old[-4:]
    script.post("/keys/k/rotate", {"overlap_hours": 0})
    assert ApiKey.objects.get().former_digest == ""
    for body, expected in (
        ({"overlap_hours": -1}, "overlap_hours: "),
        ({"overlap_hours": 10**6}, "overlap_hours: "),
        ({"hours": 1}, "hours: no such member"),
    ):
        assert message(script.post("/keys/k/rotate", body)).startswith(expected)
    assert message(script.post("/keys/none/rotate", {}), 404).startswith("keys: nothing")


def test_revoked_key_stays_revoked_until_it_is_rotated(script: Script) -> None:
    text = script.post("/keys", {"name": "k"}).json()["key"]
    tag = script.get("/keys/k")["etag"]
    assert message(script.post("/keys/k/revoke", if_match='"old"'), 412).startswith("If-Match")
    answer = script.post("/keys/k/revoke", if_match=tag)
    assert (answer.status_code, answer.json()["state"]) == (200, "revoked")
    assert script.post("/keys/k/revoke").json()["state"] == "revoked", "twice is once"
    for again in (
        script.patch("/keys/k", {"enabled": True}),
        script.put("/keys/k", {"enabled": True}),
    ):
        assert message(again).startswith("enabled: This key is revoked for good")
    assert script.put("/keys/k", {"rpm": 3}).json()["state"] == "revoked"
    assert script.post("/keys/k/rotate", {}).json()["state"] == "good"
    assert EndedKey.objects.get(digest=digest(text)).why == "revoked"
    assert script.delete("/keys/k").status_code == 204
    assert Change.objects.filter(kind="keys", actor="token ci").count() == 5


def test_key_of_a_sign_in_can_only_be_revoked(script: Script) -> None:
    ApiKey.issue("s", {"kind": KeyKind.SESSION})
    assert script.get("/keys").json()["data"] == []
    (listed,) = script.get("/keys?kind=session").json()["data"]
    assert (listed["name"], listed["kind"]) == ("s", "session")
    for answer in (
        script.put("/keys/s", {}),
        script.patch("/keys/s", {"rpm": 1}),
        script.post("/keys/s/rotate", {}),
        script.delete("/keys/s"),
    ):
        assert "sign-in" in message(answer, 409)
    assert script.post("/keys/s/revoke").json()["state"] == "revoked"


def test_keys_are_listed_by_person_and_team_with_their_last_use(script: Script) -> None:
    ann, blue = a_user(name="ann"), a_team("blue")
    first, _ = ApiKey.issue("a", {"person": ann})
    ApiKey.issue("b", {"team": blue})
    used = timezone.now().replace(microsecond=0)
    KeyUse.objects.create(key_id=first.pk, last_four=first.last_four, last_at=used)
    (by_person,) = script.get("/keys?person=ann").json()["data"]
    assert by_person["last_used_at"] == used.isoformat().replace("+00:00", "Z")
    (by_team,) = script.get("/keys?team=blue").json()["data"]
    assert (by_team["name"], by_team["last_used_at"]) == ("b", None)
    assert message(script.get("/keys?kind=all")).startswith("kind: ")
