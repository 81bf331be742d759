"""The configuration as pages look at it: read once for each change, never what was taken back."""

from __future__ import annotations

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from bridge.configuration import kept_snapshot
from bridge.models import Team

pytestmark = pytest.mark.django_db(transaction=True)


def teams() -> set[str]:
    return {team.name for team in kept_snapshot.current().teams.values()}


def test_it_is_read_again_when_something_changed() -> None:
    Team.objects.create(name="first")
    assert teams() == {"first"}
    with CaptureQueriesContext(connection) as seen:
        assert teams() == {"first"}
    assert len(seen) == 1
    Team.objects.create(name="second")
    assert teams() == {"first", "second"}


def test_what_was_taken_back_is_not_kept() -> None:
    with transaction.atomic():
        Team.objects.create(name="gone")
        assert teams() == {"gone"}
        transaction.set_rollback(True)
    Team.objects.create(name="stays")
    assert teams() == {"stays"}
