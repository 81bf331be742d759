"""Fixtures: visitors of each role, and a clock that stands still for the pages."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from bridge.accounts import roles
from dashboard.pages import page
from tests.dashboard.making import NOW, make_backends


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the pages it is NOW."""
    monkeypatch.setattr(page, "timezone", SimpleNamespace(now=lambda: NOW))


def visitor(group: str) -> Client:
    user = User.objects.create_user(f"the-{group or 'guest'}", password="secret")
    if group == roles.ADMIN:
        User.objects.filter(pk=user.pk).update(is_superuser=True, is_staff=True)
    elif group:
        user.groups.add(Group.objects.get(name=group))
    client = Client()
    client.force_login(User.objects.get(pk=user.pk))
    return client


@pytest.fixture
def auditor(db: None, now: None) -> Client:
    return visitor(roles.AUDITOR)


@pytest.fixture
def operator(db: None, now: None) -> Client:
    return visitor(roles.OPERATOR)


@pytest.fixture
def guest(db: None, now: None) -> Client:
    """Somebody who is logged in and has no role."""
    return visitor("")


@pytest.fixture
def backends(db: None) -> Any:
    """One backend that serves, one whose breaker is open, with what is known of their models."""
    return make_backends()
