"""Costs: at the price of the moment, whoever told it, and never changed afterwards."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import starting
from tests.fakes import books
from tests.fakes.backend import FakeBackend
from tests.fakes.chunks import finish, role, text, usage
from tests.fakes.crowd import SESSION
from tests.fakes.gateway import Gateway

LISTED = {
    # as OpenRouter tells it: dollars a token, as text
    "open/router": {
        "pricing": {
            "prompt": "0.00000014",
            "completion": "0.0000011",
            "input_cache_read": "0.000000028",
            "input_cache_write": "0",
        }
    },
    # the price depends on what answers
    "open/auto": {"pricing": {"prompt": "-1", "completion": "-1"}},
    "open/free": {"pricing": {"prompt": "0", "completion": "0"}},
    "vendor/large-7b": {},
    "other/cached": {},
}
OWN: list[dict[str, Any]] = [
    {"model": "vendor/*", "input_per_mtok": "0.5", "output_per_mtok": "1.5"},
    {
        "model": "other/cached",
        "input_per_mtok": "3",
        "output_per_mtok": "15",
        "cache_read_per_mtok": "0.3",
        "cache_write_per_mtok": "3.75",
    },
]
# 1000 of the prompt, of which 400 were read from a cache and 100 written to one; 50 of the answer
COSTS: dict[str, int | None] = {
    "open/router": 500 * 140 + 400 * 28 + 100 * 0 + 50 * 1100,
    "open/auto": None,
    "open/free": 0,
    "vendor/large-7b": 1000 * 500 + 50 * 1500,
    "other/cached": 500 * 3000 + 400 * 300 + 100 * 3750 + 50 * 15_000,
}


@pytest.fixture(scope="module")
def backend() -> Iterator[FakeBackend]:
    """A backend of this module's own: no other gateway may learn its list."""
    with FakeBackend() as own:
        own.list_models(**LISTED)
        yield own


@pytest.fixture(scope="module")
def gateway(backend: FakeBackend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with starting(backend, tmp_path_factory) as start:
        gateway = start("serve")
        gateway.configure(prices=OWN)
        yield gateway


def spend(gateway: Gateway, backend: FakeBackend, session: str, *models: str) -> list[books.Row]:
    """Rows of one request to each model, in their order."""
    details = {"cached_tokens": 400, "cache_write_tokens": 100}
    used = usage(1000, 50, prompt_tokens_details=details)
    for number, model in enumerate(models):
        backend.on(model).answer(role(), text("Hi"), finish("stop"), used)
        asked = gateway.client.messages({SESSION: session}, model=model, stream=number % 2 == 0)
        assert asked.status == 200
    return books.until(
        lambda: [row for row in books.rows(gateway) if row["session"] == session],
        lambda rows: len(rows) == len(models),
        gateway,
    )


def by_model(gateway: Gateway) -> dict[str, dict[str, Any]]:
    lines = json.loads(gateway.manage("usage", "--by", "model", "--format", "json"))
    return {line["model"]: line for line in lines}


def test_each_model_costs_what_its_price_says(gateway: Gateway, backend: FakeBackend) -> None:
    """docs, Prices: an operator's own, by name or by glob, else the backend's list; or unknown."""
    rows = spend(gateway, backend, "costs", *COSTS)
    told = {row["model"]: row for row in rows}
    assert {model: row["cost_nano_usd"] for model, row in told.items()} == COSTS
    for row in rows:
        tokens = (row["input_tokens"], row["cache_read_tokens"], row["cache_write_tokens"])
        assert (tokens, row["output_tokens"]) == ((500, 400, 100), 50)
    lines = by_model(gateway)
    assert {model: line["unpriced"] for model, line in lines.items()} == {
        model: int(cost is None) for model, cost in COSTS.items()
    }
    for model, cost in COSTS.items():
        assert lines[model]["cost_usd"] == pytest.approx((cost or 0) / 10**9, abs=1e-12)


def test_new_price_never_changes_what_was_spent(gateway: Gateway, backend: FakeBackend) -> None:
    """field: history does not depend on today's list. Neither rows nor sums."""
    model = "vendor/large-7b"
    (before,) = spend(gateway, backend, "before", model)
    spent = by_model(gateway)[model]["cost_usd"]
    gateway.configure(prices=[OWN[0] | {"input_per_mtok": "50"}])
    (after,) = spend(gateway, backend, "after", model)
    assert before["cost_nano_usd"] == COSTS[model]
    assert after["cost_nano_usd"] == 1000 * 50_000 + 50 * 1500
    rows = {row["session"]: row for row in books.rows(gateway)}
    assert rows["before"] == before
    now = by_model(gateway)[model]["cost_usd"]
    assert now == pytest.approx(spent + after["cost_nano_usd"] / 10**9, abs=1e-12)
    books.check(gateway)
