"""What was learnt, in rows: for every process, counted, tried again once a day, forgotten."""

from __future__ import annotations

from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError
from django.utils import timezone

from bridge.backends import learned_rows
from bridge.backends.learned import LearnedFacts
from bridge.backends.learned_rows import LearnedRows
from bridge.configuration.snapshot_store import SnapshotStore
from bridge.models import Backend, LearnedFact
from bridge.routing.types import Target
from bridge.translation.facts import MAX_OUTPUT, Fact, refuses
from bridge.translation.profiles import ModelFacts

LIMIT = Fact(MAX_OUTPUT, "8192")


class Process:
    """One process, as far as what it learnt is concerned."""

    def __init__(self) -> None:
        self.learned, self.store = LearnedFacts(), SnapshotStore()
        self.rows = LearnedRows(self.learned, self.store)

    async def exchange(self) -> None:
        await self.store.load()
        await self.rows.exchange()
        await self.store.load()

    @property
    def target(self) -> Target:
        (backend,) = self.store.current.routes.backends
        return Target(backend, "m", ModelFacts("m"))

    @property
    def longest(self) -> int | None:
        return self.learned.applied(self.target).longest_answer


@pytest.fixture
async def process(saved_row: Backend) -> Process:
    process = Process()
    await process.store.load()
    return process


async def test_fact_that_one_process_learns_serves_every_process(process: Process) -> None:
    """From the next request on, and with the sentence that taught it."""
    process.learned.learn(process.target, (LIMIT,), "at most 8192")
    assert process.longest == 8192
    await process.exchange()
    other = Process()
    await other.exchange()
    assert (process.longest, other.longest) == (8192, 8192)
    row = await LearnedFact.objects.aget()
    assert (row.model, row.what, row.value, row.sentence) == ("m", *_pair(LIMIT), "at most 8192")


def _pair(fact: Fact) -> tuple[str, str]:
    return fact.what, fact.value


async def test_fact_that_is_learnt_last_is_stored_as_the_process_ends(process: Process) -> None:
    """And no trial is claimed by a process that will not make it."""
    due = await LearnedFact.objects.acreate(
        backend=await Backend.objects.aget(), model="m", what="strict", value="user"
    )
    long_ago = timezone.now() - timedelta(days=3)
    await LearnedFact.counters.filter(pk=due.pk).aupdate(checked_at=long_ago)
    process.learned.learn(process.target, (LIMIT,), "at most 8192")
    await process.rows.aclose()
    other = Process()
    await other.store.load()
    assert other.longest == 8192
    assert await LearnedFact.counters.filter(pk=due.pk, checked_at=long_ago).aexists()


async def test_process_ends_also_while_the_database_is_away(
    process: Process, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def gone(*_: object) -> None:
        raise OperationalError("away")

    process.learned.learn(process.target, (LIMIT,), "at most 8192")
    monkeypatch.setattr(learned_rows, "_write", gone)
    await process.rows.aclose()
    assert ["away" in line for line in caplog.messages] == [True]


async def test_fact_is_stored_once_and_a_new_value_replaces_the_old_one(process: Process) -> None:
    for value in ("8192", "8192", "4096"):
        process.learned.learn(process.target, (Fact(MAX_OUTPUT, value),), "no")
        process.learned.learn(process.target, refuses("strict", "user"), "no")
        await process.exchange()
    rows = [row.fact async for row in LearnedFact.objects.all()]
    assert sorted(rows) == [Fact(MAX_OUTPUT, "4096"), *refuses("strict", "user")]
    assert process.longest == 4096


async def test_requests_that_a_fact_helped_are_counted(process: Process) -> None:
    """And no process reloads its configuration for it."""
    process.learned.learn(process.target, (LIMIT,), "no")
    await process.exchange()
    version = process.store.current.version
    for _ in range(3):
        process.learned.count(process.target, (LIMIT,))
    await process.exchange()
    assert (await LearnedFact.objects.aget()).helped == 3
    assert process.store.current.version == version


async def test_fact_that_an_operator_forgets_is_not_applied_any_more(process: Process) -> None:
    process.learned.learn(process.target, (LIMIT,), "no")
    await process.exchange()
    await sync_to_async(LearnedFact.objects.all().delete)()
    await process.exchange()
    assert process.longest is None


async def test_fact_that_an_operator_changes_counts_as_changed(process: Process) -> None:
    process.learned.learn(process.target, (LIMIT,), "no")
    await process.exchange()
    row = await LearnedFact.objects.aget()
    row.value = "16384"
    await sync_to_async(row.save)()
    await process.exchange()
    assert process.longest == 16384


async def _a_day_passes() -> None:
    yesterday = timezone.now() - timedelta(days=1, minutes=1)
    await LearnedFact.counters.aupdate(checked_at=yesterday)


async def test_one_process_alone_tries_a_day_old_fact_again(process: Process) -> None:
    process.learned.learn(process.target, (LIMIT,), "no")
    await process.exchange()
    assert process.learned.on_trial == set()
    await _a_day_passes()
    other = Process()
    await process.exchange()
    await other.exchange()
    row = await LearnedFact.objects.aget()
    assert (process.learned.on_trial, other.learned.on_trial) == ({row.pk}, set())


@pytest.mark.parametrize("still_true", [True, False])
async def test_trial_decides_whether_a_fact_stays(process: Process, still_true: bool) -> None:
    process.learned.learn(process.target, (LIMIT,), "no")
    await process.exchange()
    await _a_day_passes()
    await process.exchange()
    row = process.learned.trial(process.target, {LIMIT})
    assert row is not None
    process.learned.tried(row, still_true)
    await process.exchange()
    assert await LearnedFact.objects.acount() == int(still_true)
    assert process.longest == (8192 if still_true else None)


async def test_nothing_is_lost_while_the_database_is_away(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    process.learned.learn(process.target, (LIMIT,), "no")

    def away(*_: object) -> set[int]:
        raise OperationalError("away")

    with monkeypatch.context() as patch:
        patch.setattr(learned_rows, "_write", away)
        with pytest.raises(OperationalError):
            await process.rows.exchange()
    assert process.longest == 8192
    await process.exchange()
    assert await LearnedFact.objects.acount() == 1


async def test_fact_of_a_backend_that_is_gone_is_dropped(process: Process) -> None:
    process.learned.learn(process.target, (LIMIT,), "no")
    await sync_to_async(Backend.objects.all().delete)()
    await process.rows.exchange()
    assert await LearnedFact.objects.acount() == 0
