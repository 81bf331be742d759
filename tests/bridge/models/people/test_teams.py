"""Teams, members and limits of people as rows: documents, history, undo, what ends with whom."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db.models import ProtectedError

from bridge.configuration import undo
from bridge.models import ApiKey, Change, ConfigVersion, EndedKey, PersonLimits, Team, TeamMember
from bridge.models.people.keys import KeyKind
from tests.bridge.config import problems, put
from tests.bridge.history import entries, forget, only
from tests.bridge.people import a_team, a_user

pytestmark = pytest.mark.django_db


# --- documents --------------------------------------------------------------------------------


def test_document_of_a_team_names_its_members_and_what_they_may_use() -> None:
    team = a_team("blue", a_user(name="zoe"), a_user(name="ann"), rpm=5, budget_day=Decimal("2.5"))
    assert team.document() == {
        "name": "blue",
        "rpm": 5,
        "budget_day": 2.5,
        "members": ["ann", "zoe"],
    }


def test_file_makes_teams_and_limits_of_people() -> None:
    a_user(name="ann"), a_user(name="zoe")
    text = """\
teams:
  - {name: blue, budget_month: 100, allowed: 'claude-*', members: [ann, zoe],
     client_settings: {model: glm}}
person_limits:
  - {person: ann, concurrent: 2}
"""
    put(text)
    team = Team.objects.get()
    assert (team.budget_month, team.client_settings) == (Decimal(100), {"model": "glm"})
    assert [str(row) for row in TeamMember.objects.all()] == ["ann in blue", "zoe in blue"]
    assert PersonLimits.objects.get(user__username="ann").concurrent == 2
    assert put(text) == []


def test_file_takes_members_away() -> None:
    a_team("blue", a_user(name="ann"), a_user(name="zoe"))
    put("teams: [{name: blue, members: [zoe]}]")
    assert [row.user.username for row in TeamMember.objects.all()] == ["zoe"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("teams: [{name: t, members: [nobody]}]", "teams[0].members[0]: no user is called nobody"),
        ("teams: [{name: t, members: ann}]", "teams[0].members: Expected a list of usernames."),
        ("teams: [{name: t, members: [[x]]}]", "teams[0].members: Expected a list of usernames."),
        ("teams: [{name: t, colour: red}]", "teams[0].colour: no such member"),
        ("teams: [{name: t, rpm: 0}]", "teams[0].rpm: Ensure this value is greater than or"),
        ("teams: [{name: t, allowed: '[a'}]", "teams[0].allowed: [a is no glob"),
        ("teams: [{name: t, client_settings: []}]", "teams[0].client_settings: Expected a JSON"),
        (
            "teams: [{name: t, client_settings: {modle: x}}]",
            "teams[0].client_settings: modle: unknown key; do you mean model?",
        ),
        ("teams: [{name: t, unpriced: maybe}]", "teams[0].unpriced: Value 'maybe' is not a valid"),
        ("person_limits: [{rpm: 3}]", "person_limits[0].person: expected a text"),
        ("person_limits: [{person: x}]", "person_limits[0].person: no user is called x"),
    ],
)
def test_file_with_a_fault_names_the_place(text: str, problem: str) -> None:
    assert [found[: len(problem)] for found in problems(text)] == [problem]
    assert not Team.objects.exists() and not PersonLimits.objects.exists()


def test_team_with_keys_is_not_pruned() -> None:
    """A key must not get free of its limits because its team is gone."""
    ApiKey.issue("k", {"team": a_team()})
    found = problems("teams: []", prune=True)
    assert found[0].startswith("teams: blue: Keys belong to this team.")


# --- history ----------------------------------------------------------------------------------


def test_member_that_comes_is_a_change_of_the_team() -> None:
    ann, team = a_user(name="ann"), a_team()
    forget()
    TeamMember.objects.create(team=team, user=ann)
    assert only().differences() == [("members", None, ["ann"])]
    assert only().shown() == [("members", "-", "ann")]
    undo.revert(only())
    assert not TeamMember.objects.exists()


def test_deleted_team_comes_back_with_its_members() -> None:
    team = a_team("blue", a_user(name="ann"), rpm=7)
    forget()
    team.delete()
    undo.revert(only())
    again = Team.objects.get()
    assert (again.rpm, [user.username for user in again.people.all()]) == (7, ["ann"])


def test_undo_of_a_team_that_has_keys_is_refused() -> None:
    team = a_team()
    ApiKey.issue("k", {"team": team})
    with pytest.raises(ValidationError, match="Keys belong to this team"):
        undo.revert(Change.objects.get(kind="teams"))
    with pytest.raises(ProtectedError):
        team.delete()


def test_document_of_a_key_names_its_person_and_its_team() -> None:
    team, ann = a_team(), a_user(name="ann")
    forget()
    ApiKey.issue("k", {"team": team, "person": ann})
    ((_, _, _, after),) = entries()
    assert after is not None
    assert (after["person"], after["team"]) == ("ann", "blue")
    undo.revert(only())
    assert not ApiKey.objects.exists()


def test_session_is_no_part_of_the_history() -> None:
    forget()
    before = ConfigVersion.current()
    ApiKey.issue("sign-in of ann", {"kind": KeyKind.SESSION, "person": a_user(name="ann")})
    ApiKey.objects.get().revoke()
    ApiKey.objects.all().delete()
    assert entries() == []
    assert ConfigVersion.current() > before, "processes learn of it"


# --- which team a key counts for ----------------------------------------------------------------


def test_key_of_a_person_in_one_team_counts_for_it() -> None:
    ann = a_user(name="ann")
    blue, red = a_team("blue", ann), a_team("red")
    key, _ = ApiKey.issue("k", {"person": ann})
    assert key.counted_team() == blue
    key.team = red
    assert key.counted_team() == red
    key.team = None
    TeamMember.objects.create(team=red, user=ann)
    assert key.counted_team() is None


# --- people who leave ---------------------------------------------------------------------------


def test_keys_of_a_deleted_person_are_revoked_and_sessions_gone() -> None:
    ann = a_user(name="ann")
    a_team("blue", ann)
    key, _ = ApiKey.issue("k", {"person": ann})
    session, _ = ApiKey.issue("s", {"person": ann, "kind": KeyKind.SESSION})
    PersonLimits.objects.create(user=ann, rpm=1)
    ann.delete()
    key.refresh_from_db()
    assert (key.person, key.enabled) == (None, False) and key.revoked_at is not None
    assert EndedKey.objects.get().digest == session.digest
    assert Team.objects.get().document() == {"name": "blue"}
    assert Change.objects.filter(kind="person_limits", after__isnull=True).count() == 1


@pytest.mark.parametrize(("columns", "is_news"), [(["last_login"], False), (["is_active"], True)])
def test_processes_learn_of_what_changes_a_person(columns: list[str], is_news: bool) -> None:
    ann = a_user(name="ann")
    before = ConfigVersion.current()
    ann.save(update_fields=columns)
    assert (ConfigVersion.current() > before) == is_news
