"""The text of /metrics, read back with Prometheus' own parser. docs/reference/metrics.md."""

import re
import time
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families as parsed

from bridge import process_settings
from bridge.api.metrics.access import check_access
from bridge.api.metrics.accounts import AccountUse, of_accounts, shares_used
from bridge.api.metrics.attempts import of_attempts
from bridge.api.metrics.process import of_process
from bridge.api.metrics.served import TOKENS as TOKEN_KINDS
from bridge.api.metrics.served import of_ledger
from bridge.api.metrics.text import text
from bridge.configuration.row_faults import Fault
from bridge.keys.authentication import KeyPolicy
from bridge.keys.limits import Account, AccountKind, AccountRef, Limits
from bridge.ledger.record import Record
from bridge.ledger.totals import ATTEMPTS_BY_BACKEND, SUMMED, Group, Total, Totals
from bridge.ledger.writer import enter
from bridge.models import UsageHour
from bridge.models.latency import BOUNDS
from bridge.process_settings import AccessSettings
from bridge.runtime.gateway import Gateway
from bridge.translation.errors.api_error import ApiError

TABLE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "metrics.md"
MAIN: Group = ("main", "vendor/large", "claude-*")
OTHER: Group = ("main", "vendor/large", "")
NOBODY: Group = ("", "", "")


def total(**columns: int) -> Total:
    return Total(1, tuple(columns.get(name, 0) for name in SUMMED))


def calls(**columns: int) -> Total:
    known = ATTEMPTS_BY_BACKEND
    return Total(1, tuple(columns.get(name, 0) for name in known.summed), known)


TOTALS = {
    MAIN: total(
        requests=10,
        errors=1,
        refused=2,
        abandoned=3,
        input_tokens=100,
        output_tokens=50,
        cache_read_tokens=7,
        thinking_tokens=20,
        cost_nano_usd=1_500_000_000,
        unpriced=1,
        duration_ms=4250,
        first_token_ms=60,
        duration_08=3,
        duration_24=1,
        first_token_01=4,
    ),
    OTHER: total(requests=4, input_tokens=1, duration_ms=1000, duration_08=1),
    NOBODY: total(requests=6, refused=6),
}
CALLS: Totals = {
    ("main",): calls(asked=5, answered=4, refused=1, headers_ms=90, headers_01=4),
    ("spare",): calls(asked=7, server_error=6, unreachable=1, fell_back=7),
}


def read_back(found: Iterable[Metric]) -> dict[str, Metric]:
    """Name -> what Prometheus makes of it."""
    body, kind = text(found, "")
    assert kind == "text/plain; version=0.0.4; charset=utf-8"
    return {family.name: family for family in parsed(body.decode())}


def ledger(totals: Any = TOTALS) -> dict[str, Metric]:
    return read_back(of_ledger(totals))


def values(family: Metric) -> dict[tuple[str, ...], float]:
    """Values of the labels, in the order of their names -> the value."""
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for sample in family.samples
    }


# --- totals --------------------------------------------------------------------------------------


def test_requests_are_told_by_outcome() -> None:
    """docs/topics/usage.md: refused, abandoned and errors are told apart, the rest was answered."""
    found = values(ledger()["claude_bridge_requests"])
    outcomes = ("answered", "refused", "abandoned", "error")
    large = [found["claude-*", "main", "vendor/large", name] for name in outcomes]
    assert large == [4, 2, 3, 1]
    assert [found["", "", "", name] for name in outcomes] == [0, 6, 0, 0]
    assert sum(found.values()) == 20


def test_tokens_and_cost_are_told_by_model() -> None:
    """Ours: aliases are added up; what came no further than us used nothing."""
    found = ledger()
    tokens = values(found["claude_bridge_tokens"])
    assert {kind: tokens["main", kind, "vendor/large"] for kind in TOKEN_KINDS} == {
        "input": 101,
        "output": 50,
        "cache_read": 7,
        "cache_write": 0,
    }
    assert len(tokens) == 4
    for name, value in (("thinking_tokens", 20), ("cost_usd", 1.5), ("unpriced_requests", 1)):
        assert values(found[f"claude_bridge_{name}"]) == {("main", "vendor/large"): value}


