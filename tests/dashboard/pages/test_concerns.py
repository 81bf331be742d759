"""What needs attention, and the state of the gateway, as its rows tell them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from bridge.models import ApiKey, Backend, BreakerMode, BreakerState, GatewayProcess, LostRecords
from dashboard.queries import backend_status
from tests.dashboard import reading
from tests.dashboard.making import CODER, NOW, SMALL, enter, issue_keys, record

pytestmark = pytest.mark.django_db

OVERVIEW = reverse("dashboard:overview")
HOUR = timedelta(hours=1)


def told(client: Client, query: str = "range=24h&tz=UTC") -> str:
    """What needs attention now, and what stands out in the range."""
    root = reading.page(client.get(f"{OVERVIEW}?{query}"))
    (section,) = root.all("section", id="attention")
    beside = root.all("section", aria_label="What stands out")
    return " ".join([section.text, *(one.text for one in beside)])


def test_nothing_to_look_at_says_what_would_be(auditor: Client) -> None:
    enter(record(NOW - HOUR, n) for n in range(30))
    assert told(auditor).startswith("What needs attention Nothing.")


def test_an_open_breaker_with_its_last_error(auditor: Client, backends: Any) -> None:
    text = told(auditor)
    assert "Backend spare has its breaker open: The backend answered with status 503" in text


def test_background_work_that_fails(auditor: Client) -> None:
    line = "Background work “ledger” failed and was started again: OverflowError"
    row = GatewayProcess(name="one", host="here", pid=1, seen_at=NOW, troubles=line)
    row.save()
    assert line in told(auditor)
    row.seen_at = NOW - timedelta(minutes=1)
    row.save()
    assert line not in told(auditor)


def test_lost_records_and_limits_apart(auditor: Client, operator: Client) -> None:
    """As the admin names them; no link that an auditor cannot open."""
    LostRecords.objects.create(hour=NOW - HOUR, count=3)
    GatewayProcess.objects.create(name="one", host="here", pid=1, seen_at=NOW, problem="away")
    ApiKey.issue("limited", {"rpm": 5})
    assert "3 usage records were lost" in told(auditor)
    assert "Away Keys" in told(operator)
    assert "Away" in told(auditor) and "Away Keys" not in told(auditor)


def test_a_model_that_fails_often(auditor: Client) -> None:
    enter(record(NOW - HOUR, n, status=500 if n < 10 else 200) for n in range(40))
    assert f"25\u202f% of {CODER}’s requests failed (10)" in told(auditor)


def test_a_few_failures_prove_nothing(auditor: Client) -> None:
    enter(record(NOW - HOUR, n, status=500) for n in range(5))
    assert "failed" not in told(auditor)


def test_a_model_that_became_slow(auditor: Client) -> None:
    enter(record(NOW - HOUR, n, first_token_ms=3000) for n in range(30))
    enter(record(NOW - 25 * HOUR, 100 + n, first_token_ms=900) for n in range(30))
    text = told(auditor)
    assert "takes 3.0\u202fs to its first token on average, 900\u202fms in the 24 hours" in text
    assert "slower" not in told(auditor, "range=24h&compare=off")


def test_the_demo_has_no_price_and_needs_none(auditor: Client) -> None:
    enter([record(NOW, 1, model="demo/echo", backend="demo", cost_nano_usd=None)])
    assert "No price" not in told(auditor)


def test_models_without_a_price(auditor: Client, operator: Client, backends: Any) -> None:
    enter([record(NOW, 1, model=SMALL, cost_nano_usd=None)])
    assert f"No price is known for {SMALL}" in told(auditor)
    assert "Add a price" not in told(auditor) and "Add a price" in told(operator)


def test_keys_about_to_expire(auditor: Client) -> None:
    issue_keys()
    ApiKey.objects.filter(pk=1).update(expires_at=NOW + timedelta(days=2))
    ApiKey.objects.filter(pk=2).update(expires_at=NOW - timedelta(hours=20))
    ApiKey.objects.filter(pk=3).update(expires_at=NOW + timedelta(days=60))
    text = told(auditor)
    assert "Key ci expires in 2 days" in text and "Key maria expired within the last day" in text
    assert "batch" not in text


def test_many_refusals_and_estimates(auditor: Client) -> None:
    enter(record(NOW - HOUR, n, status=401 if n % 2 else 200, estimated=True) for n in range(40))
    text = told(auditor)
    assert "50\u202f% of all requests were refused" in text
    assert "estimates: no usage is reported" in text


def test_the_grave_things_come_first(auditor: Client, backends: Any) -> None:
    enter(record(NOW - HOUR, n, model=SMALL, cost_nano_usd=None) for n in range(3))
    assert told(auditor).index("breaker open") < told(auditor).index("No price")


# --- the state ------------------------------------------------------------------------------------


def backend(name: str = "main", **told: Any) -> Backend:
    return Backend.objects.create(name=name, url="http://main.example.com/v1", **told)


def breaker(row: Backend, failures: int, opened_ago: float | None = None) -> None:
    opened = None if opened_ago is None else NOW - timedelta(seconds=opened_ago)
    BreakerState.objects.create(backend=row, failures=failures, opened_at=opened)


def state() -> tuple[str, str]:
    told = backend_status.gateway(NOW)
    return told.tone, told.word


def test_without_backends_it_is_the_demo() -> None:
    assert state() == ("quiet", "Demo backend")
    backend(enabled=False)
    assert state() == ("quiet", "Demo backend")


def test_one_open_breaker_of_two_degrades() -> None:
    backend()
    assert state() == ("good", "Serving")
    breaker(backend("spare"), 5, opened_ago=1)
    assert state() == ("warn", "Degraded")


def test_when_all_are_open_nothing_is_served() -> None:
    breaker(backend(), 5, opened_ago=1)
    backend("spare", breaker_mode=BreakerMode.OPEN)
    assert state() == ("bad", "Not serving")


@pytest.mark.parametrize(
    ("mode", "failures", "opened_ago", "word"),
    [
        (BreakerMode.AUTOMATIC, 0, None, "closed"),
        (BreakerMode.AUTOMATIC, 2, None, "closed"),
        (BreakerMode.AUTOMATIC, 5, 10, "open"),
        (BreakerMode.AUTOMATIC, 5, 31, "half-open"),
        (BreakerMode.OPEN, 0, None, "forced open"),
        (BreakerMode.CLOSED, 9, None, "forced closed"),
    ],
)
def test_the_words_of_breakers(
    mode: BreakerMode, failures: int, opened_ago: float | None, word: str
) -> None:
    breaker(backend(breaker_mode=mode), failures, opened_ago)
    (told,) = backend_status.gateway(NOW).backends
    assert told.status.breaker == word


def test_of_many_backends_those_with_trouble_are_shown(auditor: Client) -> None:
    for number in range(8):
        backend(f"node-{number}")
    breaker(backend("sick"), 5, opened_ago=1)
    line = reading.page(auditor.get(OVERVIEW)).first("ul", class_="line").text
    assert "sick" in line and "node-1" not in line
    assert "and 8 more that serve" in line
