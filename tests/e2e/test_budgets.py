"""Budgets of keys: what is spent is known to the cent, also after a restart."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bridge.ledger.record import Record
from bridge.ledger.spool import Spool
from tests.conftest import Start
from tests.fakes import books
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import finish, role, text, usage
from tests.fakes.client import Response
from tests.fakes.gateway import Gateway
from tests.fakes.issuing import issue
from tests.shapes import check_error

BIG = 2**30
PRICES = [{"model": ALPHA, "input_per_mtok": "2", "output_per_mtok": "10"}]


def spend(backend: FakeBackend) -> None:
    """Each answer costs 0.25 USD: 100,000 tokens of a prompt and 5,000 of an answer."""
    backend.on(ALPHA).answer(role(), text("Hi"), finish("stop"), usage(100_000, 5_000))


def refusal(gateway: Gateway, key: str, stream: bool = False) -> str:
    """What the refusal says; it has all that such an answer must have."""
    response = gateway.with_key(key).messages(stream=stream)
    assert response.status == 429, response.body
    error = check_error(response.json)["error"]
    assert error["type"] == "billing_error"
    assert response.headers["x-should-retry"] == "false"
    assert int(response.headers["retry-after"]) >= 1
    return str(error["message"])


def used(gateway: Gateway, key: str) -> dict[str, Any]:
    """The line of `manage.py usage` for one key."""
    lines = json.loads(gateway.manage("usage", "--by", "key", "--key", key, "--format", "json"))
    assert len(lines) == 1
    line: dict[str, Any] = lines[0]
    return line


def end(gateway: Gateway) -> None:
    assert gateway.stop() == 0


def kill(gateway: Gateway) -> None:
    gateway.kill()


@pytest.mark.parametrize("ending", [end, kill])
def test_spent_budget_is_spent_after_a_restart_too(
    start_gateway: Start, backend: FakeBackend, ending: Callable[[Gateway], None]
) -> None:
    """field: the ledger knows, and reports tell the same number."""
    spend(backend)
    first = start_gateway("serve")
    first.configure(prices=PRICES)
    key = issue(first, team={"budget_usd": "0.7", "period": "day"})["team"]
    for stream in (False, True, False):  # the third begins with 0.50 spent, and may go beyond
        assert first.with_key(key).messages(stream=stream).status == 200
    said = refusal(first, key)
    assert said.startswith("Budget of 0.70 USD a day is used up, the next one begins at 2")
    assert said.endswith("T00:00:00Z. Ask the operator of this gateway for more")
    assert refusal(first, key, stream=True) == said
    ending(first)
    second = start_gateway("serve", after=first)
    assert refusal(second, key) == said
    books.wait_for_rows(second, 6)
    line = used(second, "team")
    assert (line["requests"], line["refused"], line["cost_usd"]) == (6, 3, 0.75)
    assert (line["input_tokens"], line["output_tokens"]) == (300_000, 15_000)


def test_what_a_killed_process_left_counts_before_the_first_request(
    start_gateway: Start, backend: FakeBackend, tmp_path: Path
) -> None:
    """Ours: although there is more of it than the writer takes at once."""
    first = start_gateway("serve")
    key = issue(first, team={"budget_usd": "1"})["team"]
    first.stop()
    spool = Spool(Path(first.environment["DATA_DIR"]) / "spool", BIG)
    for number in range(1200):
        record = Record(f"req_{number}", key="team", key_id=1, cost_nano_usd=1_000_000, status=200)
        record.write(spool)
    spool.close()
    second = start_gateway("serve", after=first)
    assert refusal(second, key).startswith("Budget of 1.00 USD a month is used up")
    assert backend.calls == []


def test_key_without_a_known_price_spends_nothing(
    start_gateway: Start, backend: FakeBackend
) -> None:
    """Ours: what cannot be known is told, not guessed."""
    spend(backend)
    gateway = start_gateway("serve")
    key = issue(gateway, team={"budget_usd": "0.01"})["team"]
    for _ in range(2):
        assert gateway.with_key(key).messages().status == 200
    books.wait_for_rows(gateway, 2)
    line = used(gateway, "team")
    assert (line["cost_usd"], line["unpriced"]) == (0, 2)


def test_budget_that_is_raised_lets_requests_in_again(
    start_gateway: Start, backend: FakeBackend
) -> None:
    """Ours: the admin's change counts within a second, and what was spent stays spent."""
    spend(backend)
    gateway = start_gateway("serve")
    gateway.configure(prices=PRICES)
    key = issue(gateway, team={"budget_usd": "0.2"})["team"]
    client = gateway.with_key(key)
    assert client.messages().status == 200
    refusal(gateway, key)
    raised = "from bridge.models import ApiKey; k = ApiKey.objects.get(); k.budget_usd = '0.4'; "
    gateway.manage("shell", "-v0", "-c", f"{raised}k.save()")
    books.until(client.messages, lambda answer: answer.status == 200, gateway)
    assert refusal(gateway, key).startswith("Budget of 0.40 USD a month")


def test_budget_that_is_newly_given_counts_what_was_spent(
    start_gateway: Start, backend: FakeBackend
) -> None:
    """Reported by operators: from its first request on, also when its period changes."""
    spend(backend)
    gateway = start_gateway("serve")
    gateway.configure(prices=PRICES)
    key = issue(gateway, team={"rpm": 100})["team"]
    client = gateway.with_key(key)
    assert client.messages().status == 200  # 0.25 USD
    change = "from bridge.models import ApiKey; k = ApiKey.objects.get(); "
    for budget, period in (("0.2", "day"), ("0.21", "week"), ("0.22", "total")):
        set_to = f"k.budget_usd = '{budget}'; k.period = '{period}'; k.save()"
        served = len(backend.calls)
        gateway.manage("shell", "-v0", "-c", change + set_to)
        books.until(client.messages, partial(names, budget), gateway)
        if period != "day":
            assert len(backend.calls) == served


def names(budget: str, answer: Response) -> bool:
    """Whether the answer is a refusal for this budget."""
    return answer.status == 429 and budget in answer.json["error"]["message"]
