"""What needs attention: budgets that cannot count, limits that are not shared, lost records."""

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from bridge.keys.limiter import SEVERAL
from bridge.ledger import writer
from bridge.ledger.record import Record
from bridge.models import ApiKey, DiscoveredModel, GatewayProcess, PersonLimits, Price
from tests.bridge.admin_pages import START, of, text
from tests.bridge.people import a_team, a_user, browser
from tests.bridge.rows import a_row, an_alias

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    row = a_row()
    DiscoveredModel.objects.create(backend=row, name="m/one")
    return browser("operator")


def concerns(client: Client) -> list[tuple[str, str]]:
    found = client.get(START).context["concerns"]
    return [(concern.text, concern.href) for concern in found]


def serving(name: str, problem: str = "", troubles: str = "") -> None:
    GatewayProcess.objects.create(
        name=name,
        host="elsewhere",
        pid=1,
        seen_at=timezone.now(),
        problem=problem,
        troubles=troubles,
    )


def a_price(model: str, **more: Any) -> Price:
    return Price.objects.create(
        model=model, input_per_mtok=Decimal(1), output_per_mtok=Decimal(1), **more
    )


def test_budget_that_cannot_count_a_model_is_named(client: Client) -> None:
    """Reported by operators: with the page where a price is added, which knows the model."""
    key, _ = ApiKey.issue("k7", {"budget_usd": Decimal(1)})
    ApiKey.issue("free", {"rpm": 5})
    ((told, href),) = concerns(client)
    assert told == "Budget of k7 does not count m/one: no price is known"
    form = client.get(href)
    assert form.context["adminform"].form.initial["model"] == "m/one"
    assert told in text(client.get(of("apikey", "change", key.pk)))
    a_price("m/*")
    assert concerns(client) == []
    assert "does not count" not in text(client.get(of("apikey", "change", key.pk)))


def test_trouble_of_any_process_is_named_once(client: Client) -> None:
    """Observed: the ledger of a process had ended for good, and no page said so."""
    assert concerns(client) == []
    ledger, file = "Background work “ledger” failed", "Usage spool 0.jsonl cannot be read"
    serving("one", troubles=ledger)
    serving("two", troubles=f"{ledger}\n{file}")
    assert [text for text, _ in concerns(client)] == [ledger, file]


def test_only_models_that_the_key_may_use_are_named(client: Client) -> None:
    row = a_row("spare")
    for number in range(5):
        DiscoveredModel.objects.create(backend=row, name=f"n/{number}")
    DiscoveredModel.objects.create(backend=row, name="n/9")
    an_alias("fast", (row, "n/9"))
    ApiKey.issue("some", {"budget_usd": Decimal(1), "allowed": "fast\nn/*"})
    ((told, _),) = concerns(client)
    assert told == "Budget of some does not count n/0, n/1, n/2 and 3 more: no price is known"
    a_price("n/*", backend=row)
    assert concerns(client) == []


def test_key_that_is_refused_unpriced_models_is_named_as_that(client: Client) -> None:
    ApiKey.issue("k7", {"budget_usd": Decimal(1), "unpriced": "refuse"})
    ((told, _),) = concerns(client)
    assert told == "Key k7 is refused m/one: no price is known, and it has a budget"


def test_budgets_of_people_and_teams_are_looked_at_too(client: Client) -> None:
    ann = a_user(name="ann")
    a_team("blue", budget_day=Decimal(1), allowed="x")
    red = a_team("red", budget_day=Decimal(1), unpriced="refuse", allowed="none")
    PersonLimits.objects.create(user=ann, budget_week=Decimal(1))
    used = Record("req_1", team="red", team_id=red.pk, backend="main", model="y", input_tokens=5)
    writer.enter([used])
    assert [text for text, _ in concerns(client)] == [
        "Team red is refused y: no price is known, and it has a budget",
        "Budget of person ann does not count m/one: no price is known",
    ]


def test_unpriced_model_that_no_list_has_is_named_once_it_was_used(client: Client) -> None:
    """A backend whose list is not known, or an alias that catches all."""
    a_price("m/one")
    key, _ = ApiKey.issue("k7", {"budget_usd": Decimal(1)})
    used = Record("req_1", key="k7", key_id=key.pk, backend="main", model="x", input_tokens=5)
    writer.enter([used])
    ((told, _),) = concerns(client)
    assert told == "Budget of k7 does not count x: no price is known"


def test_several_processes_without_redis_are_named(client: Client) -> None:
    """Reported by operators: where any key has limits that they do not share."""
    serving("a")
    serving("b")
    assert concerns(client) == []
    team = a_team("blue", rpm=5)
    assert len(concerns(client)) == 1
    team.delete()
    ApiKey.issue("k7", {"rpm": 5})
    ((told, _),) = concerns(client)
    assert told == SEVERAL[:1].upper() + SEVERAL[1:]


def test_workers_without_redis_are_named(client: Client, settings: Any) -> None:
    settings.WORKERS = 4
    ApiKey.issue("k7", {"rpm": 5})
    assert len(concerns(client)) == 1


def test_redis_that_cannot_be_used_is_named_with_its_error(client: Client, settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    ApiKey.issue("k7", {"rpm": 5})
    for name in ("a", "b"):
        serving(name, "Redis cannot be used: each counts alone (ReadOnlyError: it is a replica)")
    ((told, _),) = concerns(client)
    assert told == "Redis cannot be used: each counts alone (ReadOnlyError: it is a replica)"


def test_lost_records_are_named(client: Client) -> None:
    """An evasion of the ledger: a lost line is said."""
    writer.note_lost(3)
    writer.note_lost(2)
    ((told, _),) = concerns(client)
    assert told.startswith("5 usage records were lost, last at ")
