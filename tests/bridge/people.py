"""Users of each role, teams, and browsers in which they are logged in."""

from __future__ import annotations

from django.contrib.auth.models import Group, User
from django.test import Client

from bridge.accounts import roles
from bridge.models import Team, TeamMember

PASSWORD = "correct horse battery"


def a_user(role: str = "", name: str = "", **fields: object) -> User:
    """A user of a role ("" for none), saved. Without a password, which is slow to store, and
    without an entry in the history."""
    is_admin = role == roles.ADMIN
    given = {"is_staff": bool(role), "is_superuser": is_admin} | fields
    (user,) = User.objects.bulk_create([User(username=name or role or "nobody", **given)])
    links = [User.groups.through(user=user, group=row) for row in Group.objects.filter(name=role)]
    User.groups.through.objects.bulk_create(links)
    return user


def a_team(name: str = "blue", *people: User, **fields: object) -> Team:
    """A team with these members, saved."""
    team: Team = Team.objects.create(name=name, **fields)
    for user in people:
        TeamMember.objects.create(team=team, user=user)
    return team


def browser(role: str, name: str = "") -> Client:
    """A browser in which a new user of this role is logged in; of nobody for "anonymous"."""
    client = Client()
    if role != "anonymous":
        client.force_login(a_user(role, name))
    return client
