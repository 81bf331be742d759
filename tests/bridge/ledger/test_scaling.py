"""What the database and Redis see of a request, as docs/topics/scaling.md has it."""

from __future__ import annotations

import re
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from bridge.keys.limiter import Limiter
from bridge.keys.limits import Limits
from bridge.ledger.record import Record
from bridge.ledger.writer import BATCH_LINES, enter
from tests.bridge.ledger.test_entering import a_record
from tests.fakes.redis import RedisServer
from tests.fakes.rival import nothing_used, of_key

PAPER = Path(__file__).resolve().parents[3] / "docs" / "topics" / "scaling.md"


def figure(name: str) -> int:
    """What the paper's table says."""
    found = re.search(rf"^\| {re.escape(name)} \| ([\d,]+) \|", PAPER.read_text(), re.MULTILINE)
    assert found, f"no row: {name}"
    return int(found.group(1).replace(",", ""))


def records(count: int) -> list[Record]:
    given: dict[str, Any] = {"started_at": time.time(), "attempts": 1, "key_four": "abcd"}
    return [a_record(number, session=f"s{number % 50}", **given) for number in range(count)]


@pytest.mark.django_db
@pytest.mark.parametrize("count", [1, 10, BATCH_LINES])
def test_batch_costs_the_same_statements_whatever_is_in_it(count: int) -> None:
    batch = records(count)
    with CaptureQueriesContext(connection) as seen, transaction.atomic():
        assert enter(batch, ("spool", 10)) == count
    steps = [each["sql"] for each in seen if "SAVEPOINT" not in each["sql"]]
    assert len(steps) == figure("statements of a batch")
    assert figure("most records of a batch") == BATCH_LINES


def scripts_run(server: RedisServer) -> int:
    return server.calls("evalsha") + server.calls("eval")


@pytest.mark.parametrize(
    ("name", "limits"),
    [
        ("commands of a request without limits", Limits()),
        ("commands of a request with limits", Limits(10_000, 10**9, 100, Decimal(10**6))),
    ],
)
async def test_redis_is_asked_so_often(
    name: str, limits: Limits, tmp_path: Path, settings: Any
) -> None:
    with RedisServer(tmp_path) as server:
        settings.REDIS_URL = server.url
        limiter = Limiter(nothing_used, 600.0, with_redis=True)
        account = of_key(980, limits)

        async def request() -> None:
            decision = await limiter.admit(account, 10, time.time())
            if decision.reservation is not None:
                await limiter.settle(decision.reservation, 5, Decimal(0), time.time())

        try:
            await request()  # loads the scripts, and counts what was used before
            before = scripts_run(server)
            for _ in range(10):
                await request()
            assert scripts_run(server) - before == 10 * figure(name)
        finally:
            await limiter.aclose()
