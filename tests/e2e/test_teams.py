"""Keys of one team stop exactly at what it may use together, in one process and in several; who is
out of it is out at the next request. People and teams."""

import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bridge.keys.limiter import AWAY
from tests.conftest import Start
from tests.e2e.test_budgets import PRICES, spend
from tests.fakes import books
from tests.fakes.backend import FakeBackend
from tests.fakes.client import Response
from tests.fakes.crowd import Crowd, Seen
from tests.fakes.gateway import Gateway
from tests.fakes.redis import RedisServer
from tests.shapes import check_error

MAKE = """
import json, sys
from django.contrib.auth.models import User
from bridge.models import ApiKey, Team, TeamMember
limits = json.load(sys.stdin)
team = Team.objects.create(name="blue", **limits)
ann = User.objects.create(username="ann")
TeamMember.objects.create(team=team, user=ann)
of_team = [{"team": team}] * 4 + [{"person": ann}]
print(json.dumps([ApiKey.issue(f"k{n}", given)[1] for n, given in enumerate(of_team)]))
"""
EACH = 40
RPM = 60
REFUSED = f"Rate limit of team blue ({RPM} requests per minute) exceeded"


def make(gateways: Sequence[Gateway], **limits: Any) -> list[str]:
    """Five keys of a team, the last one by its person; all gateways know them."""
    said = gateways[0].manage("shell", "-v0", "-c", MAKE, said=json.dumps(limits))
    keys: list[str] = json.loads(said)
    for gateway in gateways:
        last = gateway.with_key(keys[-1])
        books.until(lambda c=last: c.get("/v1/models").status, lambda s: s == 200, gateway)  # type: ignore[misc]
    return keys


def rush(gateways: Sequence[Gateway], keys: Sequence[str]) -> list[Seen]:
    """Each key asks 40 times at once, all of them at the same time."""
    with ExitStack() as crowds:
        asking = [
            crowds.enter_context(
                Crowd(gateways[n % len(gateways)].url, EACH, at_once=EACH, key=key)
            )
            for n, key in enumerate(keys)
        ]
        return [one for crowd in asking for one in crowd.wait_all()]


def check_exact(seen: Sequence[Seen]) -> None:
    passed = [one for one in seen if one.status == 200]
    assert (len(seen), len(passed)) == (5 * EACH, RPM)
    left = [int(one.headers["anthropic-ratelimit-requests-remaining"]) for one in passed]
    assert sorted(left) == list(range(RPM)), "one book for all keys"
    refused = [one for one in seen if one.status != 200]
    assert {one.status for one in refused} == {429}
    assert {check_error(one.body)["error"]["message"] for one in refused} == {REFUSED}


def test_five_keys_stop_exactly_at_the_limits_of_their_team(
    start_gateway: Start, backend: FakeBackend
) -> None:
    """200 at once in one process."""
    gateway = start_gateway("serve")
    keys = make([gateway], rpm=RPM, budget_month=100, tokens_day=10**9)
    check_exact(rush([gateway], keys))
    assert len(backend.calls) == RPM
    rows = books.wait_for_rows(gateway, 5 * EACH)
    assert {(row["team"], row["person"]) for row in rows} == {("blue", ""), ("blue", "ann")}
    books.check(gateway)


def test_three_processes_stop_together(
    start_gateway: Start, backend: FakeBackend, tmp_path: Path
) -> None:
    """200 at once over three processes that share Redis; `check_ledger` agrees on the counters."""
    spend(backend)
    with RedisServer(tmp_path) as redis:
        database = f"sqlite:///{tmp_path / 'shared.sqlite3'}"
        shared = {"DATABASE_URL": database, "REDIS_URL": redis.url, "SECRET_KEY": "s" * 50}
        first = start_gateway("serve", **shared, LOG_LEVEL="warning")
        others = [start_gateway(how, **shared, LOG_LEVEL="warning") for how in ("uvicorn", "serve")]
        gateways = [first, *others]
        first.configure(prices=PRICES)
        keys = make(gateways, rpm=RPM, budget_month=1000, tokens_day=10**9)
        seen = rush(gateways, keys)
        assert not any(AWAY in gateway.log for gateway in gateways), "they counted alone"
        check_exact(seen)
        assert len(backend.calls) == RPM
        books.wait_for_rows(first, 5 * EACH)
        books.check(first)
        assert spent(redis) == {"spent": RPM * 25 * 10**7, "used": RPM * 105_000}
        for gateway in gateways:
            gateway.stop()


def spent(redis: RedisServer) -> dict[str, int]:
    """What Redis has counted for the only team in the month."""
    name = next(name for name in redis.names("") if ":team:" in name and name.count("-") == 2)
    with redis.client() as client:
        found: Any = client.hgetall(name)
    return {key: int(found[key]) for key in ("spent", "used")}


def test_budget_of_a_team_is_spent_by_all_its_keys(
    start_gateway: Start, backend: FakeBackend
) -> None:
    """And is known after a restart."""
    spend(backend)
    gateway = start_gateway("serve")
    gateway.configure(prices=PRICES)
    keys = make([gateway], budget_day="0.7")
    for key in keys[2:]:
        assert gateway.with_key(key).messages().status == 200
    told = "Budget of team blue (0.70 USD a day) is used up, the next one begins at 2"
    for key in keys:
        assert refusal(gateway.with_key(key).messages()).startswith(told)
    gateway.stop()
    again = start_gateway("serve", after=gateway)
    assert refusal(again.with_key(keys[0]).messages()).startswith(told)


def refusal(response: Response) -> str:
    error = check_error(response.json)["error"]
    assert (response.status, error["type"]) == (429, "billing_error")
    assert response.headers["x-should-retry"] == "false"
    return str(error["message"])


def test_who_is_out_is_out_at_the_next_request(start_gateway: Start, backend: FakeBackend) -> None:
    """A dead credential: 401, and no try again."""
    gateway = start_gateway("serve")
    keys = make([gateway])
    of_team, of_ann = gateway.with_key(keys[0]), gateway.with_key(keys[-1])
    ended = "from django.contrib.auth.models import User; u = User.objects.get(username='ann'); "
    gateway.manage("shell", "-v0", "-c", f"{ended}u.is_active = False; u.save()")
    dead = books.until(of_ann.messages, lambda answer: answer.status == 401, gateway)
    assert dead.headers["x-should-retry"] == "false"
    said = check_error(dead.json)["error"]["message"]
    assert "belongs to ann, whose account is not active" in said
    assert of_team.messages().status == 200
    ended = "from bridge.models import Team; t = Team.objects.get(); "
    gateway.manage("shell", "-v0", "-c", f"{ended}t.enabled = False; t.save()")
    dead = books.until(of_team.messages, lambda answer: answer.status == 401, gateway)
    assert dead.headers["x-should-retry"] == "false"
    said = check_error(dead.json)["error"]["message"]
    assert "belongs to the team blue, which is not enabled" in said
