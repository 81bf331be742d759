"""Budgets before the wall: each threshold once in a period, in order. Issue: warnings."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bridge.models import ApiKey, PersonLimits, WarningEvent
from tests.bridge.people import a_team, a_user
from tests.bridge.warned import Times, WarningProcess, a_rule, spend
from tests.fakes.webhook import WebhookReceiver

pytestmark = [pytest.mark.django_db(transaction=True)]


def a_key(name: str = "ci", dollars: int = 20, **fields: object) -> ApiKey:
    key, _text = ApiKey.issue(name, {"budget_usd": Decimal(dollars), "period": "month", **fields})
    return key


def look(process: WarningProcess) -> list[tuple[str, int]]:
    """(whose, threshold) of the events that a look adds."""
    before = set(WarningEvent.objects.values_list("pk", flat=True))
    process.watcher.look()
    events = WarningEvent.objects.exclude(pk__in=before).order_by("pk")
    return [(event.subject_name, event.threshold) for event in events]


@pytest.fixture
def rule(receiver: WebhookReceiver) -> None:
    a_rule(webhook=receiver.url)


def test_each_threshold_is_warned_of_once(rule: None, process: WarningProcess) -> None:
    key = a_key()
    spend(14.9, key_id=key.pk)
    assert look(process) == []
    spend(0.2, key_id=key.pk)
    assert look(process) == [("ci", 75)]
    assert look(process) == []
    spend(4.0, key_id=key.pk)
    assert look(process) == [("ci", 95)]
    spend(1.0, key_id=key.pk)
    assert look(process) == [("ci", 100)]
    assert look(process) == []


def test_keys_people_and_teams_are_watched(rule: None, process: WarningProcess) -> None:
    user = a_user(name="ann")
    PersonLimits.objects.create(user=user, budget_day=Decimal(1))
    team = a_team("blue", budget_week=Decimal(1))
    spend(0.8, person_id=user.pk)
    spend(0.96, team_id=team.pk)
    assert sorted(look(process)) == [("ann", 75), ("blue", 75), ("blue", 95)]
    texts = sorted(WarningEvent.objects.values_list("text", flat=True))
    assert "Person ann has used 80 % of its budget of 1.00 USD a day" in texts[0]


def test_quota_of_tokens_is_watched_too(rule: None, process: WarningProcess) -> None:
    from bridge.models import UsageHour

    team = a_team("blue", tokens_day=1000)
    from tests.bridge.warned import BEGIN

    UsageHour.objects.create(hour=BEGIN, team_id=team.pk, input_tokens=700, output_tokens=60)
    assert look(process) == [("blue", 75)]
    assert WarningEvent.objects.get().numbers["used_tokens"] == 760


def test_next_period_warns_anew(rule: None, process: WarningProcess, times: Times) -> None:
    key = a_key(dollars=1, period="day")
    spend(0.8, key_id=key.pk)
    assert look(process) == [("ci", 75)]
    times.pass_by(days=1)
    assert look(process) == []
    spend(0.8, times.now, key_id=key.pk)
    assert look(process) == [("ci", 75)]


def test_back_below_and_above_again_sends_nothing_new(rule: None, process: WarningProcess) -> None:
    from bridge.models import UsageHour

    key = a_key(dollars=1)
    spend(0.8, key_id=key.pk)
    assert look(process) == [("ci", 75)]
    UsageHour.objects.update(cost_nano_usd=0)
    assert look(process) == []
    UsageHour.objects.update(cost_nano_usd=8 * 10**8)
    assert look(process) == []


def test_another_budget_is_another_wall(rule: None, process: WarningProcess) -> None:
    key = a_key(dollars=1)
    spend(0.8, key_id=key.pk)
    assert look(process) == [("ci", 75)]
    key.budget_usd = Decimal(2)
    key.save()
    assert look(process) == []
    spend(0.8, key_id=key.pk)
    assert look(process) == [("ci", 75)]


async def test_of_several_at_once_the_furthest_is_sent(
    receiver: WebhookReceiver, process: WarningProcess
) -> None:
    """One request may jump over two thresholds; each rule hears of the one that it wants."""
    from asgiref.sync import sync_to_async

    @sync_to_async
    def prepare() -> None:
        a_rule(webhook=receiver.url)
        a_rule("early", what="budget", threshold=50, webhook=f"{receiver.url}/early")
        spend(19.5, key_id=a_key().pk)

    await prepare()
    await process.work()
    told = sorted((each.path, each.json["numbers"]["threshold"]) for each in receiver.received)
    assert told == [("/hook", 95), ("/hook/early", 50)]


def test_without_rules_nothing_is_noticed(process: WarningProcess) -> None:
    spend(20, key_id=a_key().pk)
    assert look(process) == []


def test_threshold_of_a_rule_stands_alone(
    receiver: WebhookReceiver, process: WarningProcess
) -> None:
    a_rule(what="budget", threshold=50, webhook=receiver.url)
    spend(19.5, key_id=a_key().pk)
    assert look(process) == [("ci", 50)]
    assert WarningEvent.objects.get().deliveries.count() == 1
