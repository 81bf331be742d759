"""The page that gives recorded requests a cost: shown first, done on a press, in the history."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from bridge.admin.costs import recomputing
from bridge.ledger.audit import audit
from bridge.ledger.repricing import applying
from bridge.ledger.writer import enter
from bridge.models import Change, Price, UsageRecord
from bridge.models.ledger_marks import COSTS
from tests.bridge.admin_pages import CHANGES, of, page, said, text
from tests.bridge.ledger.test_entering import a_record
from tests.bridge.people import browser
from tests.bridge.rows import a_row

pytestmark = pytest.mark.django_db

PAGE = "/admin/bridge/price/recompute/"
NOON = datetime.now(UTC).replace(hour=12, minute=30) - timedelta(days=2)
DAYS = {"since": NOON.date().isoformat(), "until": NOON.date().isoformat()}


def use(*numbers: int, **fields: Any) -> None:
    given = {"cost_nano_usd": None, "started_at": NOON.timestamp()} | fields
    enter([a_record(number, **given) for number in numbers])


def a_price(model: str = "vendor/large") -> Price:
    made: Price = Price.objects.create(model=model, input_per_mtok=1000, output_per_mtok=2000)
    return made


def known() -> int:
    return UsageRecord.objects.exclude(cost_nano_usd=None).count()


def test_page_shows_first_and_does_it_on_a_press() -> None:
    a_row()
    use(1, 2)
    use(3, model="unknown")
    a_price()
    operator = browser("operator")
    shown = operator.get(PAGE, DAYS)
    assert "2 requests: 0.00 USD now, 0.032 USD then" in text(shown)
    assert f"{of('price', 'add')}?model=unknown" in text(shown)
    assert known() == 0
    done = operator.post(PAGE, DAYS, follow=True)
    assert said(done) == ["2 requests recomputed: 0.00 USD before, 0.032 USD after."]
    assert "Nothing would change" in text(done)
    assert (known(), audit().differences) == (2, [])
    entry = Change.objects.get(kind=COSTS)
    assert (entry.actor, entry.verb) == ("operator", "recomputed")
    assert "requests 2, before 0 USD, after 0.032 USD" in text(operator.get(CHANGES))
    assert "cost of every model" in text(operator.get(f"{CHANGES}{entry.pk}/change/"))


def test_large_range_is_done_in_parts_that_are_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applying, "BATCH_ROWS", 2)
    monkeypatch.setattr(applying, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(recomputing, "MOST_BATCHES", 1)
    use(*range(5))
    a_price()
    operator, asked = browser("operator"), dict(DAYS)
    for count in (2, 4, 5):
        answer = operator.post(PAGE, asked, follow=True)
        asked = answer.context["hidden"] | DAYS
        asked = {name: value for name, value in asked.items() if value}
        assert known() == count
    assert said(answer)[0].startswith("5 requests recomputed")
    assert Change.objects.filter(kind=COSTS).count() == 1


@pytest.mark.parametrize("role", ["auditor"])
def test_only_who_may_change_prices_sees_or_presses_it(role: str) -> None:
    use(1)
    a_price()
    visitor = browser(role)
    assert visitor.get(PAGE, DAYS).status_code == 403
    assert visitor.post(PAGE, DAYS).status_code == 403
    assert known() == 0


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"since": "soon"}, "Enter a valid date"),
        ({"since": "2026-12-01", "until": "2026-11-01"}, "The last day is before the first."),
        ({"since": "0001-01-01", "until": "2026-11-01"}, "Expected a year"),
        ({"key": "<b>nobody"}, "No key is or was called &lt;b&gt;nobody."),
    ],
)
def test_what_is_not_understood_is_said_beside_its_field(asked: dict[str, str], words: str) -> None:
    use(1)
    a_price()
    operator = browser("operator")
    assert words in text(operator.get(PAGE, DAYS | asked))
    assert 'value="soon"' not in text(operator.get(PAGE, DAYS | asked))
    assert words in text(operator.post(PAGE, DAYS | asked))
    assert known() == 0


def test_prices_lead_to_what_was_used_without_one() -> None:
    a_row()
    use(1)
    use(2, model="un/known")
    row = a_price()
    operator: Client = browser("operator")
    listed = text(operator.get(of("price", "changelist")))
    assert "Recompute: it has a price now" in listed
    assert f"{of('price', 'add')}?model=un/known" in listed.replace("%2F", "/")
    assert "trait=unpriced" in listed
    assert f"{PAGE}?model=vendor" in text(operator.get(page(row)))


def test_price_form_takes_the_name_of_the_model_from_its_address() -> None:
    shown = browser("operator").get(of("price", "add"), {"model": "vendor/large"})
    assert shown.context["adminform"].form["model"].value() == "vendor/large"


def test_recomputing_has_no_undo() -> None:
    use(1)
    a_price()
    operator = browser("operator")
    operator.post(PAGE, DAYS)
    entry = Change.objects.get(kind=COSTS)
    answer = operator.get(f"{CHANGES}{entry.pk}/revert/")
    assert (answer.status_code, "stays: costs are those of prices" in text(answer)) == (403, True)
