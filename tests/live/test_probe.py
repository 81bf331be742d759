"""The probe of a live llama.cpp server. Optional: set TEST_LLAMA_SERVER, see test_llama_server.py.

What the server decides is known for certain and pinned here. What its small model decides may be
either, but never without evidence; where it can be asked directly, its own word is the measure.
"""

import os
from collections.abc import Iterator

import pytest

from bridge.backends.client import BackendClient
from bridge.probe.check import Finding, Subject, known_facts
from bridge.probe.checks import CHECKS
from bridge.probe.run import run
from bridge.probe.target import ProbeTarget
from bridge.translation.profiles import PROFILES, ModelFacts
from tests.bridge.making import a_backend
from tests.live.llama_server import Server, running, wait_until

COMMAND = os.environ.get("TEST_LLAMA_SERVER", "")
SERVERS_OWN = {
    "plain": True,
    "usage": True,
    "temperature": True,
    "stream": True,
    "stream_usage": True,
    "image": False,
    "pdf": False,
    "json_schema": True,
    "prefill": True,
}
"""Checks whose outcome does not depend on the words of the model."""

pytestmark = pytest.mark.skipif(
    not COMMAND, reason="no llama.cpp server: TEST_LLAMA_SERVER is not set"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(COMMAND, tmp_path_factory.mktemp("llama") / "server.log") as server:
        yield server


async def probed(server: Server, context: int | None = None) -> dict[str, Finding]:
    backend = a_backend(f"{server.url}/v1", family="llamacpp")
    facts = ModelFacts(server.model, context=context)
    aim = ProbeTarget(backend, Subject(server.model, PROFILES["llamacpp"], facts), "")
    upstream = BackendClient(connect_timeout=5.0)
    try:
        steps = [step async for step in run(upstream, aim)]
    finally:
        await upstream.aclose()
    return {step.finding.check: step.finding for step in steps}


async def test_verdicts_are_true(server: Server) -> None:
    """Observed backend, backends 1.2 and 1.4."""
    findings = await probed(server, context=server.window)
    assert list(findings) == [check.name for check in CHECKS]
    shown = {name: findings[name].works for name in SERVERS_OWN}
    assert shown == SERVERS_OWN, {name: findings[name].evidence for name in SERVERS_OWN}
    assert findings["stop_named"].works is not True
    assert findings["stop"].works is not False
    assert findings["max_tokens"].works is not False
    assert findings["tool_named"].works is not True or "get_time" in findings["tool_named"].evidence
    assert str(server.window) in findings["limits"].evidence
    assert all(finding.evidence for finding in findings.values())
    facts = known_facts(findings.values())
    assert facts["vision"] is False
    assert facts.get("tools") is not False or not calls_tools(server)
    assert "context" not in facts


async def test_window_is_not_guessed_where_nobody_tells_it(server: Server) -> None:
    """Observed backend: it takes any token limit, and stops where its window ends."""
    findings = await probed(server)
    assert (findings["limits"].works, dict(findings["limits"].facts)) == (None, {})
    wait_until(lambda: server.is_idle, "the server goes on for nobody")


def calls_tools(server: Server) -> bool:
    """Whether the model calls a tool when the server itself is asked."""
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}}
    function = {"name": "get_weather", "description": "Weather", "parameters": parameters}
    question = {"role": "user", "content": "What is the weather in Lisbon? Use the tool."}
    tools = [{"type": "function", "function": function}]
    answer = server.chat([question], tools=tools, max_tokens=200)
    return bool(answer["choices"][0]["message"].get("tool_calls"))
