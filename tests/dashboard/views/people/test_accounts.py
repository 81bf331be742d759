"""Reports by person and by team: whoever is deleted stays, budgets are near."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from bridge.models import PersonLimits
from tests.bridge.people import a_team, a_user
from tests.dashboard import reading
from tests.dashboard.making import NOW, enter, record

pytestmark = pytest.mark.django_db

PEOPLE, TEAMS = reverse("dashboard:people"), reverse("dashboard:teams")


@pytest.fixture
def used(now: None) -> None:
    """Three requests of ann, one of which her team of old has; one of somebody deleted."""
    ann, team = a_user(name="ann"), a_team("navy", budget_day=Decimal(2), budget_month=Decimal(9))
    a_team("idle", tokens_day=5)
    PersonLimits.objects.create(user=ann, budget_week=Decimal(10))
    of_ann: dict[str, Any] = {"person": "ann", "person_id": ann.pk}
    of_team: dict[str, Any] = {"team": "blue", "team_id": team.pk, "cost_nano_usd": 10**9}
    enter(
        [
            record(NOW, 1, **of_ann, **of_team),
            record(NOW, 2, **of_ann, team="gone", team_id=999),
            record(NOW, 3, **of_ann),
            record(NOW, 4, person="bob", person_id=998),
            record(NOW, 5),
        ]
    )


def rows(client: Client, path: str) -> dict[str, dict[str, str]]:
    """What the table says, by its first column."""
    table = reading.table(reading.page(client.get(f"{path}?range=24h")))
    plain = [{name: cell.text for name, cell in row.items()} for row in table]
    return {next(iter(row.values())): row for row in plain}


def test_people_have_a_line_each(auditor: Client, used: None) -> None:
    found = rows(auditor, PEOPLE)
    assert {name: row["Requests"] for name, row in found.items()} == {
        "ann": "3",
        "bob (deleted)": "1",
        "no person": "1",
    }
    assert found["ann"]["Budget"].endswith("10\u202f%")


def test_teams_have_todays_names_and_their_tightest_budget(auditor: Client, used: None) -> None:
    found = rows(auditor, TEAMS)
    assert {name: row["Requests"] for name, row in found.items()} == {
        "navy": "1",
        "gone (deleted)": "1",
        "no team": "3",
        "idle": "0",
    }
    assert found["navy"]["Budget"].endswith("50\u202f%"), "the day's, not the month's"


def test_file_has_the_same_lines(auditor: Client, used: None) -> None:
    answer = auditor.get(f"{TEAMS}?range=24h&format=json&rows=all")
    told = {line["team"]: line["requests"] for line in json.loads(reading.content(answer))}
    assert told == {"navy": 1, "gone (deleted)": 1, "no team": 3, "idle": 0}
    assert "teams-" in answer["Content-Disposition"]


@pytest.mark.parametrize(("path", "words"), [(PEOPLE, "whose each key is"), (TEAMS, "Make one")])
def test_page_without_any_says_how_to_get_there(
    operator: Client, now: None, path: str, words: str
) -> None:
    enter([record(NOW, 1)])
    assert words in reading.page(operator.get(path)).text


def test_queries_do_not_grow_with_the_teams(
    auditor: Client, used: None, django_assert_max_num_queries: Any
) -> None:
    for n in range(20):
        a_team(f"t{n}", budget_day=Decimal(n + 1))
    with django_assert_max_num_queries(12):
        auditor.get(TEAMS)
