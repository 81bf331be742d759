"""The dashboard and the alerts of deploy/, against what a real gateway exposes after traffic."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import Start
from tests.deploy.expressions import (
    Exposed,
    faults,
    kept_labels,
    label_placeholders,
    placeholders,
)
from tests.fakes import books
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import finish, role, text, usage
from tests.fakes.client import MESSAGES, ask, leave
from tests.fakes.gateway import Gateway
from tests.fakes.issuing import issue
from tests.fakes.replies import Gate

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "alerts.yaml"
GUIDE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "observe.md"
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text())
ALERTS: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
]
PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
TARGETS = [(panel["title"], target) for panel in PANELS for target in panel["targets"]]
SEVERITIES = {"critical", "warning", "info"}
WIDTH = 24
PRICES = [{"model": ALPHA, "input_per_mtok": "2", "output_per_mtok": "10"}]
CHECK_SECONDS = 60


# --- what a gateway exposes ----------------------------------------------------------------------


def samples(gateway: Gateway) -> list[tuple[str, dict[str, str], float]]:
    body = gateway.client.get("/metrics").body.decode()
    return [
        (sample.name, sample.labels, sample.value)
        for family in text_string_to_metric_families(body)
        for sample in family.samples
    ]


def value(gateway: Gateway, metric: str, /, **labels: str) -> float:
    """The sum of its samples with these labels."""
    return sum(
        found
        for own, had, found in samples(gateway)
        if own == metric and labels.items() <= had.items()
    )


@pytest.fixture(scope="module")
def used(launch_gateway: Start, session_backend: FakeBackend) -> Gateway:
    """A gateway that has answered, failed and refused."""
    gateway = launch_gateway("serve", METRICS_ACCESS="open", METRICS_BY="key,person,team")
    gateway.configure(prices=PRICES)
    key = issue(gateway, ci={"rpm": 2, "budget_usd": 100})["ci"]
    session_backend.on(ALPHA).answer(role(), text("Hi"), finish("stop"), usage(100_000, 5_000))
    mine = gateway.with_key(key)
    assert [mine.messages().status for _ in range(3)] == [200, 200, 429]
    session_backend.reset()
    session_backend.on("test/beta").error(500, "boom")
    assert gateway.client.messages(model="test/beta").status == 500
    session_backend.reset()
    books.until(lambda: value(gateway, "claude_bridge_requests_total"), lambda n: n == 4, gateway)
    return gateway


@pytest.fixture(scope="module")
def exposed(used: Gateway) -> Exposed:
    return {name: frozenset(labels) for name, labels, _ in samples(used)}


def test_accounts_limits_and_streams_are_told(used: Gateway, backend: FakeBackend) -> None:
    """docs, metrics: by name, what a limit refused, and how many streams run now."""
    mine = {"account": "key", "name": "ci"}
    tokens = value(used, "claude_bridge_account_tokens_total", **mine, kind="input")
    assert tokens == 200_000
    assert value(used, "claude_bridge_account_requests_total", **mine, outcome="refused") == 1
    assert value(used, "claude_bridge_account_cost_usd_total", **mine) == pytest.approx(0.5)
    budget = mine | {"limit": "budget", "period": "month"}
    share = partial(value, used, "claude_bridge_budget_used_ratio", **budget)
    books.until(share, lambda part: part == pytest.approx(0.005), used)
    refused = "claude_bridge_limit_refusals_total"
    assert value(used, refused, account="key", limit="requests") == 1 == value(used, refused)
    gate = Gate()
    backend.on(ALPHA).stream(role(), text("He"), gate, done=False)
    running = used.client.send("POST", MESSAGES, ask(stream=True))
    gate.wait_reached()
    assert value(used, "claude_bridge_streams_running", backend="main") == 1
    leave(running)
    streams = "claude_bridge_streams_running"
    books.until(lambda: value(used, streams), lambda count: count == 0, used)


# --- the dashboard -------------------------------------------------------------------------------


def test_panels_ask_for_what_is_exposed(exposed: Exposed) -> None:
    """Names of metrics and labels, also those of the legend."""
    assert len(TARGETS) > 30
    assert [wrong for _, target in TARGETS for wrong in faults(target["expr"], exposed)] == []
    for title, target in TARGETS:
        kept = kept_labels(target["expr"], exposed)
        assert placeholders(target["legendFormat"]) <= kept, title


def test_every_metric_has_a_panel(exposed: Exposed) -> None:
    """What an operator cannot see on the dashboard is in no use."""
    shown = " ".join(target["expr"] for _, target in TARGETS)
    ends = re.compile(r"_(bucket|sum|count)$")
    names = {ends.sub("", name) for name in exposed if name.startswith("claude_bridge_")}
    assert {name for name in names if name not in shown} == set()


def test_variables_of_the_dashboard(exposed: Exposed) -> None:
    """Whoever imports it chooses the data source; the others are labels that exist."""
    variables = {each["name"]: each for each in DASHBOARD["templating"]["list"]}
    assert (variables["datasource"]["type"], variables["datasource"]["query"]) == (
        "datasource",
        "prometheus",
    )
    for each in variables.values():
        if each["type"] == "query":
            asked = re.fullmatch(r"label_values\((.+), (\w+)\)", each["query"]["query"])
            assert asked is not None, each["name"]
            assert faults(asked[1], exposed) == []
            assert asked[2] in kept_labels(asked[1], exposed)
    text = json.dumps(DASHBOARD["panels"])
    named = set(re.findall(r"\$\{?(\w+)\}?", text)) - {"__rate_interval"}
    assert named == set(variables)


def test_dashboard_is_one_that_grafana_imports() -> None:
    """Panels have numbers of their own, the chosen data source, and places that do not overlap."""
    assert {"title", "uid", "schemaVersion", "time", "panels", "templating"} <= set(DASHBOARD)
    assert DASHBOARD.get("id") is None, "an id would be that of another installation"
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(numbers)) == len(numbers)
    for panel in PANELS:
        sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
        assert {source["uid"] for source in sources} == {"${datasource}"}, panel["title"]
    taken = list(_fields())
    assert len(set(taken)) == len(taken)
    assert all(x < WIDTH for x, _ in taken)


def _fields() -> Iterator[tuple[int, int]]:
    """Every field of the grid that a panel takes."""
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                yield x, y


# --- the alerts ----------------------------------------------------------------------------------


def test_alerts_ask_for_what_is_exposed(exposed: Exposed) -> None:
    """Names of metrics and labels, also those of the text."""
    assert len(ALERTS) > 10
    assert [wrong for rule in ALERTS for wrong in faults(rule["expr"], exposed)] == []
    for rule in ALERTS:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        words = " ".join(rule["annotations"].values())
        assert label_placeholders(words) <= kept_labels(rule["expr"], exposed), rule["alert"]


def test_guide_says_what_to_do_about_each_alert() -> None:
    rows = re.findall(r"^\| `(ClaudeBridge\w+)` \| (\w+) \|", GUIDE.read_text(), re.M)
    assert rows == [(rule["alert"], rule["labels"]["severity"]) for rule in ALERTS]
    assert {severity for _, severity in rows} <= SEVERITIES


def test_alerts_are_good_rules_for_prometheus() -> None:
    """By Prometheus' own program, where it is installed."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed (package `prometheus` in Debian)")
    checked = subprocess.run(
        [program, "check", "rules", str(RULES)],
        capture_output=True,
        text=True,
        timeout=CHECK_SECONDS,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr


# --- this reader of expressions ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "wrong"),
    [
        ("rate(known_total[5m])", 0),
        ('sum by (job, a) (known_total{a="x", job=~"$job"})', 0),
        ("known_totals", 1),
        ('known_total{b="x"}', 1),
        ("sum by (b) (known_total)", 1),
        ("known_total and on (job) unknown", 1),
        ("vector(1)", 1),
    ],
)
def test_faults_of_expressions_are_seen(expression: str, wrong: int) -> None:
    assert len(faults(expression, {"known_total": frozenset({"a"})})) == wrong


def test_words_that_are_no_expression_are_refused() -> None:
    with pytest.raises(ValueError, match=r".+"):
        faults("sum by (known_total", {})
