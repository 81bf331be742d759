"""What waits between a server and its reader: no byte is lost, and no turn is wasted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop

from bridge.outbound.errors import IncompleteError, TooMuchError
from bridge.outbound.inbox import MAX_AHEAD, MAX_PORTION, Inbox

WAIT = 25.0
Run = Callable[[Awaitable[None]], object]
ON_BOTH_LOOPS = pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])


class Flow:
    def __init__(self) -> None:
        self.calls: list[str] = []

    def pause_reading(self) -> None:
        self.calls.append("pause")

    def resume_reading(self) -> None:
        self.calls.append("resume")


async def waiting_for(inbox: Inbox, seconds: float | None = WAIT) -> asyncio.Task[bytes | None]:
    """A task that waits in `take`."""
    task = asyncio.create_task(inbox.take(seconds))
    await asyncio.sleep(0)
    return task


def in_a_callback(function: Callable[[], None]) -> asyncio.Future[None]:
    """Called by the loop, as what has read from a socket is."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()

    def called() -> None:
        function()
        done.set_result(None)

    loop.call_soon(called)
    return done


@ON_BOTH_LOOPS
def test_reader_has_its_bytes_before_the_callback_ends(run: Run) -> None:
    """No turn of the loop lies between what is read and whoever waits for it."""
    seen: list[Any] = []

    async def scenario() -> None:
        inbox = Inbox()

        async def read() -> None:
            while data := await inbox.take(WAIT):
                seen.append(data)

        reader = asyncio.create_task(read())
        await asyncio.sleep(0)

        def arrive() -> None:
            for data in (b"a", b"b"):
                inbox.feed(data)
            inbox.ring()
            seen.append("returned")

        for _ in range(2):
            await in_a_callback(arrive)
        inbox.end()
        inbox.ring()
        await reader
        await inbox.aclose()

    run(scenario())
    assert seen == [b"ab", "returned"] * 2


@ON_BOTH_LOOPS
def test_task_that_rings_does_not_run_the_other_one_itself(run: Run) -> None:
    async def scenario() -> None:
        inbox = Inbox()
        reader = await waiting_for(inbox)
        inbox.feed(b"a")
        inbox.ring()
        assert not reader.done()
        assert await reader == b"a"
        await inbox.aclose()

    run(scenario())


@ON_BOTH_LOOPS
def test_cancelled_reader_leaves_the_bytes_to_the_next(run: Run) -> None:
    async def scenario() -> None:
        inbox = Inbox()
        for _ in range(2):
            reader = await waiting_for(inbox)
            reader.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reader
        reader = await waiting_for(inbox)
        reader.cancel()
        inbox.feed(b"a")
        inbox.ring()
        with pytest.raises(asyncio.CancelledError):
            await reader
        assert await inbox.take(WAIT) == b"a"
        await inbox.aclose()

    run(scenario())


@ON_BOTH_LOOPS
def test_reader_that_is_rung_for_may_still_be_cancelled(run: Run) -> None:
    async def scenario() -> None:
        inbox = Inbox()
        reader = await waiting_for(inbox)
        inbox.feed(b"a")
        inbox.ring_soon()
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        assert await inbox.take(WAIT) == b"a"
        await inbox.aclose()

    run(scenario())


@ON_BOTH_LOOPS
def test_time_limits_work_around_it(run: Run) -> None:
    async def scenario() -> None:
        inbox = Inbox()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await inbox.take(None)
        assert await inbox.take(0) is None
        inbox.feed(b"a")
        assert await inbox.take(0) == b"a"
        await inbox.aclose()

    run(scenario())


async def test_context_of_the_reader_is_its_own() -> None:
    inbox, names = Inbox(), list[str | None]()

    async def read() -> None:
        await inbox.take(WAIT)
        task = asyncio.current_task()
        names.append(task.get_name() if task else None)

    reader = asyncio.create_task(read(), name="reader")
    await asyncio.sleep(0)
    inbox.feed(b"a")
    await in_a_callback(inbox.ring)
    await reader
    assert names == ["reader"]
    await inbox.aclose()


async def test_ringing_for_nothing_wakes_nobody() -> None:
    inbox = Inbox()
    reader = await waiting_for(inbox)
    await in_a_callback(inbox.ring)
    assert not reader.done()
    inbox.end()
    inbox.ring_soon()
    assert await reader == b""
    await inbox.aclose()


async def test_one_timer_serves_all_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, timers = asyncio.get_running_loop(), list[float]()
    call_at = loop.call_at

    def counted(when: float, *more: Any, **options: Any) -> asyncio.TimerHandle:
        timers.append(when)
        return call_at(when, *more, **options)

    monkeypatch.setattr(loop, "call_at", counted)
    inbox = Inbox()
    for _ in range(20):
        reader = await waiting_for(inbox)
        inbox.feed(b"a")
        await in_a_callback(inbox.ring)
        assert await reader == b"a"
    await inbox.aclose()
    assert len(timers) == 1


async def test_full_inbox_stops_the_reading_until_it_is_taken() -> None:
    flow = Flow()
    inbox = Inbox(flow)
    for _ in range(3):
        inbox.feed(b"x" * (MAX_AHEAD // 2))
    inbox.feed(b"x")
    assert flow.calls == ["pause"]
    for _ in range(2):
        assert flow.calls == ["pause"]
        assert await inbox.take(WAIT) == b"x" * MAX_PORTION
    assert flow.calls == ["pause", "resume"]
    await inbox.aclose()


async def test_what_brought_the_bytes_is_given_back_reading() -> None:
    flow = Flow()
    inbox = Inbox(flow)
    inbox.feed(b"x" * (MAX_AHEAD + 1))
    inbox.end()
    inbox.detach()
    assert flow.calls == ["pause", "resume"]
    while await inbox.take(WAIT):
        pass
    assert flow.calls == ["pause", "resume"]
    await inbox.aclose()


async def test_failure_comes_behind_the_bytes_in_its_words() -> None:
    inbox = Inbox()
    inbox.worded = lambda error: ValueError(f"worded: {error}")
    inbox.feed(b"a")
    inbox.end(IncompleteError("cut"))
    inbox.end()
    assert await inbox.take(WAIT) == b"a"
    for _ in range(2):
        with pytest.raises(ValueError, match="worded: cut"):
            await inbox.take(WAIT)
    await inbox.aclose()


async def test_failure_from_outside_goes_before_the_bytes() -> None:
    inbox = Inbox()
    reader = await waiting_for(inbox)
    inbox.feed(b"a")
    inbox.fail(RuntimeError("restart"))
    with pytest.raises(RuntimeError, match="restart"):
        await reader
    await inbox.aclose()


@pytest.mark.parametrize("early", [0, 6, 12])
async def test_more_than_the_limit_is_an_error(early: int) -> None:
    """Whether it waits already when the limit is set, or comes later."""
    inbox = Inbox()
    inbox.feed(b"x" * early)
    inbox.restrict(10)
    inbox.feed(b"x" * (12 - early))
    with pytest.raises(TooMuchError):
        while await inbox.take(WAIT):
            pass
    await inbox.aclose()
