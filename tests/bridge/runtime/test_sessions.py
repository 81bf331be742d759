"""Sessions that are over are deleted; those that are not stay."""

from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone

from bridge.runtime import sessions


@pytest.mark.django_db
def test_sessions_that_are_over_are_deleted_a_few_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Observed: nothing ever deleted them."""
    monkeypatch.setattr(sessions, "AT_ONCE", 2)
    now = timezone.now()
    for name, hours in (("a", -3), ("b", -2), ("c", -1), ("d", 1)):
        expires = now + timedelta(hours=hours)
        Session.objects.create(session_key=name, session_data="", expire_date=expires)
    assert [sessions.clear(), sessions.clear(), sessions.clear()] == [2, 1, 0]
    assert list(Session.objects.values_list("pk", flat=True)) == ["d"]
