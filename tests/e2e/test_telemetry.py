"""Telemetry of clients: always taken, forwarded where it is wanted, never in the way. Section 7 of
the gateway contract of Claude Code."""

import gzip
import json
import re
from collections.abc import Iterator

import pytest

from tests.conftest import Start
from tests.fakes import books
from tests.fakes.backend import FakeBackend
from tests.fakes.client import KEY
from tests.fakes.collector import Collector, collecting
from tests.fakes.gateway import Gateway
from tests.shapes import check_error

SECRET = "Bearer c0llector-s3cret"
PROTOBUF = {"content-type": "application/x-protobuf"}
JSON = {"content-type": "application/json; charset=utf-8"}
SIGNALS = ("metrics", "logs", "traces")
METRIC = re.compile(
    r'claude_bridge_telemetry_exports_total\{outcome="(\w+)",signal="(\w+)"\} (\d+)'
    r'|claude_bridge_telemetry_exports_total\{signal="(\w+)",outcome="(\w+)"\} (\d+)'
)


@pytest.fixture(scope="module")
def session_collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest.fixture(scope="module")
def served(launch_gateway: Start, session_collector: Collector) -> Gateway:
    return launch_gateway(
        "serve",
        OTLP_FORWARD_URL=f"{session_collector.url}/",
        OTLP_FORWARD_SIGNALS="metrics,traces",
        OTLP_FORWARD_HEADERS=f"authorization={SECRET.replace(' ', '%20')},x-scope=blue",
        METRICS_ACCESS="open",
    )


@pytest.fixture
def collector(session_collector: Collector, served: Gateway) -> Iterator[Collector]:
    """It is left with nothing on the way to it."""
    session_collector.received.clear()
    yield session_collector
    session_collector.is_open.set()
    wait_settled(served)


def wait_settled(gateway: Gateway) -> None:
    text = "claude_bridge_telemetry_waiting 0.0"
    books.until(lambda: gateway.client.get("/metrics").body.decode(), lambda t: text in t, gateway)


def fates(gateway: Gateway) -> dict[tuple[str, str], int]:
    """(signal, outcome) -> how many."""
    text = gateway.client.get("/metrics").body.decode()
    found = (match.groups() for match in METRIC.finditer(text))
    return {(one[1] or one[3], one[0] or one[4]): int(one[2] or one[5]) for one in found}


def wait_for(collector: Collector, count: int, gateway: Gateway) -> None:
    books.until(lambda: len(collector.received), lambda seen: seen >= count, gateway)


@pytest.mark.parametrize("signal", SIGNALS)
def test_export_is_answered_in_its_own_form(
    served: Gateway, collector: Collector, signal: str
) -> None:
    """200 whether forwarded or discarded: the empty success of OTLP over HTTP."""
    answer = served.client.request("POST", f"/v1/{signal}", b"\x0a\x00", PROTOBUF)
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-type"] == "application/x-protobuf"
    answer = served.client.request("POST", f"/v1/{signal}", b"{}", JSON)
    assert (answer.status, answer.json) == (200, {})
    assert answer.headers["content-type"] == "application/json"


def test_named_signals_are_forwarded_and_no_key_with_them(
    served: Gateway, collector: Collector
) -> None:
    """The body as it came, without its compression; the headers of the operator."""
    before = fates(served)
    body = bytes(range(256)) * 40
    packed = PROTOBUF | {"content-encoding": "gzip", "x-api-key": KEY}
    assert served.client.request("POST", "/v1/logs", body, PROTOBUF).status == 200
    assert served.client.request("POST", "/v1/traces", b'{"a": 1}', JSON).status == 200
    wait_for(collector, 1, served)
    assert served.client.request("POST", "/v1/metrics/", gzip.compress(body), packed).status == 200
    wait_for(collector, 2, served)
    traces, metrics = collector.received
    assert (traces.path, traces.body) == ("/v1/traces", b'{"a": 1}')
    assert traces.headers["content-type"] == "application/json"
    assert (metrics.path, metrics.body) == ("/v1/metrics", body)
    assert metrics.headers["content-type"] == "application/x-protobuf"
    assert metrics.headers["authorization"] == SECRET
    assert metrics.headers["x-scope"] == "blue"
    assert "content-encoding" not in metrics.headers
    assert KEY not in json.dumps([each.headers for each in collector.received])
    seen = books.until(
        lambda: fates(served),
        lambda now: now["metrics", "forwarded"] > before["metrics", "forwarded"],
        served,
    )
    assert seen["logs", "discarded"] == before["logs", "discarded"] + 1
    assert SECRET not in served.log


def test_export_needs_a_key(served: Gateway, collector: Collector) -> None:
    """A dead one: 401 with `x-should-retry: false`."""
    for key in (None, "gwk_unknown"):
        refused = served.with_key(key).request("POST", "/v1/metrics", b"x", PROTOBUF)
        assert (refused.status, refused.headers["x-should-retry"]) == (401, "false")
    assert served.client.get("/v1/metrics").status == 405


def test_export_is_bounded(served: Gateway, collector: Collector) -> None:
    """Also one that is small until it is unpacked."""
    large = bytes(4 * 1024 * 1024 + 1)
    packed = PROTOBUF | {"content-encoding": "gzip"}
    for body, headers in ((large, PROTOBUF), (gzip.compress(large), packed)):
        refused = served.client.request("POST", "/v1/metrics", body, headers)
        assert refused.status == 413
        assert "4194304 bytes" in check_error(refused.json)["error"]["message"]
    bad = served.client.request("POST", "/v1/metrics", b"no gzip", packed)
    assert bad.status == 400
    assert collector.received == []


def test_collector_that_is_busy_is_asked_again(served: Gateway, collector: Collector) -> None:
    """OTLP: 503 is retryable, 400 is not."""
    before = fates(served)
    collector.statuses[:] = [503, 200]
    served.client.request("POST", "/v1/metrics", b"again", PROTOBUF)
    wait_for(collector, 2, served)
    assert [each.body for each in collector.received] == [b"again", b"again"]
    collector.statuses[:] = [400]
    served.client.request("POST", "/v1/metrics", b"never", PROTOBUF)
    books.until(
        lambda: fates(served)["metrics", "dropped"],
        lambda dropped: dropped == before["metrics", "dropped"] + 1,
        served,
    )
    assert [each.body for each in collector.received].count(b"never") == 1


def test_collector_that_answers_nothing_blocks_nothing(
    served: Gateway, collector: Collector, backend: FakeBackend
) -> None:
    """What finds no room in the queue is dropped and counted; answers go on meanwhile."""
    before = fates(served)["metrics", "dropped"]
    collector.is_open.clear()
    megabyte = bytes(1024 * 1024)
    for _ in range(24):
        answer = served.client.request("POST", "/v1/metrics", megabyte, PROTOBUF)
        assert answer.status == 200
    assert served.client.messages().status == 200
    assert fates(served)["metrics", "dropped"] >= before + 8 - 4
    collector.is_open.set()
    wait_settled(served)


def test_nothing_is_forwarded_by_default(start_gateway: Start, backend: FakeBackend) -> None:
    """Nor where the collector is not there is anything in the way."""
    gateway = start_gateway("serve", METRICS_ACCESS="open")
    for signal in SIGNALS:
        assert gateway.client.request("POST", f"/v1/{signal}", b"x", PROTOBUF).status == 200
    assert {fate: count for fate, count in fates(gateway).items() if count} == {
        (signal, "discarded"): 1 for signal in SIGNALS
    }
