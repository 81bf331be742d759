"""Work that its caller's cancellation does not end."""

from __future__ import annotations

import asyncio

import pytest

from bridge.shielded import Shielded


async def test_work_goes_on_when_its_caller_is_cancelled() -> None:
    shielded, go, done = Shielded(), asyncio.Event(), []

    async def work() -> None:
        await go.wait()
        done.append(True)

    caller = asyncio.create_task(shielded.run(work()))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    go.set()
    await shielded.finished()
    assert done == [True]


async def test_result_and_error_go_to_the_caller() -> None:
    shielded = Shielded()

    async def answer() -> int:
        return 7

    async def fail() -> None:
        raise KeyError("x")

    assert await shielded.run(answer()) == 7
    with pytest.raises(KeyError):
        await shielded.run(fail())
    await shielded.finished()


async def test_waiting_for_the_end_can_be_cut_short() -> None:
    """A database that hangs does not keep a process from ending."""
    shielded, ended = Shielded(), asyncio.Event()

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    caller = asyncio.create_task(shielded.run(hang()))
    await asyncio.sleep(0)
    caller.cancel()
    closing = asyncio.create_task(shielded.finished())
    await asyncio.sleep(0)
    closing.cancel()
    await ended.wait()
