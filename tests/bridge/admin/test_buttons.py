"""Buttons on a backend: its breaker, its model list, a trial; and the same for ticked rows. Ours.

What the buttons do to requests is tested in tests/browser, with a running gateway.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.test import Client

from bridge.admin import backend_actions
from bridge.models import Backend, BreakerMode, BreakerState, ConfigVersion
from tests.bridge.admin_pages import of, page, press, said, text
from tests.bridge.people import browser
from tests.bridge.rows import a_row

pytestmark = pytest.mark.django_db

MODES = {
    "force_open": (BreakerMode.OPEN, "forced open"),
    "force_closed": (BreakerMode.CLOSED, "forced closed"),
    "automatic": (BreakerMode.AUTOMATIC, "automatic"),
}


@pytest.fixture
def client() -> Client:
    return browser("operator")


def ticked(client: Client, action: str, *rows: Backend) -> list[str]:
    """Messages after an action on ticked rows of the list."""
    given = {"action": action, "_selected_action": [row.pk for row in rows]}
    return said(client.post(of("backend", "changelist"), given, follow=True))


@pytest.mark.parametrize("button", MODES)
def test_breaker_is_forced_and_let_go_on_the_page(client: Client, button: str) -> None:
    """the issue: force open and closed; automatic again."""
    row = a_row(breaker_mode="closed" if button != "force_closed" else "open")
    version = ConfigVersion.current()
    mode, words = MODES[button]
    answer = press(client, row, button)
    assert said(answer) == [f"main: circuit breaker {words}."]
    row.refresh_from_db()
    assert row.breaker_mode == mode
    assert ConfigVersion.current() > version, "running gateways would not notice"
    shown = text(answer)
    assert f"/do/{button}/" not in shown
    assert all(f"/do/{other}/" in shown for other in MODES if other != button)


@pytest.mark.parametrize("action", MODES)
def test_breakers_of_ticked_rows_are_forced_together(client: Client, action: str) -> None:
    rows = [a_row(name) for name in ("a", "b", "c")]
    assert len(ticked(client, action, *rows[:2])) == 2
    modes = [str(row.breaker_mode) for row in Backend.objects.all()]
    assert modes == [MODES[action][0]] * 2 + ["automatic"]


def test_auditor_cannot_tick(client: Client) -> None:
    row = a_row()
    given = {"action": "force_open", "_selected_action": [row.pk]}
    assert browser("auditor").post(of("backend", "changelist"), given).status_code == 403
    row.refresh_from_db()
    assert row.breaker_mode == BreakerMode.AUTOMATIC


@pytest.mark.parametrize("way", ["page", "list"])
def test_reset_forgets_failures_for_every_process(client: Client, way: str) -> None:
    """design: breakers are shared; the number tells the others that it is newer."""
    row = a_row()
    now = datetime(2026, 1, 1, tzinfo=UTC)
    BreakerState.objects.create(backend=row, failures=5, opened_at=now, number=7)
    told = said(press(client, row, "reset")) if way == "page" else ticked(client, "reset", row)
    assert told == ["main: failures forgotten, breaker closed."]
    state = BreakerState.objects.get()
    assert (state.failures, state.opened_at, state.number) == (0, None, 8)


def test_head_of_the_page_tells_the_breaker_and_its_clock(client: Client) -> None:
    row = a_row()
    moment = datetime.now(UTC)
    BreakerState.objects.create(
        backend=row, failures=5, opened_at=moment, last_error="502 <b>x</b>", last_error_at=moment
    )
    shown = text(client.get(page(row)))
    assert "5 of 5" in shown and "Breaker opened" in shown and "Tries again" in shown
    assert "502 &lt;b&gt;x&lt;/b&gt;" in shown
    assert "seconds from now" in shown


@pytest.mark.parametrize("button", ["test", "refresh"])
def test_what_came_of_a_trial_is_told_in_its_colour(
    client: Client, button: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = (
        backend_actions.ActionResult(True, "6 models listed."),
        backend_actions.ActionResult(False, "No answer."),
    )
    monkeypatch.setattr(backend_actions, "test_backend", lambda row: [good, bad])
    monkeypatch.setattr(backend_actions, "refresh_models", lambda row: good)
    answer = press(client, a_row(), button)
    told = [(m.level_tag, str(m)) for m in answer.context["messages"]]
    assert told == [("success", good.text), ("error", bad.text)][: 2 if button == "test" else 1]
