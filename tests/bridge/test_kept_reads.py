"""Reads for the event loop: shared, kept for a moment, a few at a time, and never endless."""

import asyncio
import threading

import pytest

from bridge import kept_reads
from bridge.kept_reads import KeptReads
from bridge.places import FullError


async def test_same_question_is_read_once() -> None:
    """Cached shortly."""
    asked: list[str] = []
    reads = KeptReads()

    def work() -> str:
        asked.append("ann")
        return "hers"

    found = await asyncio.gather(*(reads.read("ann", work) for _ in range(5)))
    assert found == ["hers"] * 5
    assert asked == ["ann"]


async def test_answer_is_read_again_when_it_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_reads, "KEPT_SECONDS", -1.0)
    answers = iter(["first", "second"])
    reads = KeptReads()
    assert await reads.read("ann", lambda: next(answers)) == "first"
    assert await reads.read("ann", lambda: next(answers)) == "second"


async def test_few_threads_read_and_those_who_wait_are_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A bound of concurrent ones; a place is taken until its thread is done."""
    monkeypatch.setattr(kept_reads, "READS_AT_ONCE", 2)
    monkeypatch.setattr(kept_reads, "READS_WAITING", 1)
    reads, begun, go_on = KeptReads(), threading.Semaphore(0), threading.Event()

    def work() -> str:
        begun.release()
        go_on.wait()
        return "done"

    waiting = [asyncio.ensure_future(reads.read(number, work)) for number in range(3)]
    try:
        for _ in range(2):
            await asyncio.to_thread(begun.acquire)
        with pytest.raises(TimeoutError):
            await reads.read("one too many", work)
        assert not begun.acquire(blocking=False)
    finally:
        go_on.set()
    assert await asyncio.gather(*waiting) == ["done"] * 3


async def test_read_that_takes_too_long_is_waited_for_by_one_thread_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ours: whoever asks again meanwhile does not begin another one."""
    monkeypatch.setattr(kept_reads, "READ_SECONDS", 0.0)
    monkeypatch.setattr(kept_reads, "KEPT_SECONDS", -1.0)
    reads, go_on, begun = KeptReads(), threading.Event(), []

    def work() -> str:
        begun.append(1)
        go_on.wait()
        return "done"

    try:
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await reads.read("ann", work)
    finally:
        go_on.set()
    monkeypatch.setattr(kept_reads, "READ_SECONDS", 60.0)
    monkeypatch.setattr(kept_reads, "KEPT_SECONDS", 60.0)
    assert await reads.read("ann", work) == "done"
    assert len(begun) == 1


async def test_error_of_a_read_reaches_whoever_asks() -> None:
    def work() -> None:
        raise ValueError("away")

    with pytest.raises(ValueError, match="away"):
        await KeptReads().read("ann", work)


async def test_one_asker_leaves_places_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours: a script that asks for every day at once is not in the way of everybody."""
    monkeypatch.setattr(kept_reads, "READS_OF_ONE", 2)
    reads, go_on = KeptReads(), threading.Event()

    def work() -> str:
        go_on.wait()
        return "done"

    def ask(question: str, asker: str) -> asyncio.Future[str]:
        return asyncio.ensure_future(reads.read(question, work, asker))

    waiting = [ask("one", "ann"), ask("two", "ann"), ask("two", "ann"), ask("three", "bob")]
    try:
        with pytest.raises(FullError):
            await ask("four", "ann")
    finally:
        go_on.set()
    assert await asyncio.gather(*waiting) == ["done"] * 4
    assert await ask("four", "ann") == "done"