def test_attempts_are_told_by_backend_and_kind() -> None:
    """Ours: a backend that fails while another one answers is in no count of requests."""
    found = read_back(of_attempts(CALLS))
    attempts = values(found["claude_bridge_attempts"])
    assert attempts["spare", "server_error"] == 6 and attempts["spare", "answered"] == 0
    assert sum(attempts.values()) == 12
    assert values(found["claude_bridge_attempt_fallbacks"]) == {("main",): 0, ("spare",): 7}
    headers = found["claude_bridge_attempt_headers_seconds"].samples
    told = {sample.name.rpartition("_")[2]: sample.value for sample in headers}
    assert (told["count"], told["sum"]) == (4, 0.09)
    assert {sample.labels["backend"] for sample in headers} == {"main"}
    assert read_back(of_attempts(None)) == {}


def test_latencies_are_real_histograms() -> None:
    """Ours: buckets grow, the last one holds all, and count and sum fit to them."""
    family = ledger()["claude_bridge_request_duration_seconds"]
    assert family.type == "histogram"
    by_name: dict[str, list[Any]] = {}
    for sample in family.samples:
        by_name.setdefault(sample.name.removeprefix(family.name), []).append(sample)
    edges = [float(sample.labels["le"]) for sample in by_name["_bucket"]]
    assert edges == [*BOUNDS, float("inf")]
    counts = [sample.value for sample in by_name["_bucket"]]
    assert (counts, counts[BOUNDS.index(1.0)]) == (sorted(counts), 4)
    assert (counts[7], counts[-2], counts[-1]) == (0, 4, 5)
    assert [sample.value for sample in by_name["_count"] + by_name["_sum"]] == [5, 5.25]


def test_every_bucket_of_the_ledger_has_its_edge() -> None:
    """models, latency: times up to a bound, that bound included, and one bucket for the rest."""
    for number, column in enumerate(UsageHour.FIRST_TOKEN):
        found = ledger({MAIN: total(requests=1, **{column: 1})})
        buckets = found["claude_bridge_first_token_seconds"].samples[: len(BOUNDS) + 1]
        assert [sample.value for sample in buckets] == [0] * number + [1] * (25 - number)


def test_models_that_answered_nothing_have_no_histogram() -> None:
    found = ledger({NOBODY: total(requests=6, refused=6)})
    assert found["claude_bridge_request_duration_seconds"].samples == []


def test_without_totals_only_that_is_told() -> None:
    """docs, metrics: at 0 the others are missing; old ones would look like a restart."""
    found = ledger(None)
    assert list(found) == ["claude_bridge_ledger_up"]
    assert values(found["claude_bridge_ledger_up"]) == {(): 0}
    assert values(ledger()["claude_bridge_ledger_up"]) == {(): 1}


def test_names_of_models_may_hold_anything() -> None:
    """Ours: clients choose them where a backend has no list."""
    name = 'a"b\\c\n{d="e"} 1'
    found = ledger({("main", name, ""): total(requests=1)})
    assert {sample.labels["model"] for sample in found["claude_bridge_requests"].samples} == {name}


# --- accounts ------------------------------------------------------------------------------------

ACCOUNTS = AccountUse(
    {"key": {("ci",): TOTALS[MAIN]}, "team": {("blue",): TOTALS[OTHER]}},
    {("key", "ci", "budget", "day"): 0.5},
)


def test_accounts_are_told_by_kind_and_name() -> None:
    """docs, metrics, Accounts."""
    found = {name.removeprefix("claude_bridge_"): values(told) for name, told in read_accounts()}
    assert found["account_requests"]["key", "ci", "refused"] == 2
    assert found["account_requests"]["team", "blue", "answered"] == 4
    assert found["account_tokens"]["key", "cache_read", "ci"] == 7
    assert found["account_cost_usd"] == {("key", "ci"): 1.5, ("team", "blue"): 0}
    assert found["budget_used_ratio"] == {("key", "budget", "ci", "day"): 0.5}


