"""Fixtures: visitors of each role, and a clock that stands still for the pages."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client

from bridge.accounts import roles
from dashboard.pages import page
from tests.bridge.people import a_user
from tests.dashboard.making import NOW, make_backends


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the pages it is NOW."""
    monkeypatch.setattr(page, "timezone", SimpleNamespace(now=lambda: NOW))


def visitor(group: str) -> Client:
    client = Client()
    client.force_login(a_user(group, f"the-{group or 'guest'}", is_staff=group == roles.ADMIN))
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
