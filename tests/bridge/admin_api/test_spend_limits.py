"""Budgets in the shape of the vendor's spend limits, as its clients send and read them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from bridge.models import Change, PersonLimits, Team
from tests.bridge.people import a_team, a_user
from tests.bridge.scripts import Script, a_script, message
from tests.dashboard.making import enter, record

pytestmark = pytest.mark.django_db

PATH = "/organizations/spend_limits"
ANN = {"type": "user", "user_id": "ann"}


@pytest.fixture
def script() -> Script:
    return a_script()


def test_limit_of_a_person_is_their_budget(script: Script) -> None:
    a_user(name="ann")
    made = script.post(PATH, {"scope": ANN, "amount": "75000"})
    assert made.status_code == 200
    limit = made.json()
    assert limit | {"type": "spend_limit", "scope": ANN, "amount": "75000"} == limit
    assert (limit["period"], limit["currency"]) == ("monthly", "USD")
    assert PersonLimits.objects.get().budget_month == Decimal(750)
    change = Change.objects.filter(kind="person_limits").get()
    assert change.actor == "token ci"
    read = script.get(f"{PATH}/{limit['id']}").json()
    assert read | {"created_at": None, "updated_at": None} == limit
    assert datetime.fromisoformat(read["created_at"]) == change.at
    gone = script.delete(f"{PATH}/{limit['id']}")
    assert gone.json() == {"type": "spend_limit_deleted", "id": limit["id"]}
    assert message(script.delete(f"{PATH}/{limit['id']}"), 404).startswith("no spend limit")


def test_same_scope_and_period_is_replaced(script: Script) -> None:
    a_user(name="ann")
    ids = set()
    for amount, period in (("100", "daily"), ("200", "daily"), ("0", "weekly"), ("300", "monthly")):
        body = {"scope": ANN, "amount": amount, "period": period}
        ids.add(script.post(PATH, body).json()["id"])
    assert len(ids) == 3
    row = PersonLimits.objects.get()
    assert (row.budget_day, row.budget_week, row.budget_month) == (2, 0, 3)
    lifted = script.post(PATH, {"scope": ANN, "amount": None, "period": "daily"})
    assert lifted.json()["amount"] is None and PersonLimits.objects.get().budget_day is None
    assert PersonLimits.objects.get().budget_week == 0, "what was not named stays"


def test_limit_of_a_team_is_shared(script: Script) -> None:
    a_team("blue", a_user(name="ann"), rpm=5)
    scope = {"type": "team", "team_id": "blue"}
    limit = script.post(PATH, {"scope": scope, "amount": "1050", "period": "daily"}).json()
    assert limit["scope"] == scope
    team = Team.objects.get()
    assert (team.budget_day, team.rpm, team.people.count()) == (Decimal("10.5"), 5, 1)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"amount": "1"}, "scope: is missing"),
        ({"scope": ANN}, "amount: is missing"),
        ({"scope": {"type": "user"}, "amount": "1"}, "scope.user_id: is missing"),
        ({"scope": {"type": "organization"}, "amount": "1"}, "scope.type: "),
        ({"scope": {"type": "rbac_group", "rbac_group_id": "x"}, "amount": "1"}, "scope.type: "),
        ({"scope": {"type": "user", "user_id": "zoe"}, "amount": "1"}, "scope.user_id: no user"),
        ({"scope": {"type": "team", "team_id": "zoe"}, "amount": "1"}, "scope.team_id: no team"),
        ({"scope": ANN, "amount": 100}, "amount: "),
        ({"scope": ANN, "amount": "1.5"}, "amount: "),
        ({"scope": ANN, "amount": "-1"}, "amount: "),
        ({"scope": ANN, "amount": "9" * 11}, "amount: "),
        ({"scope": ANN, "amount": "1\n"}, "amount: "),
        ({"scope": ANN, "amount": "1", "period": "yearly"}, "period: "),
        ({"scope": ANN, "amount": "1", "currency": "EUR"}, "currency: "),
    ],
)
def test_limit_that_makes_no_sense_is_refused(script: Script, body: Any, expected: str) -> None:
    a_user(name="ann")
    assert message(script.post(PATH, body)).startswith(expected)
    assert not PersonLimits.objects.exists()


def test_list_comes_in_pages_in_both_directions(script: Script) -> None:
    for name in ("ann", "bob"):
        PersonLimits.objects.create(user=a_user(name=name), budget_day=1, budget_month=2)
    a_team("blue", budget_week="1.2345")
    seen: list[Any] = []
    after: str | None = ""
    while after is not None:
        page = script.get(f"{PATH}?limit=2&after_id={after}").json()
        seen += page["data"]
        after = page["last_id"] if page["has_more"] else None
    assert [limit["amount"] for limit in seen] == ["100", "200", "100", "200", "123.45"]
    last = seen[-1]["id"]
    back = script.get(f"{PATH}?limit=2&before_id={last}").json()
    assert [limit["id"] for limit in back["data"]] == [limit["id"] for limit in seen[2:4]]
    assert back["has_more"]
    script.delete(f"{PATH}/{seen[1]['id']}")
    rest = script.get(f"{PATH}?after_id={seen[1]['id']}").json()
    assert rest["first_id"] == seen[2]["id"], "a limit that is gone still has its place"
    for query in ("after_id=x", "limit=0", "limit=1001", "after_id=a&before_id=b", "page=1"):
        assert script.get(f"{PATH}?{query}").status_code == 400, query
    for name in ("spl_user_0_daily", "spl_team_1_yearly", "spl_user_" + "9" * 30 + "_daily", "x"):
        assert message(script.get(f"{PATH}/{name}"), 404)


def test_effective_limits_tell_what_each_person_spent(script: Script) -> None:
    ann = a_user(name="ann", email="ann@example.com", first_name="Ann", last_name="Lee")
    bob = a_user(name="bob")
    PersonLimits.objects.create(user=ann, budget_month=500)
    a_team("blue", ann)
    now = datetime.now(UTC)
    rows = [
        record(now, 1, person_id=ann.pk, person="ann", cost_nano_usd=4_128_012_500),
        record(now, 2, person_id=bob.pk, person="bob", cost_nano_usd=9_000_000_000),
    ]
    enter(rows)
    first, second = script.get(f"{PATH}/effective?period[]=monthly").json()["data"]
    assert first["actor"] == {
        "type": "user_actor",
        "user_id": "ann",
        "name": "Ann Lee",
        "email_address": "ann@example.com",
        "deleted": False,
    }
    assert (first["scope"], first["amount"], first["groups"]) == (ANN, "50000", ["blue"])
    assert first["period_to_date_spend"] == "412.80125" and first["source"] == {"type": "user"}
    assert script.get(f"{PATH}/{first['spend_limit_id']}").json()["amount"] == "50000"
    assert (second["amount"], second["source"], second["spend_limit_id"]) == (None, None, None)
    top = script.get(f"{PATH}/effective?period[]=monthly&sort=spend_desc&limit=1").json()
    assert top["data"][0]["actor"]["user_id"] == "bob"
    rest = script.get(
        f"{PATH}/effective?period[]=monthly&sort=spend_desc&limit=1&page={top['next_page']}"
    ).json()
    assert rest["data"][0]["actor"]["user_id"] == "ann" and rest["next_page"] is None
    assert len(script.get(f"{PATH}/effective").json()["data"]) == 6, "each in three periods"
    for query, found in (("q=LEE", 3), ("user_ids[]=bob&user_ids[]=ann", 6), ("q=nobody", 0)):
        assert len(script.get(f"{PATH}/effective?{query}").json()["data"]) == found, query
    for query in ("sort=spend_desc", "period[]=yearly", "page=3", "user_ids=ann"):
        assert script.get(f"{PATH}/effective?{query}").status_code == 400, query


def test_client_of_the_vendors_finds_it_by_its_base_address(script: Script) -> None:
    """Its paths begin with /v1, behind whatever base address it is given."""
    answer = Client().get(
        f"/api/admin/v1{PATH}", headers={"authorization": f"Bearer {script.text}"}
    )
    assert set(answer.json()) == {"data", "has_more", "first_id", "last_id"}
