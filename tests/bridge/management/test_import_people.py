"""People from CSV: users without a password, their teams, and errors by line."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from bridge.models import Change, Team, TeamMember
from tests.bridge.people import a_team, a_user

pytestmark = pytest.mark.django_db


def put(path: Path, text: str | bytes, **options: bool) -> str:
    file, out = path / "people.csv", io.StringIO()
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    call_command("import_people", str(file), stdout=out, **options)
    return out.getvalue()


def members() -> dict[str, list[str]]:
    return {
        team.name: [user.username for user in team.people.order_by("username")]
        for team in Team.objects.all()
    }


FILE = """\
username,email,team
ann,ann@example.com,blue
ann,ann@example.com,red
zoe,,blue
old,other@example.com,red
"""


def test_file_makes_users_and_memberships(tmp_path: Path) -> None:
    a_team("blue"), a_team("red"), a_user(name="old", email="old@example.com")
    assert put(tmp_path, FILE) == "2 users made, 4 memberships added\n"
    assert members() == {"blue": ["ann", "zoe"], "red": ["ann", "old"]}
    ann = User.objects.get(username="ann")
    assert (ann.email, ann.has_usable_password(), ann.is_staff) == ("ann@example.com", False, False)
    assert User.objects.get(username="old").email == "old@example.com", "stays as it is"
    assert Change.objects.filter(kind="teams", actor="command import_people").count() == 2
    assert put(tmp_path, FILE) == "0 users made, 0 memberships added\n"


def test_spreadsheets_write_other_files(tmp_path: Path) -> None:
    """A mark at the start, semicolons, lines of Windows, columns in another order."""
    a_team("blue")
    put(tmp_path, "Team;Username;Email\r\nblue;ann;ann@example.com\r\n".encode("utf-8-sig"))
    assert members() == {"blue": ["ann"]}
    put(tmp_path, "username\nzoe\n")
    assert User.objects.filter(username="zoe").exists()


def test_dry_run_changes_nothing(tmp_path: Path) -> None:
    a_team("blue"), a_team("red")
    told = put(tmp_path, FILE, dry_run=True)
    assert told == "3 users would be made, 4 memberships would be added\n"
    assert not User.objects.filter(username="ann").exists()
    assert not TeamMember.objects.exists() and not Change.objects.filter(
        actor="command import_people"
    )


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("", "line 1: expected the columns username, email, team; email and team may be left out"),
        ("name,team\nann,blue", "line 1: no such column: name; expected username, email, team"),
        ("username,username\na,b", "line 1: a column stands there twice"),
        ("username\nann,x", "line 2: more cells than columns"),
        ('username\n"ann', "line 2: no CSV: unexpected end of data"),
        ("username,team\nann,green", "line 2: team: no team is called green"),
        ("username,email\nann,nonsense", "line 2: email: Enter a valid email address."),
        ("username,email\n,a@b.c", "line 2: username: it is empty"),
        ("username,team\nann,blue\nann,blue", "line 3: the same as a line above"),
        (
            "username,email,team\nann,a@example.com,blue\nann,b@example.com,",
            "line 3: email: another one than in line 2",
        ),
        ("username\n" + "x" * 151, "line 2: username: Ensure this value has at most 150 char"),
        ("username\na b!", "line 2: username: Enter a valid username."),
        ("username\nann\n\xff".encode("latin-1"), "is not UTF-8"),
    ],
)
def test_file_with_a_fault_changes_nothing(
    tmp_path: Path, text: str | bytes, problems: str
) -> None:
    a_team("blue")
    with pytest.raises(CommandError) as refused:
        put(tmp_path, text)
    assert problems in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not TeamMember.objects.exists() and not User.objects.filter(username="ann").exists()


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    lines = "\n".join(f"u{n},t{n}" for n in range(80))
    with pytest.raises(CommandError) as refused:
        put(tmp_path, f"username,team\n{lines}")
    told = str(refused.value).splitlines()
    assert told[0] == "line 2: team: no team is called t0"
    assert (len(told), told[-1]) == (51, "and 30 more")


def test_file_that_is_not_there_is_named() -> None:
    with pytest.raises(CommandError, match="/nowhere: No such file"):
        call_command("import_people", "/nowhere")
