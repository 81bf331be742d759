"""A key, a person or a team with a budget says on its page which use the budget cannot count."""

from decimal import Decimal
from typing import Any

import pytest
from django.db.models import Model
from django.utils import timezone

from bridge.ledger.record import Record
from bridge.ledger.writer import enter
from bridge.models import ApiKey, DiscoveredModel, PersonLimits, Price
from tests.bridge.admin_pages import START, of, page, text
from tests.bridge.people import a_team, a_user, browser
from tests.bridge.rows import a_row

pytestmark = pytest.mark.django_db


def use(model: str, **whose: Any) -> None:
    """By whom, without a price, a moment ago."""
    now = timezone.now().timestamp()
    where: dict[str, Any] = {"backend": "main", "model": model, "status": 200, "input_tokens": 5}
    enter([Record("req_1", started_at=now, **where, **whose)])


def a_key(**fields: Any) -> tuple[Model, dict[str, Any], str]:
    key, _ = ApiKey.issue("k7", fields)
    return key, {"key": "k7", "key_id": key.pk}, f"key_id={key.pk}"


def a_person(**fields: Any) -> tuple[Model, dict[str, Any], str]:
    budget = {"budget_week": fields.pop("budget_usd")} if fields else {"rpm": 5}
    row = PersonLimits.objects.create(user=a_user(name="ann"), **budget)
    return row, {"person": "ann", "person_id": row.user_id}, f"person_id={row.user_id}"


def the_team(**fields: Any) -> tuple[Model, dict[str, Any], str]:
    budget = {"budget_day": fields.pop("budget_usd")} if fields else {"rpm": 5}
    row = a_team("blue", **budget)
    return row, {"team": "blue", "team_id": row.pk}, f"team_id={row.pk}"


KINDS = pytest.mark.parametrize("make", [a_key, a_person, the_team])


@KINDS
def test_page_leads_to_the_form_of_each_price_and_to_the_requests(make: Any) -> None:
    a_row()
    row, whose, asked = make(budget_usd=Decimal(5))
    use("org/new model", **whose)
    operator = browser("operator")
    shown = text(operator.get(page(row)))
    form = f"{of('price', 'add')}?model=org%2Fnew+model"
    assert f'href="{form}">Add a price for org/new model</a>' in shown
    assert f"/dashboard/requests/?{asked}&amp;trait=unpriced&amp;range=7d" in shown
    assert operator.get(form).context["adminform"].form["model"].value() == "org/new model"
    (concern,) = [c for c in operator.get(START).context["concerns"] if "org/new" in c.text]
    assert concern.beside == (f"/dashboard/requests/?{asked}&trait=unpriced&range=7d", "Requests")
    counted = operator.get(concern.beside[0])
    assert "req_1" in text(counted)


@KINDS
def test_nothing_is_said_without_a_budget_or_with_a_price(make: Any) -> None:
    a_row()
    row, whose, _ = make()
    use("unknown", **whose)
    assert "Add a price" not in text(browser("operator").get(page(row)))


@KINDS
def test_nothing_is_said_once_there_is_a_price(make: Any) -> None:
    a_row()
    row, whose, _ = make(budget_usd=Decimal(5))
    use("unknown", **whose)
    Price.objects.create(model="unknown", input_per_mtok=1, output_per_mtok=1)
    assert "Add a price" not in text(browser("operator").get(page(row)))


def test_model_that_may_be_used_and_was_not_has_no_requests_to_show() -> None:
    main = a_row()
    DiscoveredModel.objects.create(backend=main, name="listed")
    row, _, asked = a_key(budget_usd=Decimal(5))
    shown = text(browser("operator").get(page(row)))
    assert "Add a price for listed" in shown and asked not in shown
