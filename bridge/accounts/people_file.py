"""People from CSV: users with their teams, and what is wrong with a file, line by line.

username,email,team
ann,ann@example.com,blue
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError

from bridge.models import Team, TeamMember

COLUMNS = ("username", "email", "team")
MOST_PROBLEMS = 50


class PeopleFileError(ValueError):
    """What is wrong with a file, one sentence each, with the line."""

    def __init__(self, problems: Sequence[str]) -> None:
        more = len(problems) - MOST_PROBLEMS
        shown = [*problems[:MOST_PROBLEMS], *([f"and {more} more"] if more > 0 else [])]
        super().__init__("\n".join(shown))
        self.problems = shown


@dataclass(frozen=True, slots=True)
class PeopleLine:
    """One line of the file. `email` and `team` may be empty."""

    number: int
    username: str
    email: str
    team: str


@dataclass(frozen=True, slots=True)
class PeopleMade:
    """How many rows were made."""

    users: int
    memberships: int


def read(text: str) -> list[PeopleLine]:
    """The lines of a file. Raises PeopleFileError: no such columns, no CSV."""
    first = text.partition("\n")[0]
    rows = csv.DictReader(
        io.StringIO(text, newline=""), delimiter=";" if ";" in first else ",", strict=True
    )
    try:
        found = [name.strip().lower() for name in rows.fieldnames or ()]
        if problem := _columns_problem(found):
            raise PeopleFileError([problem])
        rows.fieldnames = found
        return [_line(rows.line_num, row) for row in rows]
    except csv.Error as error:
        raise PeopleFileError([f"line {rows.reader.line_num}: no CSV: {error}"]) from None


def _columns_problem(found: Sequence[str]) -> str:
    if unknown := [name for name in found if name not in COLUMNS]:
        return f"line 1: no such column: {', '.join(unknown)[:200]}; expected {', '.join(COLUMNS)}"
    if "username" not in found:
        return f"line 1: expected the columns {', '.join(COLUMNS)}; email and team may be left out"
    if len(set(found)) < len(found):
        return "line 1: a column stands there twice"
    return ""


def _line(number: int, row: Mapping[str | None, str | list[str] | None]) -> PeopleLine:
    if None in row:
        raise PeopleFileError([f"line {number}: more cells than columns"])
    cells = {name: str(row.get(name) or "").strip() for name in COLUMNS}
    return PeopleLine(number, **cells)


def apply(lines: Iterable[PeopleLine]) -> PeopleMade:
    """Make the users and memberships that are not there. Raises PeopleFileError; within a
    transaction nothing is left of a file with problems."""
    known = list(lines)
    users = {user.username: user for user in User.objects.filter(username__in=_names(known))}
    teams = {team.name: team for team in Team.objects.all()}
    problems = list(_problems(known, users, teams))
    if problems:
        raise PeopleFileError(problems)
    made, memberships = 0, 0
    for line in known:
        user = users.get(line.username)
        if user is None:
            user = User.objects.create_user(line.username, line.email)
            users[line.username], made = user, made + 1
        if line.team and not TeamMember.objects.filter(user=user, team=teams[line.team]).exists():
            TeamMember(user=user, team=teams[line.team]).save()
            memberships += 1
    return PeopleMade(made, memberships)


def _names(lines: Iterable[PeopleLine]) -> list[str]:
    return [line.username for line in lines]


def _problems(
    lines: Sequence[PeopleLine], users: Mapping[str, User], teams: Mapping[str, Team]
) -> Iterator[str]:
    first: dict[str, PeopleLine] = {}
    seen: set[tuple[str, str]] = set()
    for line in lines:
        place = f"line {line.number}"
        if not line.username:
            yield f"{place}: username: it is empty"
            continue
        if line.team and line.team not in teams:
            yield f"{place}: team: no team is called {line.team[:100]}"
        if (line.username, line.team) in seen:
            yield f"{place}: the same as a line above"
        seen.add((line.username, line.team))
        known = first.setdefault(line.username, line)
        if known.email != line.email:
            yield f"{place}: email: another one than in line {known.number}"
        if known is line and line.username not in users:
            yield from (f"{place}: {problem}" for problem in _user_problems(line))


def _user_problems(line: PeopleLine) -> Iterator[str]:
    user = User(username=line.username, email=line.email)
    try:
        user.clean_fields(exclude={"password"})
    except ValidationError as error:
        for column, texts in error.message_dict.items():
            yield f"{column}: {' '.join(texts)}"
