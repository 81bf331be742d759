"""What an operator says about an alias, as the backend gets it. Ours."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import starting
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.client import MESSAGES, ask
from tests.fakes.gateway import Gateway

TARGETS = [{"backend": "main", "model": ALPHA}]
SAID: dict[str, dict[str, Any]] = {
    "calm": {"temperature": 0.25},
    "cold": {"temperature": 0.0},
    "short": {"max_tokens": 50},
    "led": {"system_prefix": "Be brief."},
    "quick": {"thinking": "off"},
    "deep": {"thinking": "max"},
    "all": {"thinking": "low", "temperature": 1.5, "max_tokens": 9, "system_prefix": "P"},
}
COUNT = f"{MESSAGES}/count_tokens"


@pytest.fixture(scope="module")
def module_gateway(
    session_backend: FakeBackend, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    with starting(session_backend, tmp_path_factory) as start:
        gateway = start(BACKEND_DIALECT="deepseek")
        aliases = [{"pattern": name, "targets": TARGETS, **said} for name, said in SAID.items()]
        gateway.configure(aliases=[*aliases, {"pattern": "plain", "targets": TARGETS}])
        yield gateway


@pytest.fixture
def gateway(module_gateway: Gateway, backend: FakeBackend) -> Gateway:
    return module_gateway


def sent(gateway: Gateway, backend: FakeBackend, alias: str, **fields: Any) -> dict[str, Any]:
    """What the backend really got."""
    response = gateway.client.messages(model=alias, **fields)
    assert (response.status, response.json["model"]) == (200, alias)
    body: dict[str, Any] = backend.calls[-1].body
    assert body["model"] == ALPHA
    return body


ASKED: dict[str, Any] = {
    "temperature": 1,
    "max_tokens": 200,
    "system": "You are a pirate.",
    "thinking": {"type": "enabled", "budget_tokens": 2048},
}
THINKS = {"thinking": {"type": "enabled"}}


@pytest.mark.parametrize(
    ("alias", "changed"),
    [
        ("plain", {}),
        ("calm", {"temperature": 0.25}),
        ("cold", {"temperature": 0.0}),
        ("short", {"max_tokens": 50}),
        ("quick", {"thinking": {"type": "disabled"}, "reasoning_effort": None}),
        ("deep", THINKS | {"reasoning_effort": "max"}),
        ("all", THINKS | {"reasoning_effort": "low", "temperature": 1.5, "max_tokens": 9}),
    ],
)
def test_operators_word_is_what_the_backend_gets(
    gateway: Gateway, backend: FakeBackend, alias: str, changed: dict[str, Any]
) -> None:
    """Each alone changes its own field, and nothing else."""
    usual = sent(gateway, backend, "plain", **ASKED)
    found = sent(gateway, backend, alias, **ASKED)
    wanted = {name: value for name, value in (usual | changed).items() if value is not None}
    assert found.keys() == wanted.keys()
    assert {k: v for k, v in found.items() if k != "messages"} == {
        k: v for k, v in wanted.items() if k != "messages"
    }


@pytest.mark.parametrize(
    ("alias", "system", "leading"),
    [
        ("led", "You are a pirate.", "Be brief.\n\nYou are a pirate."),
        ("led", None, "Be brief."),
        ("plain", "You are a pirate.", "You are a pirate."),
    ],
)
def test_prefix_leads_the_system_prompt(
    gateway: Gateway, backend: FakeBackend, alias: str, system: str | None, leading: str
) -> None:
    fields = {} if system is None else {"system": system}
    messages = sent(gateway, backend, alias, **fields)["messages"]
    assert messages[0] == {"role": "system", "content": leading}
    assert [message["role"] for message in messages] == ["system", "user"]


def test_ceiling_leaves_a_smaller_wish(gateway: Gateway, backend: FakeBackend) -> None:
    assert sent(gateway, backend, "short", max_tokens=49)["max_tokens"] == 49


def test_prefix_counts_where_tokens_are_counted(gateway: Gateway, backend: FakeBackend) -> None:
    """Observed client: decides by the count when to compact."""
    asked = {"model": "plain", "messages": ask()["messages"]}
    plain, led = (
        gateway.client.post(COUNT, asked | {"model": name}).json["input_tokens"]
        for name in ("plain", "led")
    )
    assert led > plain


def test_change_is_served_without_a_restart(gateway: Gateway, backend: FakeBackend) -> None:
    """design, The snapshot: live."""
    for temperature in (0.5, 0.75):
        changed = {"pattern": "live", "targets": TARGETS, "temperature": temperature}
        gateway.configure(aliases=[changed])
        assert sent(gateway, backend, "live")["temperature"] == temperature
