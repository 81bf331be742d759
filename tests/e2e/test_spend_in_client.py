"""What is spent and left, as Claude Code reads it: the headers of answers and of the wall, and
`/api/oauth/usage`. Each row of the gateway contract of Claude Code, sections 2 and 6."""

import json
from datetime import UTC, datetime, timedelta
from http.client import HTTPMessage
from typing import Any

import pytest

from bridge.keys.spend_headers import NAMES, PREFIX
from tests.conftest import Start
from tests.e2e.test_budgets import PRICES, spend
from tests.fakes import books
from tests.fakes.backend import FakeBackend
from tests.fakes.client import Response, ask
from tests.fakes.gateway import Gateway
from tests.shapes import check_error

ADVICE = "Request more at https://wiki.example.com/budgets"
ORIGIN = "https://chat.example.com"
NOTICE = f"{PREFIX}overage-surpassed-threshold"
MAKE = """
import json, sys
from datetime import timedelta
from django.contrib.auth.models import User
from django.utils import timezone
from bridge.models import ApiKey, PersonLimits, Team, UsageHour
wanted = json.load(sys.stdin)
name = wanted["name"]
person = User.objects.create(username=f"person-{name}") if "person" in wanted else None
if wanted.get("person"):
    PersonLimits.objects.create(user=person, **wanted["person"])
team = Team.objects.create(name=f"team-{name}", **wanted["team"]) if "team" in wanted else None
key, secret = ApiKey.issue(name, wanted.get("key", {}) | {"person": person, "team": team})
if wanted.get("past"):
    hour = (timezone.now() - timedelta(days=40)).replace(minute=0, second=0, microsecond=0)
    UsageHour.objects.create(key_id=key.pk, hour=hour, cost_nano_usd=wanted["past"])
print(secret)
"""


@pytest.fixture(scope="module")
def served(launch_gateway: Start) -> Gateway:
    gateway = launch_gateway("serve", BUDGET_ADVICE=ADVICE, CORS_ORIGINS=ORIGIN)
    gateway.configure(prices=PRICES)
    return gateway


class Holders:
    """Makes holders of keys; each answer costs them 0.25 USD."""

    def __init__(self, gateway: Gateway, backend: FakeBackend) -> None:
        self._gateway = gateway
        spend(backend)

    def make(self, name: str, **limits: Any) -> "Holder":
        wanted = json.dumps({"name": name} | limits)
        key = self._gateway.manage("shell", "-v0", "-c", MAKE, said=wanted).strip()
        holder = Holder(self._gateway, key)
        books.until(lambda: holder.usage().status, lambda status: status == 200, self._gateway)
        return holder


class Holder:
    """Asks with one key."""

    def __init__(self, gateway: Gateway, key: str) -> None:
        self.client = gateway.with_key(key)

    def usage(self) -> Response:
        return self.client.get("/api/oauth/usage")

    def answered(self, *, stream: bool = False) -> dict[str, str]:
        """The headers on spend of an answer."""
        response = self.client.messages(stream=stream)
        assert response.status == 200, response.body
        return unified(response.headers)

    def refused(self, *, stream: bool = False) -> Response:
        response = self.client.messages(stream=stream)
        assert response.status == 429, response.body
        assert check_error(response.json)["error"]["type"] == "billing_error"
        assert response.headers["x-should-retry"] == "false"
        return response


@pytest.fixture
def holders(served: Gateway, backend: FakeBackend) -> Holders:
    return Holders(served, backend)


def unified(headers: HTTPMessage) -> dict[str, str]:
    """Those of the section, by the rest of their names."""
    return {
        name.lower().removeprefix(PREFIX): value
        for name, value in headers.items()
        if name.lower().startswith(PREFIX)
    }


def ends() -> dict[str, datetime]:
    """When the day, the week and the month of now end, by the calendar of UTC."""
    day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return {
        "daily": day + timedelta(days=1),
        "weekly": day + timedelta(days=7 - day.weekday()),
        "monthly": (day.replace(day=1) + timedelta(days=32)).replace(day=1),
    }


def seconds(moment: datetime) -> str:
    return str(int(moment.timestamp()))


