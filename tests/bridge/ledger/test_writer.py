"""The background writer: whatever stops it, and wherever, each line becomes one row."""

import asyncio
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from channels.db import database_sync_to_async
from django.db import DataError, OperationalError, connection

from bridge.clocks import SYSTEM, Clocks
from bridge.ledger import writer
from bridge.ledger.audit import audit
from bridge.ledger.record import Record
from bridge.ledger.retention import erasing
from bridge.ledger.spool import SET_ASIDE, Spool
from bridge.ledger.writer import LONGEST_PAUSE, PAUSE_SECONDS, Ledger
from bridge.models import LostRecords, SpoolPosition, UsageHour, UsageRecord
from tests.bridge.making import Clock

pytestmark = pytest.mark.usefixtures("transactional_db")

BIG = 2**30


class Process:
    """What one process has: a spool and its writer."""

    def __init__(self, folder: Path, retention_days: int = 0, clocks: Clocks = SYSTEM) -> None:
        self.spool = Spool(folder, BIG, clocks.steady)
        self.ledger = Ledger(self.spool, retention_days, clocks)

    def ended(self, *numbers: int, **fields: Any) -> None:
        """Requests of these numbers end."""
        for number in numbers:
            a_record(number, **fields).write(self.spool)

    def write_all(self) -> None:
        while self.ledger.step():
            pass

    def die(self) -> None:
        """As the kernel does it: locks are given back, and nothing else."""
        files, self.spool._files, self.spool._active = self.spool._files, [], None
        for file in files:
            file.close()


def a_record(number: int, **fields: Any) -> Record:
    told = {"key": "team", "status": 200, "input_tokens": 10, "session": "s1"}
    return Record(f"req_{number}", **{**told, **fields})


@pytest.fixture
def process(folder: Path, clock: Clock) -> Iterator[Process]:
    process = Process(folder, clocks=Clocks(clock, clock))
    yield process
    process.spool.close()


@pytest.fixture
def clock() -> Clock:
    """Both clocks of the writer."""
    return Clock(time.time())


@contextmanager
def database_away() -> Iterator[None]:
    """For the ledger's rows, the database is not there."""
    rename("bridge_usagerecord", "elsewhere")
    yield
    rename("elsewhere", "bridge_usagerecord")


def killed(*_: object) -> None:
    raise SystemExit


