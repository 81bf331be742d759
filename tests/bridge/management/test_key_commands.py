"""Commands about keys: list, revoke, rotate, and issue for a person or a team."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from bridge.keys.authentication import digest
from bridge.models import ApiKey, Change, Team
from bridge.models.people.keys import KeyKind
from tests.bridge.people import a_team, a_user

pytestmark = pytest.mark.django_db


def run(name: str, *arguments: str, **options: Any) -> str:
    out = io.StringIO()
    call_command(name, *arguments, stdout=out, **options)
    return out.getvalue()


def listed(**options: Any) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(run("list_keys", format="json", **options))
    return found


def test_list_tells_whose_keys_are_and_whether_they_are_good() -> None:
    ann, zoe = a_user(name="ann"), a_user(name="zoe", is_active=False)
    blue = a_team("blue", ann)
    over = timezone.now() - timedelta(days=1)
    ApiKey.issue("a", {"person": ann, "owner": "floor 3"})
    ApiKey.issue("b", {"team": blue})
    ApiKey.issue("c", {"person": zoe})
    ApiKey.objects.filter(pk=ApiKey.issue("d")[0].pk).update(expires_at=over)
    ApiKey.issue("e")[0].revoke()
    ApiKey.issue("s", {"kind": KeyKind.SESSION})
    states = {line["name"]: line["state"] for line in listed()}
    assert states == {"a": "good", "b": "good", "c": "refused", "d": "expired", "e": "revoked"}
    first = listed()[0]
    assert (first["person"], first["team"], first["owner"]) == ("ann", "", "floor 3")
    assert [line["name"] for line in listed(team="blue")] == ["b"]
    assert [line["name"] for line in listed(person="zoe")] == ["c"]
    Team.objects.update(enabled=False)
    assert [line["state"] for line in listed(person="ann")] == ["refused"], "of her only team"


def test_list_is_a_table_or_csv() -> None:
    assert run("list_keys") == "No key.\n"
    ApiKey.issue("=cmd()")
    first, second = run("list_keys").splitlines()
    assert first.split()[:3] == ["name", "key", "state"] and second.startswith("=cmd()  …")
    (line,) = csv.DictReader(io.StringIO(run("list_keys", format="csv")))
    assert line["name"] == "'=cmd()"


def test_revoked_keys_are_revoked_for_good() -> None:
    for name in ("a", "b"):
        ApiKey.issue(name)
    assert run("revoke_key", "a", "b") == "a is revoked\nb is revoked\n"
    at = ApiKey.objects.get(name="a").revoked_at
    run("revoke_key", "a")
    assert ApiKey.objects.get(name="a").revoked_at == at
    assert Change.objects.filter(actor="command revoke_key").count() == 2


def test_rotated_key_is_printed_and_the_old_one_lasts_a_while() -> None:
    row, old = ApiKey.issue("a")
    text = run("rotate_key", "a").strip()
    row.refresh_from_db()
    assert (row.digest, row.former_digest) == (digest(text), digest(old))
    again = run("rotate_key", "a", overlap=0).strip()
    row.refresh_from_db()
    assert (row.digest, row.former_digest) == (digest(again), "")


def test_key_is_issued_for_a_person_and_a_team() -> None:
    a_user(name="ann"), a_team("blue")
    run("issue_key", "k", person="ann", team="blue", owner="floor 3", expires="2099-01-31")
    row = ApiKey.objects.get()
    assert (row.person_name, row.team_name, row.owner) == ("ann", "blue", "floor 3")


@pytest.mark.parametrize(
    ("name", "arguments", "options", "words"),
    [
        ("revoke_key", ["x", "a", "y"], {}, "no key is called x, y"),
        ("rotate_key", ["s"], {}, "no key is called s"),
        ("rotate_key", ["a"], {"overlap": -1}, "--overlap: expected hours from 0 to 2160"),
        ("issue_key", ["n"], {"team": "red"}, "--team: no team is called red"),
        ("issue_key", ["n"], {"person": "bob"}, "--person: no user is called bob"),
        ("list_keys", [], {"team": "red"}, "--team: no team is called red"),
    ],
)
def test_name_that_nobody_has_is_an_error(
    name: str, arguments: list[str], options: dict[str, Any], words: str
) -> None:
    ApiKey.issue("a"), ApiKey.issue("s", {"kind": KeyKind.SESSION})
    with pytest.raises(CommandError, match=words):
        run(name, *arguments, **options)
    assert all(row.enabled and not row.former_digest for row in ApiKey.objects.all())


def test_models_of_a_key_are_parted_by_spaces_or_commas() -> None:
    """Nobody would see that a name with a comma in it fits nothing."""
    call_command("issue_key", "k", "--models", "claude-*,qwen*", "glm-4.6,", stdout=io.StringIO())
    assert ApiKey.objects.get().patterns == ("claude-*", "qwen*", "glm-4.6")
