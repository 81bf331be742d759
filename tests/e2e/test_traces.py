"""Traces of requests, as a real collector on a socket gets them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Start
from tests.fakes import books
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import call, finish, role, text, usage
from tests.fakes.client import KEY, MESSAGES, ask, leave
from tests.fakes.collector import Collector, collecting
from tests.fakes.gateway import Gateway
from tests.fakes.issuing import issue
from tests.fakes.judge import asks, verdicts
from tests.fakes.replies import Gate
from tests.fakes.spans import SeenSpan, printed, roots

JUDGE, SMALL = "test/beta", "test/small"
SECRET = "Bearer c0llector-s3cret"
PROMPT, COMMAND = "zebra-4711", "okapi-8822"
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"
TOOLS = [{"name": "Bash", "input_schema": {"type": "object"}}]
SOON = {"OTEL_BSP_SCHEDULE_DELAY": "50"}
"""Milliseconds after which spans that wait are sent."""
ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "how-to" / "observe.md"


@pytest.fixture(scope="module")
def session_collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest.fixture(scope="module")
def module_gateway(
    launch_gateway: Start, session_collector: Collector, session_spare: FakeBackend
) -> Gateway:
    gateway = launch_gateway(
        "serve",
        OTEL_EXPORTER_OTLP_ENDPOINT=session_collector.url,
        OTEL_EXPORTER_OTLP_HEADERS=f"authorization={SECRET.replace(' ', '%20')}",
        METRICS_ACCESS="open",
        BREAKER_FAILURES="100",
        **SOON,
    )
    targets = [
        {"backend": "main", "model": ALPHA},
        {"backend": "spare", "model": ALPHA, "position": 1},
    ]
    gateway.configure(
        backends=[{"name": "spare", "url": f"{session_spare.base_url}/v1", "position": 1}],
        aliases=[{"pattern": "judged", "targets": targets, "safeguards": f"judge: {JUDGE}"}],
    )
    return gateway


@pytest.fixture
def gateway(
    module_gateway: Gateway, backend: FakeBackend, spare: FakeBackend, collector: Collector
) -> Gateway:
    return module_gateway


@pytest.fixture
def collector(session_collector: Collector) -> Iterator[Collector]:
    session_collector.received.clear()
    yield session_collector
    session_collector.is_open.set()


def traced(gateway: Gateway, collector: Collector) -> SeenSpan:
    """The one request that was traced, with all that is below it."""
    wait_exported(gateway)
    (root,) = roots(collector)
    return root


def wait_exported(gateway: Gateway) -> None:
    """Nothing is on its way to the collector any more."""
    books.until(lambda: sample(gateway, "claude_bridge_spans_waiting"), lambda n: n == 0, gateway)


def sample(gateway: Gateway, name: str) -> float:
    lines = gateway.client.get("/metrics").body.decode().splitlines()
    return float(next(line for line in lines if line.startswith(f"{name} ")).split()[1])


def fate(gateway: Gateway, outcome: str) -> float:
    return sample(gateway, f'claude_bridge_spans_total{{outcome="{outcome}"}}')


# --- the tree ------------------------------------------------------------------------------------


def test_failover_and_judge_are_one_tree(
    gateway: Gateway, backend: FakeBackend, spare: FakeBackend, collector: Collector
) -> None:
    """docs/how-to/observe.md, Traces: steps, both attempts, the judge as a request below it."""
    key = issue(gateway, ci={"rpm": 100})["ci"]
    backend.on(ALPHA).error(500, f"no, {PROMPT}")
    made = call(0, "call_0", "Bash", json.dumps({"command": COMMAND}))
    spare.on(ALPHA).answer(role(), made, finish("tool_calls"), usage(50, 9))
    backend.on(JUDGE).each(verdicts("not_flagged"))
    response = gateway.with_key(key).messages(
        text=PROMPT, model="judged", stream=True, tools=TOOLS, safeguards=asks()
    )
    assert response.status == 200
    root = traced(gateway, collector)
    wait, first, stream = "wait for headers", "wait for first token", "stream"
    answered: list[Any] = [{wait: []}, {first: []}, {stream: []}]
    assert root.outline() == {
        "chat judged": [
            {"authenticate": []},
            {"translate": []},
            {"wait for limits": []},
            {f"chat {ALPHA}": [{wait: []}]},
            {f"chat {ALPHA}": answered},
            {"judge": [{f"chat {JUDGE}": [{"translate": []}, {f"chat {JUDGE}": answered}]}]},
        ]
    }
    assert {(span.trace, span.state) for span in root.everything()} == {(root.trace, "")}
    assert (root.kind, root.parent, root.has_failed) == ("server", "", False)
    check_request(root, response.headers["request-id"])
    failed, good = (child for child in root.children if child.kind == "client")
    assert (failed.has_failed, good.has_failed) == (True, False)
    assert failed.attributes["http.response.status_code"] == 500
    assert failed.attributes["error.type"] == "server_error"
    assert (failed.attributes["server.address"], failed.attributes["server.port"]) == (
        "127.0.0.1",
        backend.port,
    )
    assert (good.attributes["server.port"], good.attributes["claude_bridge.backend"]) == (
        spare.port,
        "spare",
    )
    assert good.attributes["gen_ai.usage.input_tokens"] == 50
    sent = [each.header("traceparent") or "" for each in (*backend.calls, *spare.calls)]
    asked = root.named("judge").children[0].named(f"chat {JUDGE}")
    assert sorted(sent) == sorted(f"00-{root.trace}-{span.id}-01" for span in (failed, asked, good))
    check_private(collector, key)
    check_order(root)


def check_request(root: SeenSpan, request_id: str) -> None:
    """By the conventions for generative AI and HTTP."""
    wanted = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "judged",
        "gen_ai.response.model": ALPHA,
        "gen_ai.request.stream": True,
        "gen_ai.usage.input_tokens": 50,
        "gen_ai.usage.output_tokens": 9,
        "gen_ai.response.finish_reasons": ["tool_use"],
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "url.path": "/v1/messages",
        "claude_bridge.request_id": request_id,
        "claude_bridge.outcome": "answered",
    }
    assert wanted.items() <= root.attributes.items()
    assert root.attributes["gen_ai.provider.name"]
    assert "error.type" not in root.attributes
    assert root.resource["service.name"] == "claude-bridge"
    assert root.resource["service.version"]


def check_private(collector: Collector, key: str) -> None:
    """docs/security.md: no prompt, no tool call, no key; the collector gets its credential."""
    for exported in collector.received:
        assert exported.headers["authorization"] == SECRET
        for private in (PROMPT, COMMAND, key, KEY, SECRET):
            assert private.encode() not in exported.body


def check_order(root: SeenSpan) -> None:
    """Children lie within their parent, but for what milliseconds round."""
    slack = 2_000_000
    for span in root.everything():
        assert span.begin <= span.end, printed([root])
        for child in span.children:
            is_within = span.begin - slack <= child.begin and child.end <= span.end + slack
            assert is_within, printed([root])


def test_guide_shows_this_tree(
    gateway: Gateway, backend: FakeBackend, collector: Collector
) -> None:
    """docs/how-to/observe.md, Traces: names, kinds and order are those of a real request."""
    backend.on(ALPHA).answer(role(), text("Hi"), finish("stop"), usage(11, 2))
    assert gateway.client.messages(model=ALPHA, stream=True).status == 200
    shown = re.findall(r"^ {4} *(.+?) +[0-9.]+ ms +(\w+)", GUIDE.read_text(), re.M)
    real = re.findall(r"^ *(.+?) +[0-9.]+ ms +(\w+)", printed([traced(gateway, collector)]), re.M)
    words = {(name, kind) for name, kind in shown if not name.startswith("chat ")}
    assert {line for line in real if not line[0].startswith("chat ")} <= words
    assert real[0] == (f"chat {ALPHA}", "server") and shown[0][1] == "server"


def test_plain_answer_and_its_record(
    gateway: Gateway, backend: FakeBackend, collector: Collector
) -> None:
    """docs, usage-records: the record and the log line name the trace."""
    backend.on(ALPHA).answer(role(), text("Hi"), finish("stop"), usage(11, 2))
    response = gateway.client.messages(model=ALPHA)
    root = traced(gateway, collector)
    assert root.attributes["claude_bridge.request_id"] == response.headers["request-id"]
    assert "wait for limits" not in [child.name for child in root.children]
    line = next(line for line in gateway.log.splitlines() if response.headers["request-id"] in line)
    assert line.endswith(f"  trace {root.trace}")


# --- trace context -------------------------------------------------------------------------------


def test_trace_of_a_client_is_continued(
    gateway: Gateway, backend: FakeBackend, collector: Collector
) -> None:
    """W3C Trace Context: the client's span is the parent; its tracestate goes to the collector, and
    to no backend."""
    headers = {"traceparent": PARENT, "tracestate": "vendor=1, other=2", "baggage": "user=ann"}
    assert gateway.client.messages(headers, model=ALPHA).status == 200
    root = traced(gateway, collector)
    assert (root.trace, root.parent, root.state) == (TRACE, SPAN, "vendor=1,other=2")
    (sent,) = backend.calls
    assert sent.header("traceparent") == f"00-{TRACE}-{root.named(f'chat {ALPHA}').id}-01"
    assert (sent.header("tracestate"), sent.header("baggage")) == (None, None)


def test_trace_that_the_client_does_not_record_is_not_recorded(
    gateway: Gateway, backend: FakeBackend, collector: Collector
) -> None:
    """The default sampler goes by the client's flag, and hands it on."""
    not_sampled = {"traceparent": f"{PARENT[:-1]}0"}
    assert gateway.client.messages(not_sampled, model=ALPHA).status == 200
    (sent,) = backend.calls
    assert re.fullmatch(f"00-{TRACE}-[0-9a-f]{{16}}-00", sent.header("traceparent") or "")
    assert gateway.client.messages(model=SMALL).status == 200
    assert traced(gateway, collector).attributes["gen_ai.request.model"] == SMALL


