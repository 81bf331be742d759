"""Nobody uses tokens that are not on record, nor gets more than a key's limits by leaving early."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Start
from tests.fakes import books
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import arguments, call, finish, role, usage
from tests.fakes.client import MESSAGES, ask, leave
from tests.fakes.gateway import Gateway
from tests.fakes.issuing import issue
from tests.fakes.replies import Gate

HUGE = 300_000
CATCH_ALL: list[dict[str, Any]] = [
    {"pattern": "*", "targets": [{"backend": "main", "model": ALPHA}]}
]
SERVERS = pytest.mark.parametrize("server", ["serve", "uvicorn"])


@SERVERS
def test_no_request_is_too_large_for_the_ledger(
    start_gateway: Start, backend: FakeBackend, server: str
) -> None:
    """Evasion: names of 300 KB, of a model and of a tool that the model made up."""
    gateway = start_gateway(server)
    gateway.configure(aliases=CATCH_ALL)
    backend.on(ALPHA).answer(
        role(), call(0, "call_1", "x" * HUGE), arguments(0, "{}"), finish("stop"), usage(9, 5)
    )
    tools = [{"name": "Bash", "input_schema": {"type": "object"}}]
    for stream in (False, True):
        gateway.client.messages(model="m" * HUGE, stream=stream)
        gateway.client.messages(tools=tools, stream=stream)
    rows = books.wait_for_rows(gateway, 4)
    used = [(row["input_tokens"], row["output_tokens"]) for row in rows if row["attempts"]]
    assert used == [(9, 5)] * len(backend.calls)
    books.check(gateway)
    assert max(map(len, gateway.log.splitlines())) < HUGE


@SERVERS
def test_prompts_that_are_left_early_use_up_the_limits(
    start_gateway: Start, backend: FakeBackend, server: str
) -> None:
    """Reported: 12 prompts of 3,500 tokens in ten seconds, on a limit of 5,000 a minute."""
    gateway = start_gateway(server)
    gateway.configure(prices=[{"model": ALPHA, "input_per_mtok": "2", "output_per_mtok": "10"}])
    keys = issue(gateway, plain={"tpm": 5000}, streamed={"tpm": 5000, "budget_usd": "0.005"})
    body = {name: ask(stream=name == "streamed", system="word " * 2800) for name in keys}
    for name, key in keys.items():
        gate = Gate()
        backend.reset()
        backend.on(ALPHA).json({}, before=gate)
        connection = gateway.with_key(key).send("POST", MESSAGES, body[name])
        gate.wait_reached()
        leave(connection)
        backend.only_call.wait_left()
    for row in books.wait_for_rows(gateway, 2):
        assert (row["status"], row["estimated"], row["output_tokens"]) == (499, True, 0)
        assert row["input_tokens"] > 3000
        assert row["cost_nano_usd"] == row["input_tokens"] * 2000
    backend.reset()
    for name, key in keys.items():
        assert gateway.with_key(key).post(MESSAGES, body[name]).status == 429
    assert backend.calls == []


def test_budget_holds_over_processes_without_redis(
    start_gateway: Start, backend: FakeBackend, tmp_path: Path
) -> None:
    """Reported: the ledger is all that they share, and they look into it every two seconds."""
    shared = {
        "DATABASE_URL": f"sqlite:///{tmp_path / 'shared.sqlite3'}",
        "SECRET_KEY": "s" * 50,
    }
    backend.on(ALPHA).answer(role(), call(0, "c", "x"), finish("stop"), usage(100_000, 5_000))
    first, second = start_gateway("serve", **shared), start_gateway("uvicorn", **shared)
    first.configure(prices=[{"model": ALPHA, "input_per_mtok": "2", "output_per_mtok": "10"}])
    key = issue(first, team={"budget_usd": "0.2"})["team"]
    one, other = first.with_key(key), second.with_key(key)
    books.until(lambda: other.get("/v1/models").status, lambda status: status == 200, second)
    for gateway in (first, second):
        books.until(
            partial(_problem, gateway), lambda problem: "several processes" in problem, gateway
        )
    assert one.messages().status == 200
    assert one.messages().status == 429
    before = len(backend.calls)
    books.until(other.messages, lambda answer: answer.status == 429, second)
    assert len(backend.calls) - before <= 60


def _problem(gateway: Gateway) -> str:
    return str(json.loads(gateway.client.get("/health").body)["limits"]["problem"])