def read_accounts() -> Iterable[tuple[str, Metric]]:
    return read_back(of_accounts(ACCOUNTS)).items()


def test_nothing_of_accounts_is_told_unless_it_was_read() -> None:
    """docs, settings: METRICS_BY is empty by default."""
    assert list(of_accounts(AccountUse())) == []


@pytest.mark.django_db
def test_budgets_are_told_as_the_part_that_is_used() -> None:
    """docs, metrics, Accounts: of two keys with one name the fuller one; a budget of nothing is
    used up."""
    now = time.time()
    used: dict[str, Any] = {
        "started_at": now,
        "status": 200,
        "key": "ci",
        "cost_nano_usd": 250_000_000,
    }
    enter([Record("req_1", key_id=7, input_tokens=30, **used)])
    limits = Limits(budget_day=Decimal(1), tokens_month=60)
    accounts = [
        Account(AccountRef(AccountKind.KEY, 7), "ci", limits),
        Account(AccountRef(AccountKind.KEY, 8), "ci", limits),
        Account(AccountRef(AccountKind.TEAM, 1), "blue", Limits(budget_total=Decimal(0))),
    ]
    assert shares_used(accounts, now) == {
        ("key", "ci", "budget", "day"): 0.25,
        ("key", "ci", "quota", "month"): 0.5,
        ("team", "blue", "budget", "total"): 1.0,
    }


# --- gauges --------------------------------------------------------------------------------------


def test_state_of_the_process_is_told(engine: Gateway) -> None:
    snapshot = engine.snapshot
    fault = Fault("alias", 1, "a", "it has no target")
    engine.store.current = replace(snapshot, version=7, faults=(fault,))
    (backend,) = snapshot.routes.backends
    condition = engine.health.of(backend)
    found = read_back(of_process(engine, 7))
    gauge = {name.removeprefix("claude_bridge_"): values(told) for name, told in found.items()}
    assert gauge["backend_breaker_state"] == {
        ("main", "closed"): 1,
        ("main", "open"): 0,
        ("main", "half_open"): 0,
    }
    assert gauge["backend_reachable"] == {}
    assert gauge["streams_running"] == {("main",): 0}
    assert set(gauge["limit_refusals"].values()) == {0}
    assert (gauge["configuration_version"], gauge["configuration_faults"]) == ({(): 7}, {(): 1})
    assert (gauge["models_known"], gauge["requests_running"]) == ({(): 2}, {(): 0})
    condition.reachable = False
    condition.breaker.opened_at = engine.health.clock()
    found = read_back(of_process(engine, 7))
    assert values(found["claude_bridge_backend_reachable"]) == {("main",): 0}
    assert values(found["claude_bridge_backend_breaker_state"])["main", "open"] == 1


def test_spool_is_told(engine: Gateway) -> None:
    """docs/topics/usage.md: what waits, and what was lost."""
    line = b'{"request_id":"req_1"}'
    engine.spool.append(line)
    engine.spool.append(b"x" * 10_000_000)
    found = read_back(of_process(engine, 7))
    for name, value in (("records", 1), ("bytes", len(line) + 1), ("lost_records", 1)):
        assert values(found[f"claude_bridge_spool_{name}"]) == {(): value}
    assert found["claude_bridge_ledger_lag_seconds"].samples[0].value >= 0


# --- the table, and the form ---------------------------------------------------------------------