@pytest.mark.parametrize("given", ["nonsense", f"{PARENT}, {PARENT}", f"00-{'0' * 32}-{SPAN}-01"])
def test_trace_context_that_is_none_is_left_alone(
    gateway: Gateway, collector: Collector, given: str
) -> None:
    assert gateway.client.messages({"traceparent": given, "tracestate": "a=1"}).status == 200
    root = traced(gateway, collector)
    assert (root.parent, root.state) == ("", "")
    assert root.trace != TRACE


# --- ends ----------------------------------------------------------------------------------------


def test_client_that_leaves(gateway: Gateway, backend: FakeBackend, collector: Collector) -> None:
    gate = Gate()
    backend.on(ALPHA).stream(role(), text("He"), gate, done=False)
    running = gateway.client.send("POST", MESSAGES, ask(model=ALPHA, stream=True))
    gate.wait_reached()
    leave(running)
    books.until(lambda: len(roots(collector)), lambda count: count == 1, gateway)
    root = traced(gateway, collector)
    assert not any(span.has_failed for span in root.everything())
    assert root.attributes["error.type"] == "client_left"
    assert root.attributes["claude_bridge.outcome"] == "abandoned"


def test_errors_before_and_within_the_answer(
    gateway: Gateway, backend: FakeBackend, collector: Collector
) -> None:
    """A refused request is no failure of a server; a stream that breaks off is one."""
    assert gateway.with_key(None).messages().status == 401
    root = traced(gateway, collector)
    assert (root.name, root.children, root.has_failed) == ("chat", [], False)
    assert root.attributes["error.type"] == "authentication_error"
    assert root.attributes["http.response.status_code"] == 401
    collector.received.clear()
    backend.on(ALPHA).stream(role(), text("He"), done=False)
    assert gateway.client.messages(model=ALPHA, stream=True).status == 200
    root = traced(gateway, collector)
    attempt = root.named(f"chat {ALPHA}")
    assert (root.has_failed, attempt.has_failed) == (True, True)
    assert root.attributes["http.response.status_code"] == 200
    assert attempt.attributes["error.type"] == "broken"


