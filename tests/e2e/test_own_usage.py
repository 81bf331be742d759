"""`GET /v1/usage` of a real server: what a key, or its person, used and has left, for scripts."""

import json
from typing import Any

import pytest

from tests.conftest import Start
from tests.e2e.test_budgets import PRICES, spend, used
from tests.fakes import books
from tests.fakes.backend import FakeBackend
from tests.fakes.client import RawClient
from tests.fakes.gateway import Gateway
from tests.shapes import check_error

USAGE = "/v1/usage"
MAKE = """
import json
from django.contrib.auth.models import User
from bridge.models import ApiKey, PersonLimits, Team, TeamMember
from bridge.models.people.keys import KeyKind
ann, bob = (User.objects.create(username=name) for name in ("ann", "bob"))
team = Team.objects.create(name="blue", tokens_day=10**6)
TeamMember.objects.create(team=team, user=ann)
PersonLimits.objects.create(user=ann, budget_month="20")
given = {
    "laptop": {"person": ann, "budget_usd": "5", "period": "total"},
    "session": {"person": ann, "kind": KeyKind.SESSION},
    "bobs": {"person": bob},
    "nobodys": {},
}
print(json.dumps({name: ApiKey.issue(name, one)[1] for name, one in given.items()}))
"""


@pytest.fixture(scope="module")
def served(launch_gateway: Start) -> Gateway:
    gateway = launch_gateway("serve")
    gateway.configure(prices=PRICES)
    return gateway


@pytest.fixture(scope="module")
def keys(served: Gateway) -> dict[str, RawClient]:
    made = json.loads(served.manage("shell", "-v0", "-c", MAKE))
    clients = {name: served.with_key(key) for name, key in made.items()}
    for client in clients.values():
        books.until(lambda c=client: c.get(USAGE).status, lambda status: status == 200, served)  # type: ignore[misc]
    return clients


def usage(client: RawClient, query: str = "") -> dict[str, Any]:
    answer = client.get(f"{USAGE}{query}")
    assert answer.status == 200, answer.body
    assert answer.headers["cache-control"] == "no-store"
    found: dict[str, Any] = answer.json
    return found


def wait_for(gateway: Gateway, client: RawClient, requests: int, query: str = "") -> dict[str, Any]:
    """The answer, once it counts so many requests."""
    found = books.until(
        lambda: usage(client, query), lambda a: a["total"]["requests"] >= requests, gateway
    )
    assert found["total"]["requests"] == requests
    return found


def test_keys_of_a_person_have_their_own_sums_and_hers_together(
    served: Gateway, keys: dict[str, RawClient], backend: FakeBackend
) -> None:
    """Issued, session and forwarded keys; sums of others are in no answer, whatever is asked."""
    spend(backend)
    for name, times in (("laptop", 2), ("session", 1), ("bobs", 3)):
        for _ in range(times):
            assert keys[name].messages().status == 200
    laptop = wait_for(served, keys["laptop"], 2, "?by=model")
    assert (laptop["of"], laptop["name"], laptop["total"]["cost_usd"]) == ("key", "laptop", "0.50")
    assert [line["input_tokens"] for line in laptop["data"]] == [200_000]
    assert wait_for(served, keys["session"], 1)["total"]["output_tokens"] == 5_000
    assert wait_for(served, keys["bobs"], 3)["total"]["cost_usd"] == "0.75"
    for name in ("laptop", "session"):
        together = wait_for(served, keys[name], 3, "?of=person&by=key")
        assert together["name"] == "ann"
        assert {line["key"]: line["cost_usd"] for line in together["data"]} == {
            "laptop": "0.50",
            "session": "0.25",
        }
    assert usage(keys["nobodys"])["total"]["requests"] == 0
    line = used(served, "laptop")
    assert line["requests"] == laptop["total"]["requests"]
    assert line["cost_usd"] == float(laptop["total"]["cost_usd"])
    said = {(each["of"], each["used"], each["limit"]) for each in laptop["budgets"]}
    assert said == {("key", "0.50", "5.00"), ("person", "0.75", "20.00")}
    assert [each["resets_at"] for each in laptop["budgets"] if each["of"] == "key"] == [None]
    (quota,) = laptop["quotas"]
    assert (quota["of"], quota["name"], quota["limit"]) == ("team", "blue", 10**6)
    assert quota["used"] == 315_000
    assert usage(keys["bobs"])["budgets"] == usage(keys["bobs"])["quotas"] == []


def test_forwarded_key_sees_what_its_fingerprint_used(
    served: Gateway, backend: FakeBackend
) -> None:
    one, other = (served.with_key(f"cpk_forwarded_{name}") for name in ("one", "other"))
    assert one.messages().status == 200
    found = wait_for(served, one, 1, "?by=day")
    assert found["name"].startswith("key-")
    assert len(found["data"]) == 1
    assert usage(other)["total"]["requests"] == 0
    refused = one.get(f"{USAGE}?of=person")
    assert (refused.status, refused.json["error"]["message"]) == (
        400,
        "of: this key belongs to no person",
    )


@pytest.mark.parametrize("query", ["?by=colour", "?from=2020-01-01", "?to=soon", "?key=bobs"])
def test_bad_question_names_its_field(
    served: Gateway, keys: dict[str, RawClient], query: str
) -> None:
    refused = keys["laptop"].get(f"{USAGE}{query}")
    assert refused.status == 400
    name = query.strip("?").partition("=")[0]
    assert check_error(refused.json)["error"]["message"].startswith(f"{name}: ")


@pytest.mark.parametrize("key", [None, "gwk_unknown"])
def test_no_good_key_sees_nothing(served: Gateway, key: str | None) -> None:
    refused = served.with_key(key).get(USAGE)
    assert (refused.status, refused.headers["x-should-retry"]) == (401, "false")
    check_error(refused.json)


def test_it_is_read_only(keys: dict[str, RawClient]) -> None:
    refused = keys["laptop"].post(USAGE, {})
    assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD")
