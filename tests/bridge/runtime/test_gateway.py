"""The parts of one process: made once, ready when the rows are read, drained before the end."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge import process_settings
from bridge.configuration.snapshot_store import SnapshotStore
from bridge.ledger.writer import Ledger
from bridge.live import messages
from bridge.live.processes import ProcessRegistry
from bridge.relay.parts import STARTING, ActiveRequest
from bridge.runtime import gateway
from bridge.runtime.gateway import Gateway
from bridge.translation.errors.api_error import ApiError

WAIT = 25.0


@pytest.fixture(autouse=True)
def haste(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "DRAIN_TICK", 0.001)
    monkeypatch.setattr(gateway, "LAST_WORDS", 0.05)


class Running:
    """A request under way, which ends when it is told to, or is interrupted."""

    def __init__(self, engine: Gateway, deaf: bool = False) -> None:
        self._exchanges: set[ActiveRequest] = engine.exchanges
        self._deaf = deaf
        self.interruptions = 0
        self._exchanges.add(self)

    def interrupt(self) -> None:
        self.interruptions += 1
        if not self._deaf:
            self.end()

    def seen(self) -> messages.Running:
        return messages.Running("req_running", 0.0)

    def end(self) -> None:
        self._exchanges.discard(self)


async def test_idle_gateway_is_drained_at_once(engine: Gateway) -> None:
    await asyncio.wait_for(engine.drain(1000.0), WAIT)


async def test_running_request_may_finish(engine: Gateway) -> None:
    """design, Servers: finish streams up to DRAIN_SECONDS."""
    running = Running(engine)
    draining = asyncio.create_task(engine.drain(1000.0))
    await asyncio.sleep(0)
    assert not draining.done()
    running.end()
    await asyncio.wait_for(draining, WAIT)
    assert running.interruptions == 0


async def test_what_is_left_is_interrupted(engine: Gateway) -> None:
    """design, Servers: then end what is left."""
    running = [Running(engine) for _ in range(3)]
    await asyncio.wait_for(engine.drain(0.01), WAIT)
    await asyncio.wait_for(engine.interrupt_rest(), WAIT)
    assert [request.interruptions for request in running] == [1, 1, 1]


async def test_request_that_does_not_listen_is_not_waited_for(engine: Gateway) -> None:
    running = Running(engine, deaf=True)
    await asyncio.wait_for(engine.drain(0.0), WAIT)
    await asyncio.wait_for(engine.interrupt_rest(), WAIT)
    assert (running.interruptions, engine.exchanges) == (1, {running})


async def test_request_waits_for_the_first_configuration(engine: Gateway) -> None:
    """Ours: the first request of a process is not told "unknown model"."""
    engine.store = SnapshotStore()
    waiting = asyncio.create_task(engine.ready())
    await asyncio.sleep(0)
    assert not waiting.done()
    engine.store._loaded.set()
    await asyncio.wait_for(waiting, WAIT)


async def test_configuration_that_does_not_come_is_an_overload(
    engine: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "START_SECONDS", 0)
    engine.store = SnapshotStore()
    with pytest.raises(ApiError) as caught:
        await engine.ready()
    error = caught.value
    assert (error.status, error.type, error.message) == (529, "overloaded_error", STARTING)


async def test_errand_that_fails_is_told_in_the_log(
    engine: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    """style 5.12: the guard of background work."""

    async def fail() -> None:
        raise ZeroDivisionError

    with caplog.at_level(logging.ERROR):
        engine.background.once(fail(), "an errand")
        await engine.background.aclose()
    assert ["an errand" in record.getMessage() for record in caplog.records] == [True]


async def test_troubles_of_the_process_are_sentences(engine: Gateway) -> None:
    """Shown under Needs attention, by whichever process shows the page."""
    assert engine.troubles() == []
    engine.spool.unreadable["0.jsonl"] = "Is a directory"
    engine.ledger._set_aside = 2
    assert engine.troubles() == [
        "Usage spool 0.jsonl cannot be read: Is a directory",
        "2 usage records could not be stored; see unreadable.txt in the usage spool",
    ]


async def test_part_that_fails_to_close_keeps_no_other_open(
    engine: Gateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Observed: daphne could not be stopped any more after the ledger failed to close."""

    async def fail() -> None:
        raise ZeroDivisionError

    async def hang() -> None:
        await asyncio.Event().wait()

    close_client, closed = engine.upstream.aclose, asyncio.Event()

    async def close() -> None:
        await close_client()
        closed.set()

    monkeypatch.setattr(gateway, "CLOSE_SECONDS", 0.01)
    monkeypatch.setattr(engine.ledger, "aclose", fail)
    monkeypatch.setattr(engine.limiter, "aclose", hang)
    monkeypatch.setattr(engine.upstream, "aclose", close)
    await asyncio.wait_for(engine.aclose(), WAIT)
    assert closed.is_set()
    assert ("ledger could not be closed" in caplog.text, "did not end" in caplog.text) == (1, 1)


# --- one for each process -----------------------------------------------------------------------


def tasks() -> set[str]:
    """What runs in this loop beside the test."""
    return {task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()}


async def test_constructor_starts_nothing(settings: Any, tmp_path: Path) -> None:
    """Neither a task nor a file nor a connection, so that any part can be tried alone."""
    settings.DATA_DIR = tmp_path / "data"
    before = tasks()
    Gateway(process_settings.read())
    assert tasks() == before
    assert not settings.DATA_DIR.exists()


async def test_gateway_runs_inside_its_context(
    settings: Any, tmp_path: Path, transactional_db: None
) -> None:
    settings.DATA_DIR = tmp_path
    before = tasks()
    async with Gateway(process_settings.read()) as started:
        await asyncio.wait_for(started.ready(), WAIT)
        assert len(tasks() - before) >= 10
    assert tasks() <= before


@pytest.fixture
async def not_started(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Gateways without background work, closed afterwards."""
    monkeypatch.setattr(Gateway, "start", lambda _: None)
    monkeypatch.setattr(ProcessRegistry, "aclose", sleep_no_time)
    monkeypatch.setattr(Ledger, "aclose", sleep_no_time)
    yield
    await gateway.close()


async def sleep_no_time(_: object) -> None:
    return None


@pytest.mark.usefixtures("not_started")
async def test_loop_has_one_gateway_until_it_is_closed() -> None:
    """Ours: everybody in a process shares one client and one breaker."""
    settings = process_settings.read()
    first = gateway.start(settings)
    assert gateway.current() is gateway.running() is first
    with pytest.raises(RuntimeError):
        gateway.start(settings)
    await gateway.close()
    await gateway.close()
    assert gateway.start(settings) is not first


async def test_nobody_starts_a_gateway_by_asking_for_it() -> None:
    """Outside a server there is none."""
    assert gateway.running() is None
    with pytest.raises(RuntimeError):
        gateway.current()
    assert gateway.running() is None
