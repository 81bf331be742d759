"""A gateway started with the variables of the earlier Python gateway keeps its promises."""

import json

import pytest

from tests.conftest import Start
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import call, finish, role, usage
from tests.fakes.gateway import Gateway

VARIABLES = {
    "CHUTES_API_KEY": "cpk_operator",
    "CHUTES_AUTH_STYLE": "env",
    "MODEL_MAP": json.dumps({"claude-x": "TEST/alpha"}),
    "TOOL_NAME_MAP": json.dumps({"run_shell": "Bash"}),
    "AUTO_FIX_MODEL_CASE": "1",
    "DEBUG_PROXY": "1",
    "RUST_LOG": "debug",
    "PROXY_BACKOFF_ON_429": "1",
    "PROXY_MAX_RETRY_ON_429": "1",
    "PROXY_MAX_RETRY_AFTER": "2",
    "DISCOVERY_MIN_INTERVAL": "300",
    "UVICORN_WORKERS": "1",
}
TOOL = {"name": "Bash", "input_schema": {"type": "object", "properties": {}}}


@pytest.fixture
def gateway(start_gateway: Start, backend: FakeBackend) -> Gateway:
    """Its base address has no path, and its backend is named by that variable alone."""
    return start_gateway(demo=True, CHUTES_BASE_URL=backend.base_url, **VARIABLES)


def test_variables_of_the_earlier_gateway_work_together(
    gateway: Gateway, backend: FakeBackend
) -> None:
    """P5, P6, P7, P8, P9, P10, P11: address, key, both maps, case, and a log without words."""
    backend.on(ALPHA).answer(
        role(), call(0, "call_1", "run_shell", "{}"), finish("tool_calls"), usage(5, 2)
    )
    message = gateway.client.messages(text="a private word", model="claude-x", tools=[TOOL]).json
    (block,) = message["content"]
    assert (message["model"], block["name"]) == ("claude-x", "Bash")
    sent = backend.only_call
    assert (sent.path, sent.model) == ("/v1/chat/completions", ALPHA)
    assert sent.header("authorization") == "Bearer cpk_operator"
    assert [tool["function"]["name"] for tool in sent.body["tools"]] == ["run_shell"]
    assert ALPHA in gateway.log
    assert "private" not in gateway.log and "cpk_operator" not in gateway.log
