"""/metrics over HTTP: what it counts is what the backend served, whichever process is asked."""

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families as parsed

from tests.conftest import Start
from tests.e2e.test_database_away import DATABASES, Outage, until
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import finish, role, text, usage
from tests.fakes.client import KEY, MESSAGES, Response, ask, leave
from tests.fakes.gateway import Gateway
from tests.fakes.replies import Gate
from tests.shapes import check_error

TOKEN = "m3trics-of-the-tests"
BEARER = {"authorization": f"Bearer {TOKEN}"}
REQUESTS = "claude_bridge_requests_total"
BETA = "test/beta"

Values = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(gateway: Gateway, headers: dict[str, str] = BEARER) -> Response:
    return gateway.with_key(None).get("/metrics", headers)


def told(gateway: Gateway) -> Values:
    """Every sample: its name and labels, and its value."""
    response = scrape(gateway)
    assert response.status == 200, response.body
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parsed(response.body.decode())
        for sample in family.samples
    }


def sum_of(values: Values, name: str, **labels: str) -> float:
    """The sum of what has this name and these labels."""
    wanted = labels.items()
    return sum(value for (own, had), value in values.items() if own == name and wanted <= had)


def total(gateway: Gateway) -> float:
    return sum_of(told(gateway), REQUESTS)


def test_totals_are_what_was_served(start_gateway: Start, backend: FakeBackend) -> None:
    """docs, metrics: outcomes, tokens and latencies, as the backend told them."""
    gateway = start_gateway("serve", METRICS_TOKEN=TOKEN)
    backend.on(ALPHA).answer(role(), text("Hello"), finish("stop"), usage(11, 2))
    for streamed in (False, True, True):
        assert gateway.client.messages(stream=streamed).status == 200
    assert gateway.client.messages(model=BETA).status == 200
    backend.on(BETA).error(500, "boom")
    assert gateway.client.messages(model=BETA).status == 500
    assert gateway.client.post(MESSAGES, {"model": ALPHA}).status == 400
    gate = Gate()
    backend.on("test/small").stream(role(), text("He"), gate, done=False)
    leaving = gateway.client.send("POST", MESSAGES, ask(model="test/small", stream=True))
    gate.wait_reached()
    leave(leaving)
    until(lambda: total(gateway) == 7, gateway)
    values = told(gateway)

    def count(**labels: str) -> float:
        return sum_of(values, REQUESTS, **labels)

    assert (count(model=ALPHA, outcome="answered"), count(model=ALPHA)) == (3, 3)
    assert (count(model=BETA, outcome="answered"), count(model=BETA, outcome="error")) == (1, 1)
    assert (count(outcome="refused"), count(model="test/small", outcome="abandoned")) == (1, 1)
    for kind, tokens in (("input", 33), ("output", 6)):
        assert sum_of(values, "claude_bridge_tokens_total", model=ALPHA, kind=kind) == tokens
    for name in ("first_token_seconds", "request_duration_seconds"):
        for end, labels in (("count", {}), ("bucket", {"le": "+Inf"})):
            found = sum_of(values, f"claude_bridge_{name}_{end}", model=ALPHA, **labels)
            assert found == 3


def test_no_key_is_in_it(start_gateway: Start, backend: FakeBackend) -> None:
    """docs/reference/metrics.md, Who may read them: neither their text nor their names."""
    gateway = start_gateway("serve", METRICS_TOKEN=TOKEN)
    gateway.client.messages()
    until(lambda: total(gateway) == 1, gateway)
    body = scrape(gateway).body.decode()
    assert KEY not in body and "key-" not in body and TOKEN not in body
    assert str(backend.port) not in body


