"""Counters of budgets in Redis against the ledger, as `check_ledger` compares them."""

import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from bridge.cluster import redis as redis_connection
from bridge.keys import redis_limiter
from bridge.keys.limits import AccountKind, AccountRef
from bridge.ledger import counter_audit, writer
from bridge.ledger.record import Record
from bridge.ledger.repricing.counters import raise_counters
from bridge.management.commands import check_ledger
from bridge.models import ApiKey, PersonLimits
from tests.bridge.people import a_team, a_user
from tests.fakes.redis import RedisServer
from tests.fakes.rival import key_ref

pytestmark = pytest.mark.django_db
DOLLAR = 10**9


@pytest.fixture
def shared(tmp_path: Path, settings: Any) -> Iterator[RedisServer]:
    settings.DATA_DIR = tmp_path / "data"
    with RedisServer(tmp_path) as server:
        settings.REDIS_URL = server.url
        yield server


def a_key_that_spent(dollars: int) -> ApiKey:
    key, _ = ApiKey.issue("team", {"budget_usd": Decimal(50)})
    writer.enter([Record("req_1", key="team", key_id=key.pk, cost_nano_usd=dollars * DOLLAR)])
    return key


def count(key: ApiKey, dollars: int) -> None:
    name = redis_limiter.usage_key(key_ref(key.pk), "month", time.time())
    with redis_connection.connect() as redis:
        redis.hset(name, "spent", str(dollars * DOLLAR))


def no_pause(seconds: float) -> None:
    """Nothing is on its way here."""


def test_nothing_is_compared_without_redis(settings: Any) -> None:
    """Ours: counters in memory end with their process."""
    settings.REDIS_URL = ""
    a_key_that_spent(3)
    assert check_ledger.counter_differences() == []


@pytest.mark.parametrize("counted", [None, 3])
def test_counter_that_agrees_or_was_never_asked_is_no_difference(
    shared: RedisServer, counted: int | None
) -> None:
    key = a_key_that_spent(3)
    if counted is not None:
        count(key, counted)
    assert counter_audit.differences(no_pause) == []


def test_difference_is_named_with_both_sums(shared: RedisServer) -> None:
    key = a_key_that_spent(3)
    count(key, 4)
    (told,) = counter_audit.differences(no_pause)
    assert told.startswith("key team: 4")
    assert "USD counted this month, 3" in told


def test_what_is_a_row_by_the_second_look_is_no_difference(shared: RedisServer) -> None:
    """Ours: a request is counted before its row is there."""
    key = a_key_that_spent(3)
    count(key, 4)

    def written_meanwhile(seconds: float) -> None:
        writer.enter([Record("req_2", key="team", key_id=key.pk, cost_nano_usd=DOLLAR)])

    assert counter_audit.differences(written_meanwhile) == []


@pytest.mark.parametrize("counted", [None, 2, 4])
def test_counters_follow_where_requests_got_another_cost(
    shared: RedisServer, counted: int | None
) -> None:
    """A counter that knows more, of requests that are no rows yet, stays."""
    key = a_key_that_spent(3)
    if counted is not None:
        count(key, counted)
    raise_counters()
    name = redis_limiter.usage_key(key_ref(key.pk), "month", time.time())
    with redis_connection.connect() as redis:
        wanted = None if counted is None else str(max(3, counted) * DOLLAR).encode()
        assert redis.hget(name, "spent") == wanted


def test_command_says_that_redis_is_away(shared: RedisServer) -> None:
    a_key_that_spent(3)
    shared.stop()
    with pytest.raises(CommandError, match="Redis does not answer"):
        call_command("check_ledger")


def test_tokens_of_a_quota_are_compared_too(shared: RedisServer) -> None:
    key, _ = ApiKey.issue("team", {"tokens_week": 500})
    writer.enter([Record("req_1", key="team", key_id=key.pk, input_tokens=70, output_tokens=7)])
    name = redis_limiter.usage_key(key_ref(key.pk), "week", time.time())
    with redis_connection.connect() as redis:
        redis.hset(name, mapping={"spent": 0, "used": 77})
        assert counter_audit.differences(no_pause) == []
        redis.hset(name, "used", "80")
    assert counter_audit.differences(no_pause) == [
        "key team: 80 tokens counted this week, 77 tokens in the ledger"
    ]


def test_people_and_teams_are_compared_too(shared: RedisServer) -> None:
    ann = a_user(name="ann")
    team = a_team("blue", ann, budget_day=Decimal(5))
    PersonLimits.objects.create(user=ann, tokens_month=100)
    whose: dict[str, Any] = {
        "person": "ann",
        "person_id": ann.pk,
        "team": "blue",
        "team_id": team.pk,
    }
    writer.enter([Record("req_1", key="k", key_id=1, output_tokens=7, **whose)])
    now = time.time()
    person = redis_limiter.usage_key(AccountRef(AccountKind.PERSON, ann.pk), "month", now)
    shared_by_team = redis_limiter.usage_key(AccountRef(AccountKind.TEAM, team.pk), "day", now)
    with redis_connection.connect() as redis:
        redis.hset(person, mapping={"spent": 0, "used": 7})
        redis.hset(shared_by_team, mapping={"spent": 0, "used": 7})
        assert counter_audit.differences(no_pause) == []
        redis.hset(person, "used", 9)
        redis.hset(shared_by_team, "spent", DOLLAR)
    assert counter_audit.differences(no_pause) == [
        "person ann: 9 tokens counted this month, 7 tokens in the ledger",
        "team blue: 1.000000000 USD counted this day, 0.000000000 USD in the ledger",
    ]
