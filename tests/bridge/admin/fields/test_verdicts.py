"""The alias form: how verdicts for auto mode are answered, and by which judge."""

from typing import Any

import pytest
from django.test import Client

from bridge.models import ModelAlias, Origin
from tests.bridge.admin_pages import form, of, page, said, targets, text, wrong
from tests.bridge.people import browser
from tests.bridge.rows import a_row, an_alias

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("nothing_in_the_environment"),
]


@pytest.fixture
def client() -> Client:
    return browser("operator")


def given(choice: str, judge: str = "") -> dict[str, Any]:
    rows = targets({"backend": a_row().pk, "model": "big"})
    verdicts = {"safeguards_choice": choice, "safeguards_judge": judge}
    return {"pattern": "claude-*", "enabled": "on"} | verdicts | rows


@pytest.mark.parametrize(
    ("choice", "judge", "kept"),
    [
        ("", "", ""),
        ("unavailable", "", "unavailable"),
        ("off", "", "off"),
        ("judge", "  vendor/guard ", "judge: vendor/guard"),
    ],
)
def test_choice_and_judge_become_one_text(
    client: Client, choice: str, judge: str, kept: str
) -> None:
    assert client.post(of("modelalias", "add"), given(choice, judge)).status_code == 302
    assert ModelAlias.objects.get().safeguards == kept


@pytest.mark.parametrize(("choice", "judge"), [("judge", ""), ("off", "x"), ("", "x"), ("?", "")])
def test_choice_that_says_two_things_is_refused(client: Client, choice: str, judge: str) -> None:
    answer = client.post(of("modelalias", "add"), given(choice, judge))
    assert wrong(answer) == ["safeguards"]
    assert not ModelAlias.objects.exists()


def test_form_shows_the_judge_and_keeps_it(client: Client) -> None:
    alias = an_alias("fast", (a_row(), "a"), safeguards="judge: vendor/guard")
    shown = text(client.get(page(alias)))
    assert 'value="vendor/guard"' in shown
    assert '<option value="judge" selected' in shown
    parts = {"safeguards_choice": "judge", "safeguards_judge": "vendor/guard"}
    assert client.post(page(alias), form(client, page(alias)) | parts).status_code == 302
    alias.refresh_from_db()
    assert alias.safeguards == "judge: vendor/guard"


def test_names_that_could_judge_are_suggested(client: Client) -> None:
    main = a_row()
    an_alias("guard", (main, "small"))
    shown = text(client.get(of("modelalias", "add")))
    assert 'list="gw-judges"' in shown
    assert '<option value="guard">' in shown


def test_judge_that_leads_nowhere_is_taken_with_a_warning(client: Client) -> None:
    """Ours: its backend may only be away for now."""
    main = a_row()
    main.models.create(name="big", listed=True)
    rows = targets({"backend": main.pk, "model": "big"})
    parts = {"safeguards_choice": "judge", "safeguards_judge": "no/such"}
    post = {"pattern": "fast", "enabled": "on"} | parts | rows
    answer = client.post(of("modelalias", "add"), post, follow=True)
    assert any("no/such" in line and "nowhere" in line for line in said(answer))
    assert ModelAlias.objects.get().safeguards == "judge: no/such"


def test_alias_of_the_environment_shows_it_to_read(client: Client) -> None:
    origin = Origin.ENVIRONMENT
    alias = an_alias("fast", (a_row(), "a"), safeguards="judge: vendor/guard", origin=origin)
    assert "judge: vendor/guard" in text(client.get(page(alias)))
