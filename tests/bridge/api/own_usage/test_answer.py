"""The numbers of /v1/usage are those of `manage.py usage` and of the dashboard."""

import json
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from bridge.api.own_usage import answer
from bridge.api.own_usage.question import question_of
from bridge.keys.authentication import Caller, IssuedKey, Principal
from bridge.keys.decisions import QuotaState
from bridge.keys.limits import Account, AccountKind, AccountRef, Limits
from bridge.models import UsageHour
from dashboard.pages import page
from tests.dashboard.conftest import visitor
from tests.dashboard.making import FORWARDED, NOW, issue_keys
from tests.dashboard.months import enter_month
from tests.dashboard.reading import content

pytestmark = pytest.mark.django_db
COUNTS = ("requests", "errors", "input_tokens", "output_tokens", "cache_read_tokens", "unpriced")
PERSON = Principal(9, "maria")
MARIA = Caller("f0", IssuedKey(2, "maria", person=PERSON))
CALLERS = [
    pytest.param(MARIA, "maria", id="issued"),
    pytest.param(Caller(FORWARDED, secret="cpk_1"), f"key-{FORWARDED}", id="forwarded"),
]


@pytest.fixture
def ledger() -> None:
    issue_keys()
    enter_month(600)
    # maria's keys count for her, and so does one that was deleted
    UsageHour.objects.filter(key_id__in=(2, 4)).update(person_id=9, person="maria")


@pytest.fixture
def auditor(monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setattr(page, "timezone", SimpleNamespace(now=lambda: NOW))
    return visitor("auditor")


def ask(query: str, caller: Caller = MARIA) -> dict[str, Any]:
    question = question_of(query, caller, NOW)
    found: dict[str, Any] = answer.document(question, caller, answer.summed(question), ())
    return found


def command(by: str, **options: str) -> list[dict[str, Any]]:
    out = StringIO()
    call_command("usage", by=by, format="json", stdout=out, **options)
    found: list[dict[str, Any]] = json.loads(out.getvalue())
    return found


def plain(line: dict[str, Any]) -> dict[str, Any]:
    return {name: line[name] for name in COUNTS} | {"cost": round(float(line["cost_usd"]), 9)}


@pytest.mark.parametrize("by", ["model", "day", "class"])
@pytest.mark.parametrize(("caller", "name"), CALLERS)
@pytest.mark.usefixtures("ledger")
def test_lines_are_those_of_the_command(caller: Caller, name: str, by: str) -> None:
    """Equal to `manage.py usage`."""
    found = ask(f"from=2025-02-01&to=2025-03-20&by={by}", caller)
    lines = command(by, key=name, since="2025-02-01", until="2025-03-21")
    assert lines
    assert {line[by]: plain(line) for line in found["data"]} == {
        line[by]: plain(line) for line in lines
    }
    assert found["total"]["requests"] == sum(line["requests"] for line in lines)


@pytest.mark.parametrize(("caller", "name"), CALLERS)
@pytest.mark.usefixtures("ledger")
def test_sums_are_those_of_the_dashboard(auditor: Client, caller: Caller, name: str) -> None:
    """Equal to the reports' table of keys."""
    query = {"from": "2025-03-01", "to": "2025-03-20", "tz": "UTC"}
    file = auditor.get("/dashboard/keys/", {**query, "format": "json", "rows": "all"})
    rows = json.loads(content(file))
    shown = next(row for row in rows if row["key"] == name)
    total = ask("from=2025-03-01&to=2025-03-20", caller)["total"]
    assert total["requests"] == shown["requests"] > 0
    tokens = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
    assert sum(total[name] for name in tokens) == shown["tokens"]
    assert Decimal(total["cost_usd"]) == Decimal(str(shown["cost_usd"]))


@pytest.mark.usefixtures("ledger")
def test_person_has_all_keys_and_nobody_elses() -> None:
    """`of=person`."""
    found = ask("from=2025-02-01&to=2025-03-20&of=person&by=key")
    assert (found["of"], found["name"]) == ("person", "maria")
    assert {line["key"] for line in found["data"]} == {"maria", "former-intern (deleted)"}
    lines = [ask("from=2025-02-01&to=2025-03-20&by=key")["total"]]
    assert lines[0]["requests"] < found["total"]["requests"]


def test_key_that_used_nothing_has_noughts() -> None:
    found = ask("by=model")
    assert found["data"] == []
    assert found["total"]["requests"] == 0
    assert found["total"]["cost_usd"] == "0.00"


def test_cost_is_exact_and_has_cents() -> None:
    """Ours: sums of billionths of a dollar are exact, and floats are not."""
    hour = NOW.replace(minute=0, second=0)
    for number, cost in enumerate((100_000_000, 200_000_000, 1)):
        UsageHour.objects.create(
            key_id=2, hour=hour - timedelta(hours=number), requests=1, cost_nano_usd=cost
        )
    found = ask("from=2025-03-20&by=hour")
    assert found["total"]["cost_usd"] == "0.300000001"
    assert [line["cost_usd"] for line in found["data"]] == ["0.000000001", "0.20", "0.10"]


def test_too_many_models_end_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours: clients choose the names of models where a backend has no list."""
    monkeypatch.setattr(answer, "MOST_LINES", 2)
    hour = NOW.replace(minute=0, second=0)
    for number in range(4):
        UsageHour.objects.create(
            key_id=2, hour=hour, model=f"m{number}", requests=number + 1, cost_nano_usd=0
        )
    found = ask("by=model")
    assert [(line["model"], line["requests"]) for line in found["data"]] == [
        ("m3", 4),
        ("m2", 3),
        ("(others)", 3),
    ]
    assert found["total"]["requests"] == 10


def test_quotas_say_what_is_used_and_when_they_begin_anew() -> None:
    """Used, limit, resets_at; a prepaid budget never resets."""
    limits = Limits(budget_month=Decimal(20), budget_total=Decimal(5), tokens_day=1000)
    account = Account(AccountRef(AccountKind.PERSON, 9), "maria", limits)
    used, resets = (19_500_000_000, 6_000_000_000, 400), (1_764_547_200.0, float("inf"), 1.0)
    states = [
        QuotaState(account, quota, amount, reset)
        for quota, amount, reset in zip(limits.quotas, used, resets, strict=True)
    ]
    question = question_of("", MARIA, NOW)
    found: Any = answer.document(question, MARIA, answer.summed(question), states)
    whose = {"of": "person", "name": "maria"}
    assert found["budgets"] == [
        whose
        | {"period": "month", "used": "19.50", "limit": "20.00", "left": "0.50"}
        | {"resets_at": "2025-12-01T00:00:00Z"},
        whose
        | {"period": "total", "used": "6.00", "limit": "5.00", "left": "0.00", "resets_at": None},
    ]
    assert found["quotas"] == [
        whose
        | {"period": "day", "used": 400, "limit": 1000, "left": 600}
        | {"resets_at": "1970-01-01T00:00:01Z"}
    ]
