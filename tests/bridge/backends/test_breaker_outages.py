"""Breakers while the database is away, and the loop that exchanges them. Ours."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest
from channels.db import database_sync_to_async
from django.db import InterfaceError, OperationalError

from bridge.backends import breaker_sync
from bridge.backends.breaker import State
from bridge.backends.breaker_sync import BreakerRows
from bridge.configuration.snapshot_store import SnapshotStore
from tests.bridge.processes import Both, until

pytestmark = pytest.mark.django_db(transaction=True)

AWAY = [OperationalError("away"), InterfaceError("connection already closed")]
WAIT = 25.0


def gone(error: Exception) -> Callable[..., Any]:
    def fail(*_: Any) -> Any:
        raise error

    return fail


@pytest.mark.parametrize("error", AWAY, ids=["operational", "interface"])
async def test_what_could_not_be_told_is_told_later(
    both: Both, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Each process breaks by itself meanwhile; nothing is counted twice, nothing is lost."""
    real = breaker_sync._exchange
    both.one.fail(3)
    monkeypatch.setattr(breaker_sync, "_exchange", gone(error))
    for _ in range(3):
        with pytest.raises(type(error)):
            await both.one.rows.exchange()
    both.one.fail(1)
    with pytest.raises(type(error)):
        await both.one.rows.exchange()
    assert (both.one.failures, both.one.state) == (4, State.CLOSED)
    monkeypatch.setattr(breaker_sync, "_exchange", real)
    await both.exchange()
    assert (both.one.failures, both.two.failures) == (4, 4)


async def test_what_happens_during_the_outage_is_added(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure while the database is being waited for."""
    real = breaker_sync._exchange

    def fail_meanwhile(*_: Any) -> Any:
        both.one.fail(2, "the second")
        raise OperationalError("away")

    both.one.fail(3, "the first")
    monkeypatch.setattr(breaker_sync, "_exchange", fail_meanwhile)
    with pytest.raises(OperationalError):
        await both.one.rows.exchange()
    monkeypatch.setattr(breaker_sync, "_exchange", real)
    await both.exchange()
    assert (both.two.failures, both.two.state) == (5, State.OPEN)
    assert both.two.health.of(both.two.backend).last_error == "the second"


async def test_recovery_during_the_outage_is_not_undone(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = breaker_sync._exchange

    def recover_meanwhile(*_: Any) -> Any:
        both.one.succeed()
        raise OperationalError("away")

    both.one.fail(4)
    monkeypatch.setattr(breaker_sync, "_exchange", recover_meanwhile)
    with pytest.raises(OperationalError):
        await both.one.rows.exchange()
    monkeypatch.setattr(breaker_sync, "_exchange", real)
    await both.exchange()
    assert both.one.failures == both.two.failures == 0


async def test_what_happens_during_an_exchange_is_not_overwritten(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes back is from before it; it is told the next time."""
    real = breaker_sync._exchange

    def fail_meanwhile(*given: Any) -> Any:
        rows = real(*given)
        both.one.fail(2)
        return rows

    both.two.fail(1)
    await both.two.rows.exchange()
    both.one.fail(1)
    monkeypatch.setattr(breaker_sync, "_exchange", fail_meanwhile)
    await both.one.rows.exchange()
    assert both.one.failures == 3
    monkeypatch.setattr(breaker_sync, "_exchange", real)
    await both.exchange()
    assert (both.one.failures, both.two.failures) == (4, 4)


# --- the end of a process ------------------------------------------------------------------------


async def test_what_a_process_sees_last_is_stored_as_it_ends(both: Both) -> None:
    """A breaker that opened in its last moment is open for the process that starts next."""
    both.one.fail(5)
    await both.one.rows.aclose()
    await both.two.rows.exchange()
    assert both.two.state is State.OPEN


async def test_exchange_that_is_cut_off_comes_to_its_end(both: Both) -> None:
    """The thread of the database is busy with something else when the process is ended."""
    held = threading.Event()
    elsewhere = asyncio.create_task(database_sync_to_async(held.wait)(WAIT))
    await asyncio.sleep(0)
    both.one.fail(5)
    exchange = asyncio.create_task(both.one.rows.exchange())
    await asyncio.sleep(0)
    exchange.cancel()
    held.set()
    await both.one.rows.aclose()
    await elsewhere
    await both.two.rows.exchange()
    assert (both.two.failures, both.two.state) == (5, State.OPEN)


@pytest.mark.parametrize("error", AWAY, ids=["operational", "interface"])
async def test_process_ends_also_while_the_database_is_away(
    both: Both,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    both.one.fail(5)
    monkeypatch.setattr(breaker_sync, "_exchange", gone(error))
    await both.one.rows.aclose()
    assert str(error) in caplog.messages[-1]


# --- the loop ----------------------------------------------------------------------------------


async def test_opening_is_told_at_once(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours: not only when the second is over."""
    monkeypatch.setattr(breaker_sync, "PERIOD", 1000.0)
    loops = [asyncio.create_task(process.rows.run()) for process in (both.one, both.two)]
    told = asyncio.Event()
    real = breaker_sync._exchange

    def watched(news: Any, *given: Any) -> Any:
        rows = real(news, *given)
        if news:
            told.set()
        return rows

    monkeypatch.setattr(breaker_sync, "_exchange", watched)
    await asyncio.sleep(0)
    both.one.fail(5)
    await asyncio.wait_for(told.wait(), WAIT)
    both.two.rows.wake()
    await until(lambda: both.two.state is State.OPEN)
    for loop in loops:
        loop.cancel()


async def test_loop_outlives_an_outage_and_says_it_once(
    both: Both, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """design, The snapshot: a database that is away; here for breakers."""
    monkeypatch.setattr(breaker_sync, "PERIOD", 0.001)
    real, tries = breaker_sync._exchange, list[int]()

    def away_for_a_while(*given: Any) -> Any:
        tries.append(1)
        if len(tries) in (2, 3, 4, 6):
            raise AWAY[len(tries) % 2]
        return real(*given)

    monkeypatch.setattr(breaker_sync, "_exchange", away_for_a_while)
    with caplog.at_level(logging.WARNING, logger=breaker_sync.__name__):
        loop = asyncio.create_task(both.one.rows.run())
        both.one.fail(2)
        await until(lambda: len(tries) > 7)
        loop.cancel()
    said = [
        record.getMessage().partition(":")[0]
        for record in caplog.records
        if record.name == breaker_sync.__name__
    ]
    assert said == ["breakers are this process's own for now"] * 2
    await both.two.rows.exchange()
    assert both.two.failures == 2


async def test_nothing_is_exchanged_before_the_first_snapshot(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours: the tables may not be there yet."""
    monkeypatch.setattr(breaker_sync, "_exchange", gone(AssertionError("too early")))
    rows = BreakerRows(both.one.health, SnapshotStore())
    loop = asyncio.create_task(rows.run())
    await asyncio.sleep(0.01)
    assert not loop.done()
    loop.cancel()