def rename(table: str, to: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO {to}")


def numbers() -> list[int]:
    """The numbers of the requests that have rows, after a look whether all adds up."""
    assert audit().differences == []
    requests = sum(UsageHour.objects.values_list("requests", flat=True))
    ids = UsageRecord.objects.values_list("request_id", flat=True)
    assert requests == len(ids)
    return sorted(int(request_id.removeprefix("req_")) for request_id in ids)


# --- one process ---------------------------------------------------------------------------------


def test_lines_become_rows_and_go(process: Process, folder: Path) -> None:
    """design, The ledger: a background writer moves lines into rows in batches."""
    process.ended(*range(1200))
    assert [process.ledger.step() for _ in range(4)] == [500, 500, 200, 0]
    assert numbers() == list(range(1200))
    process.spool.close()
    assert os.listdir(folder) == []


def test_position_of_a_removed_file_is_forgotten(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours: else their number would grow for ever."""
    monkeypatch.setattr("bridge.ledger.spool.ROTATE_BYTES", 500)
    process.ended(*range(20))
    process.write_all()
    process.ledger.step()
    assert SpoolPosition.objects.count() <= 1
    assert numbers() == list(range(20))


def test_line_that_is_no_record_is_set_aside(process: Process, folder: Path) -> None:
    """Ours: it must not hold up the lines behind it."""
    process.ended(1)
    strange = [b"\0\0\0", b'{"request_id":5}', b'"text"', b'{"request_id":"x","seconds":"long"}']
    for line in strange:
        process.spool.append(line)
    process.ended(2)
    process.write_all()
    assert numbers() == [1, 2]
    assert (folder / SET_ASIDE).read_bytes().splitlines() == strange
    assert process.ledger.state.set_aside == 4


def test_half_a_character_is_no_reason_to_set_a_line_aside(process: Process) -> None:
    process.spool.append(b'{"request_id":"req_1","client":"a\\ud83d","started_at":1.0}')
    process.write_all()
    assert UsageRecord.objects.get().client == "a\ufffd"


def test_record_that_the_database_refuses_is_set_aside_alone(
    process: Process, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours: found by halves."""
    enter = writer.enter

    def choosy(records: list[Record], place: Any = None) -> int:
        if any(record.request_id == "req_13" for record in records):
            raise DataError("value out of range")
        return enter(records, place)

    monkeypatch.setattr(writer, "enter", choosy)
    process.ended(*range(40))
    process.write_all()
    assert numbers() == [number for number in range(40) if number != 13]
    assert b"req_13" in (folder / SET_ASIDE).read_bytes()
    assert SpoolPosition.objects.get().position == sum(
        path.stat().st_size for path in folder.glob("*.jsonl")
    )


# --- the process dies ----------------------------------------------------------------------------


def test_line_is_counted_once_when_the_writer_dies_behind_its_commit(
    process: Process, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """design, The ledger: killed between the commit and the spool."""
    process.ended(*range(10))
    monkeypatch.setattr(process.spool, "done", killed)
    with pytest.raises(SystemExit):
        process.ledger.step()
    process.die()
    heir = Process(folder)
    heir.ended(10)
    heir.write_all()
    assert numbers() == list(range(11))
    heir.spool.close()
    assert os.listdir(folder) == []


def test_line_is_counted_once_although_its_row_is_gone_again(
    process: Process, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours: retention may be faster than the heir of a spool file; the position tells."""
    process.ended(*range(10), started_at=time.time() - 10 * 86_400)
    monkeypatch.setattr(process.spool, "done", lambda batch: None)
    process.ledger.step()
    process.die()
    erasing.erase(datetime.now(UTC) - timedelta(days=5))
    assert not UsageRecord.objects.exists()
    heir = Process(folder)
    heir.write_all()
    assert sum(UsageHour.objects.values_list("requests", flat=True)) == 10


def test_line_is_read_again_when_the_writer_dies_before_its_commit(
    process: Process, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process.ended(*range(10))
    with monkeypatch.context() as dying, pytest.raises(SystemExit):
        dying.setattr(writer, "_session_rows", killed)
        process.ledger.step()
    process.die()
    heir = Process(folder)
    heir.write_all()
    assert numbers() == list(range(10))


def test_answer_to_the_commit_may_get_lost(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours: the database has it, and the writer does not know."""
    enter = writer.enter

    def cut_off(records: list[Record], place: Any = None) -> int:
        enter(records, place)
        raise OperationalError("server closed the connection unexpectedly")

    process.ended(*range(10))
    with monkeypatch.context() as broken:
        broken.setattr(writer, "enter", cut_off)
        with pytest.raises(OperationalError):
            process.ledger.step()
    process.write_all()
    assert numbers() == list(range(10))
    assert process.ledger.state.waiting == 0


# --- the database is away ------------------------------------------------------------------------


async def test_database_outage_delays_rows_and_loses_none(
    process: Process, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """design, The ledger. One warning, growing pauses, a state that pages can show."""
    with caplog.at_level(logging.WARNING, "bridge.ledger.writer"):
        away = database_away()
        await database_sync_to_async(away.__enter__)()
        process.ended(*range(5))
        for _ in range(10):
            clock.advance(3.0)
            assert await process.ledger.advance() == 0
        state = process.ledger.state
        assert (state.waiting, state.written) == (5, 0)
        assert state.lag_seconds == pytest.approx(30.0, abs=1.0)
        assert "bridge_usagerecord" in state.last_error
        assert process.ledger._pause == LONGEST_PAUSE
        await database_sync_to_async(away.__exit__)(None, None, None)
        assert await process.ledger.advance() == 5
    assert [entry.levelname for entry in caplog.records] == ["WARNING", "WARNING"]
    state = process.ledger.state
    assert (state.waiting, state.lag_seconds, state.last_error) == (0, 0.0, "")
    assert (state.written, process.ledger._pause) == (5, PAUSE_SECONDS)
    assert await database_sync_to_async(numbers)() == list(range(5))


async def test_idle_writer_asks_the_database_nothing(process: Process, clock: Clock) -> None:
    """Ours: the first look finds nothing, and until the next one is due there is none."""
    assert await process.ledger.advance() == 0
    away = database_away()
    await database_sync_to_async(away.__enter__)()
    assert (await process.ledger.advance(), process.ledger.state.last_error) == (0, "")
    await database_sync_to_async(away.__exit__)(None, None, None)


# --- as background work --------------------------------------------------------------------------


async def until(reached: Any, seconds: float = 10.0) -> None:
    """Wait for a condition on the database."""
    deadline = time.monotonic() + seconds
    while not await database_sync_to_async(reached)():
        assert time.monotonic() < deadline, "did not come to pass"
        await asyncio.sleep(0.02)


async def test_loop_writes_what_comes_and_ends_when_it_is_told(
    process: Process, folder: Path
) -> None:
    running = asyncio.create_task(process.ledger.run())
    process.ended(1, 2)
    await until(lambda: UsageRecord.objects.count() == 2)
    process.ended(3)
    await until(lambda: UsageRecord.objects.count() == 3)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    process.ended(4)
    await process.ledger.aclose()
    assert await database_sync_to_async(numbers)() == [1, 2, 3, 4]
    assert os.listdir(folder) == []


async def test_what_cannot_be_written_at_the_end_waits_for_the_next_start(
    process: Process, folder: Path
) -> None:
    """docs, usage: the rest waits for the next start."""
    away = database_away()
    await database_sync_to_async(away.__enter__)()
    process.ended(1, 2)
    await process.ledger.aclose()
    await database_sync_to_async(away.__exit__)(None, None, None)
    following = Process(folder)
    following.ended(3)
    while await following.ledger.advance():
        pass
    assert await database_sync_to_async(numbers)() == [1, 2, 3]
    await following.ledger.aclose()


async def test_end_does_not_wait_for_a_database_that_hangs(
    process: Process, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours: a process that was told to end must end."""
    monkeypatch.setattr(writer, "FLUSH_SECONDS", 0.05)
    assert process.ledger._turn.acquire()
    process.ended(1)
    stuck = asyncio.create_task(asyncio.to_thread(process.ledger.step))
    try:
        async with asyncio.timeout(10):
            await process.ledger.aclose()
    finally:
        process.ledger._turn.release()
        await stuck
    assert await database_sync_to_async(UsageRecord.objects.count)() == 1


def test_old_rows_are_erased_on_the_way(folder: Path, clock: Clock) -> None:
    """docs, USAGE_RETENTION_DAYS."""
    process = Process(folder, retention_days=5, clocks=Clocks(clock, clock))
    process.ended(1, started_at=time.time() - 6 * 86_400)
    process.ended(2)
    process.write_all()
    clock.advance(writer.ERASE_SECONDS)
    process.ledger.step()
    assert list(UsageRecord.objects.values_list("request_id", flat=True)) == ["req_2"]
    assert sum(UsageHour.objects.values_list("requests", flat=True)) == 2
    process.spool.close()


def test_state_tells_what_pages_show(process: Process) -> None:
    process.ended(1, 2)
    process.spool.lost = 3
    state = process.ledger.state.as_dict()
    assert (state["waiting"], state["lost"], state["torn"], state["set_aside"]) == (2, 3, 0, 0)
    assert state["spool_bytes"] == process.spool.size > 0


def test_losses_become_a_row_once(process: Process) -> None:
    """An evasion of the ledger: what the process knows outlives it."""
    process.spool.lost = 3
    process.ledger.step()
    process.ledger.step()
    process.spool.lost = 5
    process.ledger.step()
    assert list(LostRecords.objects.values_list("count", flat=True)) in ([5], [3, 2])