# --- collectors ----------------------------------------------------------------------------------


def test_collector_that_hangs_keeps_nothing_waiting(
    start_gateway: Start, backend: FakeBackend
) -> None:
    """Not a request, and not the end of the process: the books of `stop` are seconds."""
    with collecting() as collector:
        collector.is_open.clear()
        gateway = start_gateway("serve", OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, **SOON)
        assert gateway.client.messages().status == 200
        books.until(lambda: len(collector.received), lambda count: count > 0, gateway)
        assert [gateway.client.messages().status for _ in range(5)] == [200] * 5
        assert gateway.stop() == 0
        assert "spans did not reach the trace collector" in gateway.log


def test_collector_that_refuses_is_told_of_once(start_gateway: Start, backend: FakeBackend) -> None:
    """Spans that it does not take are counted; those of later requests reach it."""
    with collecting() as collector:
        collector.statuses.append(500)
        gateway = start_gateway(
            "serve",
            OTEL_EXPORTER_OTLP_ENDPOINT=f"{collector.url}/",
            METRICS_ACCESS="open",
            **SOON,
        )
        for _ in range(2):
            assert gateway.client.messages().status == 200
            wait_exported(gateway)
        assert fate(gateway, "failed") > 0 < fate(gateway, "exported")
        assert fate(gateway, "dropped") == 0
        assert gateway.log.count("the trace collector takes no spans: it answered 500") == 1
        assert gateway.log.count("the trace collector takes spans again") == 1


# --- off -----------------------------------------------------------------------------------------


def test_nothing_is_traced_by_default(
    gateway: Gateway, start_gateway: Start, backend: FakeBackend
) -> None:
    """docs, security: no header of a client's trace goes on to a backend."""
    plain = start_gateway("serve")
    headers = {"traceparent": PARENT, "tracestate": "vendor=1"}
    assert plain.client.messages(headers).status == 200
    (sent,) = backend.calls
    assert (sent.header("traceparent"), sent.header("tracestate")) == (None, None)
    assert "trace " not in plain.log


LOADED = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "proxysite.settings"
import proxysite.asgi
from bridge import process_settings
from bridge.runtime.gateway import Gateway
import asyncio
async def make():
    return Gateway(process_settings.read()).tracer
tracer = asyncio.run(make())
print(tracer is None, any(name.split(".")[0] == "opentelemetry" for name in sys.modules))
"""


@pytest.mark.parametrize(
    ("variables", "loaded"),
    [({}, "True False"), ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}, "False True")],
)
def test_opentelemetry_is_loaded_only_where_traces_are_on(
    tmp_path: Path, variables: dict[str, str], loaded: str
) -> None:
    """In a fresh process, which has all of the data plane."""
    environment = {"DATA_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"} | variables
    done = subprocess.run(
        [sys.executable, "-c", LOADED],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        timeout=120,
        check=False,
    )
    assert done.stdout.strip() == loaded, done.stderr