def told_in_the_table() -> dict[str, tuple[str, set[str]]]:
    rows = re.findall(r"^\| `(claude_bridge_\w+)` \| (\w+) \|([^|]*)\|", TABLE.read_text(), re.M)
    return {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


def emitted(engine: Gateway) -> dict[str, tuple[str, set[str]]]:
    """The same of what is told when there is something to tell of everything."""
    (backend,) = engine.snapshot.routes.backends
    engine.health.of(backend).reachable = True
    found = read_back(
        [*of_process(engine, 7), *of_ledger(TOTALS), *of_attempts(CALLS), *of_accounts(ACCOUNTS)]
    )
    ends = {"counter": "_total"}
    return {
        name + ends.get(family.type, ""): (
            family.type,
            {label for sample in family.samples for label in sample.labels} - {"le"},
        )
        for name, family in found.items()
    }


def test_table_in_the_docs_has_every_metric_and_no_other(engine: Gateway) -> None:
    """docs, metrics: names, types and labels."""
    assert told_in_the_table() == emitted(engine)


def test_expressions_in_the_docs_name_metrics_that_exist(engine: Gateway) -> None:
    names = set(emitted(engine))
    expressions = re.findall(r"^\| [^|]+ \| `(.*claude_bridge.*)` \|$", TABLE.read_text(), re.M)
    assert len(expressions) == 7
    for name in re.findall(r"claude_bridge_\w+", " ".join(expressions)):
        assert name.removesuffix("_bucket") in names


@pytest.mark.parametrize("accept", ["application/openmetrics-text;version=1.0.0;q=0.5,text/plain"])
def test_newer_form_is_told_to_those_who_ask(engine: Gateway, accept: str) -> None:
    """OpenMetrics, whose parser takes nothing that is not quite right."""
    body, kind = text([*of_process(engine, 7), *of_ledger(TOTALS)], accept)
    assert kind.startswith("application/openmetrics-text")
    families: Any = openmetrics.text_string_to_metric_families
    names = {family.name for family in families(body.decode())}
    assert "claude_bridge_first_token_seconds" in names


# --- who may read them ---------------------------------------------------------------------------

LOCAL, OPEN = "127.0.0.1", "192.0.2.7"
TOKEN = {"authorization": "Bearer m3trics"}


def access_settings(**changes: Any) -> AccessSettings:
    return replace(process_settings.read().access, **changes)


@pytest.mark.parametrize(
    ("access", "headers", "host", "address", "status"),
    [
        ("off", TOKEN, True, LOCAL, 404),
        ("open", {}, False, OPEN, 200),
        ("local", {}, True, LOCAL, 200),
        ("local", {}, True, "::1", 200),
        ("local", TOKEN, True, OPEN, 403),
        ("local", TOKEN, False, LOCAL, 403),
        ("key", TOKEN, False, OPEN, 200),
        ("key", {"authorization": "bearer m3trics"}, False, OPEN, 200),
        ("key", {"x-api-key": "m3trics"}, False, OPEN, 200),
        ("key", {"authorization": "Bearer m3tric"}, True, LOCAL, 401),
        ("key", {"authorization": "Bearer m3trics2"}, True, LOCAL, 401),
        ("key", {"authorization": "Bearer \xe9"}, True, LOCAL, 401),
        ("key", {"authorization": "Basic m3trics"}, True, LOCAL, 401),
        ("key", {"authorization": ""}, True, LOCAL, 401),
        ("key", {}, True, LOCAL, 401),
    ],
)
def test_setting_says_who_may_read(
    access: str, headers: dict[str, str], host: bool, address: str, status: int
) -> None:
    """docs/reference/metrics.md, Who may read them. `host`: whether HOST is a loopback address."""
    settings = access_settings(metrics_access=access, metrics_token="m3trics")
    policy = KeyPolicy(bound_to_loopback=host)
    try:
        check_access(settings, policy, headers, address)
        found = 200
    except ApiError as error:
        found = error.status
    assert found == status


def test_no_token_opens_nothing() -> None:
    """Ours: also where the settings were changed past their checks."""
    settings = access_settings(metrics_access="key", metrics_token="")
    for given in ({}, {"authorization": "Bearer"}, {"authorization": "Bearer "}):
        with pytest.raises(ApiError) as caught:
            check_access(settings, KeyPolicy(), given, LOCAL)
        assert caught.value.reply_headers()["www-authenticate"] == "Bearer"
