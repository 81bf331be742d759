"""Rows of the environment in the admin: read-only until an operator takes them over. Ours."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from bridge.configuration import environment
from bridge.models import Backend, BreakerMode, ModelAlias, Origin, ToolNameMap
from tests.bridge.admin_pages import of, page, press, said, text
from tests.bridge.people import browser

pytestmark = pytest.mark.django_db

Row = Backend | ModelAlias | ToolNameMap


@pytest.fixture
def client() -> Client:
    return browser("operator")


@pytest.fixture(params=["backend", "modelalias", "toolnamemap"])
def row(request: pytest.FixtureRequest, nothing_in_the_environment: Any) -> Row:
    """A row of each kind, written by the environment as at every start."""
    settings = nothing_in_the_environment
    settings.BACKEND_URL = "https://llm.example.com/v1"
    settings.CHUTES_API_KEY = "cpk_of_the_environment"
    settings.MODEL_MAP = {"claude-*": "vendor/model"}
    settings.TOOL_NAME_MAP = {"run": "Bash"}
    environment.apply()
    kinds: dict[str, type[Row]] = {
        kind._meta.model_name or "": kind for kind in (Backend, ModelAlias, ToolNameMap)
    }
    found: Row = kinds[request.param].objects.get()
    return found


def test_page_shows_values_and_no_fields(client: Client, row: Row) -> None:
    shown = text(client.get(page(row)))
    assert "comes from the environment" in shown and "Take it over" in shown
    assert 'name="_save"' not in shown and "Delete" not in shown
    assert "environment" in text(client.get(of(row._meta.model_name or "", "changelist")))


def test_form_sent_all_the_same_is_refused(client: Client, row: Row) -> None:
    before = row.document()
    answer = client.post(page(row), {"name": "x", "pattern": "x", "backend_name": "x"})
    assert answer.status_code == 403
    row.refresh_from_db()
    assert row.document() == before


def test_it_cannot_be_deleted(client: Client, row: Row) -> None:
    kind = row._meta.model_name or ""
    ticked = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
    assert client.post(page(row, "delete"), {"post": "yes"}).status_code == 403
    answer = client.post(of(kind, "changelist"), ticked, follow=True)
    assert type(row).objects.filter(pk=row.pk).exists()
    assert "comes from the environment" in text(answer)


def test_row_that_was_taken_over_can_be_changed(client: Client, row: Row) -> None:
    answer = press(client, row, "take_over")
    assert said(answer) == [f"{row} is yours now; the environment no longer changes it."]
    row.refresh_from_db()
    assert row.origin == Origin.OPERATOR
    shown = text(answer)
    assert 'name="_save"' in shown and "Take it over" not in shown


def test_next_start_leaves_it_to_the_operator(
    client: Client, row: Row, nothing_in_the_environment: Any
) -> None:
    """design: rows of operators win."""
    press(client, row, "take_over")
    nothing_in_the_environment.MODEL_MAP = {"claude-*": "another"}
    nothing_in_the_environment.TOOL_NAME_MAP = {"run": "Another"}
    row.refresh_from_db()
    before = row.document()
    environment.apply()
    row.refresh_from_db()
    assert (row.document(), row.origin) == (before, Origin.OPERATOR)


def test_auditor_is_not_offered_to_take_over(row: Row) -> None:
    assert press(browser("auditor"), row, "take_over").status_code == 403


def test_breaker_can_be_forced_before_a_takeover(client: Client, row: Row) -> None:
    """Ours: an ill backend is taken out first and discussed later; a start keeps it out."""
    backend = Backend.objects.get()
    press(client, backend, "force_open")
    environment.apply()
    backend.refresh_from_db()
    assert (backend.breaker_mode, backend.origin) == (BreakerMode.OPEN, Origin.ENVIRONMENT)


def test_value_of_the_variable_is_not_shown(client: Client, row: Row) -> None:
    for address in (page(row), page(row, "history"), of("backend", "changelist"), "/admin/"):
        assert "cpk_of_the_environment" not in text(client.get(address))
