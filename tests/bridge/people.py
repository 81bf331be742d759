"""Users of each role, and browsers in which they are logged in."""

from __future__ import annotations

from django.contrib.auth.models import Group, User
from django.test import Client

from bridge.accounts import roles

PASSWORD = "correct horse battery"


def a_user(role: str = "", name: str = "", **fields: object) -> User:
    """A user of a role ("" for none), saved. Without a password, which is slow to store."""
    is_admin = role == roles.ADMIN
    given = {"is_staff": bool(role), "is_superuser": is_admin} | fields
    user = User.objects.create(username=name or role or "nobody", **given)
    user.groups.set(Group.objects.filter(name=role))
    return user


def browser(role: str, name: str = "") -> Client:
    """A browser in which a new user of this role is logged in; of nobody for "anonymous"."""
    client = Client()
    if role != "anonymous":
        client.force_login(a_user(role, name))
    return client
