"""A time-out that does not count the time in which the process itself was busy. Ours."""

import asyncio

import pytest

from bridge.cluster.patience import Patience

SHORT = 0.1


async def test_answer_that_does_not_come_is_given_up() -> None:
    with pytest.raises(TimeoutError):
        async with Patience(SHORT):
            await asyncio.Event().wait()


@pytest.mark.parametrize("timer", [Patience, asyncio.timeout])
async def test_answer_that_came_while_the_loop_was_busy_is_read(
    timer: type[Patience], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Longer than the patience, in one piece, as many requests at once are. Others give up."""
    answered, loop, busy = asyncio.Event(), asyncio.get_running_loop(), [0.0]
    clock = loop.time
    monkeypatch.setattr(loop, "time", lambda: clock() + sum(busy))
    given_up = False
    try:
        async with timer(30):
            loop.call_soon(busy.append, 60.0)
            loop.call_later(61, answered.set)
            loop.call_later(60.2, busy.append, 1.0)
            await answered.wait()
    except TimeoutError:
        given_up = True
    assert given_up == (timer is not Patience)


async def test_cancellation_is_no_time_out() -> None:
    async def ask() -> None:
        async with Patience(60):
            await asyncio.Event().wait()

    asking = asyncio.create_task(ask())
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_nothing_ticks_on_after_the_end() -> None:
    async with Patience(60) as patience:
        pass
    assert patience._tick is not None and patience._tick.cancelled()