def test_processes_of_one_database_tell_the_same(
    start_gateway: Start, backend: FakeBackend, tmp_path: Path
) -> None:
    """Ours: whichever of them answers, a counter never jumps back, and nothing counts twice."""
    shared = {
        "METRICS_TOKEN": TOKEN,
        "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}",
    }
    both = [start_gateway(launcher, **shared) for launcher in ("serve", "uvicorn")]
    seen = [0.0]

    def has_come_to(served: int) -> bool:
        seen.extend(total(gateway) for gateway in both)
        return seen[-1] == served

    for served in range(1, 7):
        assert both[served % 2].client.messages().status == 200
        until(partial(has_come_to, served), both[0])
        assert [total(gateway) for gateway in both] == [served, served]
    assert seen == sorted(seen)
    assert both[0].stop() == 0
    assert total(both[1]) == 6


def test_workers_behind_one_port_tell_the_same(start_gateway: Start, backend: FakeBackend) -> None:
    """Ours: totals are shared, and only the gauges are a process's own."""
    gateway = start_gateway("uvicorn", WORKERS="2", METRICS_TOKEN=TOKEN)
    for _ in range(6):
        assert gateway.client.messages().status == 200
    until(lambda: total(gateway) == 6, gateway)
    assert Counter(total(gateway) for _ in range(20)) == {6: 20}


# --- who may read it ------------------------------------------------------------------------------


def refused(response: Response, status: int, kind: str) -> None:
    assert (response.status, check_error(response.json)["error"]["type"]) == (status, kind)


def test_metrics_are_off_until_there_is_a_token(gateway: Gateway) -> None:
    """docs, metrics: the default."""
    for headers in ({}, BEARER):
        refused(scrape(gateway, headers), 404, "not_found_error")


def test_token_is_needed_where_there_is_one(start_gateway: Start) -> None:
    """docs, metrics: key. A key for requests is none for metrics, and the other way round."""
    gateway = start_gateway("serve", METRICS_TOKEN=TOKEN)
    for headers in ({}, {"authorization": f"Bearer {TOKEN}x"}, {"x-api-key": KEY}):
        response = scrape(gateway, headers)
        refused(response, 401, "authentication_error")
        assert response.headers["www-authenticate"] == "Bearer"
        assert b"claude_bridge" not in response.body
    head = gateway.with_key(None).request("HEAD", "/metrics", None, BEARER)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-type"] == scrape(gateway).headers["content-type"]
    refused(gateway.with_key(None).post("/metrics", {}, BEARER), 405, "invalid_request_error")
    assert TOKEN not in gateway.log


@pytest.mark.parametrize(
    ("access", "host", "status"),
    [
        ("local", "127.0.0.1", 200),
        ("local", "0.0.0.0", 403),
        ("open", "0.0.0.0", 200),
        ("off", "127.0.0.1", 404),
    ],
)
def test_setting_decides_who_needs_no_token(
    start_gateway: Start, access: str, host: str, status: int
) -> None:
    """docs, metrics: local, open, and off although there is a token."""
    gateway = start_gateway("serve", METRICS_ACCESS=access, METRICS_TOKEN=TOKEN, HOST=host)
    assert scrape(gateway, {}).status == status


# --- the database is away -------------------------------------------------------------------------


@pytest.mark.parametrize("database", DATABASES)
def test_state_is_told_while_the_database_is_away(
    start_gateway: Start,
    backend: FakeBackend,
    tmp_path: Path,
    database: Callable[[Path], AbstractContextManager[tuple[str, Outage]]],
) -> None:
    """docs, metrics: the totals are missing then, since old ones would look like a restart."""
    with database(tmp_path) as (url, outage):
        gateway = start_gateway("serve", DATABASE_URL=url, METRICS_TOKEN=TOKEN)
        assert gateway.client.messages().status == 200
        until(lambda: total(gateway) == 1, gateway)
        with outage():
            values = told(gateway)
            assert sum_of(values, "claude_bridge_ledger_up") == 0
            assert not [name for name, _ in values if name == REQUESTS]
            breaker = "claude_bridge_backend_breaker_state"
            assert sum_of(values, breaker, backend="main", state="closed") == 1
            assert gateway.client.messages().status == 200
            until(lambda: sum_of(told(gateway), "claude_bridge_spool_records") == 1, gateway)
        until(lambda: total(gateway) == 2, gateway)
        assert sum_of(told(gateway), "claude_bridge_ledger_up") == 1
        assert gateway.stop() == 0