def iso(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.000Z"


def allowed(share: str, reset: datetime, threshold: str = "") -> dict[str, str]:
    status = "allowed_warning" if threshold else "allowed"
    lines = {
        "status": status,
        "overage-status": status,
        "representative-claim": "overage",
        "overage-utilization": share,
        "reset": seconds(reset),
        "overage-reset": seconds(reset),
    }
    return lines | ({"overage-surpassed-threshold": threshold} if threshold else {})


def rejected(period: str, reset: datetime) -> dict[str, str]:
    return {
        "status": "rejected",
        "reset": seconds(reset),
        "overage-reset": seconds(reset),
        "overage-utilization": "1",
        "overage-surpassed-threshold": "1",
        "overage-period": period,
        "overage-disabled-reason": "org_spend_cap_reached",
    }


BUDGETS = [
    pytest.param("0.26", "0.96", "0.95", "critical", id="past 95 %"),
    pytest.param("0.33", "0.76", "0.75", "warning", id="past 75 %"),
    pytest.param("1", "0.25", "", "normal", id="below"),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("dollars", "share", "threshold", "severity"), BUDGETS)
def test_answer_says_how_much_is_used(
    holders: Holders, dollars: str, share: str, threshold: str, severity: str, stream: bool
) -> None:
    """Section 6: plain and streamed; `-surpassed-threshold` only once one was passed."""
    holder = holders.make(f"{dollars}-{stream}", key={"budget_usd": dollars, "period": "day"})
    assert holder.answered(stream=stream) == allowed("0.00", ends()["daily"])
    used = holder.usage().json
    assert holder.answered(stream=stream) == allowed(share, ends()["daily"], threshold)
    percent = round(float(share) * 100)
    assert used == {
        "extra_usage": {
            "is_enabled": True,
            "monthly_limit": round(float(dollars) * 100),
            "used_credits": 25,
            "utilization": percent,
            "currency": "USD",
        },
        "limits": [
            {
                "kind": "spend",
                "group": "daily",
                "percent": percent,
                "resets_at": iso(ends()["daily"]),
                "severity": severity,
                "is_active": True,
            }
        ],
    }


@pytest.mark.parametrize(
    ("period", "group"), [("day", "daily"), ("week", "weekly"), ("month", "monthly")]
)
def test_wall_says_when_it_resets_and_what_to_do(holders: Holders, period: str, group: str) -> None:
    """Section 6: without `-representative-claim` and `-overage-status`, so that the client prints
    our sentence."""
    holder = holders.make(f"wall-{period}", key={"budget_usd": "0.2", "period": period})
    holder.answered()
    end = ends()[group]
    for stream in (False, True):
        refused = holder.refused(stream=stream)
        assert unified(refused.headers) == rejected(group, end)
        left = end.timestamp() - datetime.now(UTC).timestamp()
        assert 0 <= int(refused.headers["retry-after"]) - left <= 60
        assert refused.json["error"]["message"] == (
            f"Budget of 0.20 USD a {period} is used up, the next one begins at "
            f"{end:%Y-%m-%dT%H:%M:%SZ}. {ADVICE}"
        )
    used = holder.usage().json
    assert used["extra_usage"]["utilization"] == used["limits"][0]["percent"] == 125
    assert used["limits"][0]["resets_at"] == iso(end)


def test_prepaid_budget_promises_no_new_beginning(holders: Holders) -> None:
    """Ours: a moment that never comes is left out, which the client reads as not known."""
    holder = holders.make("prepaid", key={"budget_usd": "0.3", "period": "total"})
    holder.answered()
    seen = holder.answered()
    assert seen["overage-surpassed-threshold"] == "0.75"
    assert seen.keys() & {"reset", "overage-reset"} == set()
    refused = holder.refused()
    assert "retry-after" not in refused.headers
    assert unified(refused.headers) == {
        "status": "rejected",
        "overage-utilization": "1",
        "overage-surpassed-threshold": "1",
        "overage-disabled-reason": "org_spend_cap_reached",
    }
    message = refused.json["error"]["message"]
    assert message == f"Budget of 0.30 USD in all is used up. {ADVICE}"
    (limit,) = holder.usage().json["limits"]
    assert (limit["group"], limit["resets_at"]) == ("total", None)


def test_fullest_of_several_budgets_is_described(holders: Holders) -> None:
    """Section 6, and the row of `is_active` is the one that the headers describe."""
    holder = holders.make(
        "several",
        key={"budget_usd": "10", "period": "month"},
        person={"budget_week": "0.4"},
        team={"budget_day": "2"},
    )
    holder.answered()
    assert holder.answered() == allowed("0.63", ends()["weekly"])
    limits = {limit["group"]: limit for limit in holder.usage().json["limits"]}
    assert {group: limit["is_active"] for group, limit in limits.items()} == {
        "daily": False,
        "weekly": True,
        "monthly": False,
    }
    refused = holder.refused()
    assert unified(refused.headers) == rejected("weekly", ends()["weekly"])
    assert "person person-several (0.40 USD a week)" in refused.json["error"]["message"]


def test_wall_of_a_team_is_named_as_one_that_is_shared(holders: Holders) -> None:
    """Section 6: `-overage-scope: group_pool`, at the wall alone."""
    holder = holders.make("shared", team={"budget_month": "0.3"})
    holder.answered()
    assert holder.answered() == allowed("0.83", ends()["monthly"], "0.75")
    pool = {"overage-scope": "group_pool"}
    assert unified(holder.refused().headers) == rejected("monthly", ends()["monthly"]) | pool


def test_past_period_does_not_count(holders: Holders) -> None:
    """Nine dollars were spent forty days ago."""
    holder = holders.make("past", key={"budget_usd": "1", "period": "month"}, past=9 * 10**9)
    assert holder.answered() == allowed("0.00", ends()["monthly"])
    assert holder.usage().json["extra_usage"]["used_credits"] == 25


@pytest.mark.parametrize("whose", [{}, {"person": {}}, {"key": {"rpm": 100, "tokens_day": 10**9}}])
def test_caller_without_a_budget_gets_none_of_it(
    holders: Holders, served: Gateway, whose: dict[str, Any]
) -> None:
    """Section 6: no headers; the sums of month, day and week instead of limits."""
    holder = holders.make(f"free-{len(json.dumps(whose))}", **whose)
    assert holder.answered() == holder.answered(stream=True) == {}
    used = books.until(
        lambda: holder.usage().json,
        lambda seen: seen["extra_usage"]["used_credits"] == 50,
        served,
    )
    without = {"limit": None, "used_credits": 50, "utilization": None}
    assert used == {
        "extra_usage": {
            "is_enabled": True,
            "monthly_limit": None,
            "used_credits": 50,
            "utilization": None,
            "currency": "USD",
            "daily": without,
            "weekly": without,
        },
        "limits": [],
    }


def test_forwarded_key_sees_its_own_spend(served: Gateway, holders: Holders) -> None:
    client = served.client
    assert unified(client.messages().headers) == {}
    books.until(
        lambda: client.get("/api/oauth/usage").json["extra_usage"]["used_credits"],
        lambda cents: cents >= 25,
        served,
    )


def test_usage_is_never_stored_and_needs_a_key(served: Gateway) -> None:
    """Section 6: `cache-control: no-store`. A dead credential: section 2."""
    good = served.client.get("/v1/api/oauth/usage/?skip_spend=1")
    assert (good.status, good.headers["cache-control"]) == (200, "no-store")
    for key in (None, "gwk_unknown"):
        refused = served.with_key(key).get("/api/oauth/usage")
        assert (refused.status, refused.headers["x-should-retry"]) == (401, "false")
        assert check_error(refused.json)["error"]["type"] == "authentication_error"
    assert served.client.post("/api/oauth/usage", {}).status == 405


def test_other_refusals_carry_no_word_on_spend(holders: Holders) -> None:
    """Ours: a limit of a minute is no wall."""
    holder = holders.make("rpm", key={"budget_usd": "5", "rpm": 1})
    assert holder.answered()["status"] == "allowed"
    refused = holder.client.messages()
    assert (refused.status, unified(refused.headers)) == (429, {})
    assert ADVICE not in refused.json["error"]["message"]


def test_answer_of_the_gateways_own_tells_it_too(holders: Holders) -> None:
    """On each 200: one for a search that no backend can make, and one that warms a cache."""
    holder = holders.make("own", key={"budget_usd": "0.33", "period": "day"})
    holder.answered()
    search = {"type": "web_search_20250305", "name": "web_search"}
    seen = allowed("0.76", ends()["daily"], "0.75")
    for body in (ask(tools=[search]), ask(max_tokens=0)):
        response = holder.client.post("/v1/messages", body)
        assert (response.status, unified(response.headers)) == (200, seen)


def test_pages_of_other_origins_may_read_it(served: Gateway, backend: FakeBackend) -> None:
    answer = served.client.post("/v1/messages", ask(), {"origin": ORIGIN})
    exposed = answer.headers["access-control-expose-headers"].split(", ")
    assert set(NAMES) <= set(exposed)


def test_refused_while_nobody_can_read_what_was_spent(
    start_gateway: Start, backend: FakeBackend
) -> None:
    """Section 6, with BUDGET_UNREADABLE=refuse: two headers and a sentence; then it recovers."""
    gateway = start_gateway("serve", BUDGET_UNREADABLE="refuse")
    key = gateway.manage(
        "shell", "-v0", "-c", MAKE, said=json.dumps({"name": "k", "key": {"budget_usd": "5"}})
    ).strip()
    free = gateway.manage("shell", "-v0", "-c", MAKE, said=json.dumps({"name": "f"})).strip()
    gateway.stop()
    rename(gateway, "bridge_usagehour", "hidden")
    gateway = start_gateway("serve", after=gateway, BUDGET_UNREADABLE="refuse")
    holder = Holder(gateway, key)
    refused = holder.refused()
    assert unified(refused.headers) == {"overage-disabled-reason": "fetch_error"}
    assert "retry-after" not in refused.headers
    assert "cannot be read now" in refused.json["error"]["message"]
    assert gateway.with_key(free).messages().status == 200
    for path in ("/api/oauth/usage", "/v1/usage"):
        unread = gateway.with_key(free).get(path)
        assert (unread.status, unread.headers["cache-control"]) == (503, "no-store")
    rename(gateway, "hidden", "bridge_usagehour")
    books.until(holder.client.messages, lambda answer: answer.status == 200, gateway)


def rename(gateway: Gateway, table: str, name: str) -> None:
    change = f"from django.db import connection as c; c.cursor().execute('ALTER TABLE {table} "
    gateway.manage("shell", "-v0", "-c", f"{change}RENAME TO {name}')")
