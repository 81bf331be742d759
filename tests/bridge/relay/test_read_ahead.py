"""The read-ahead of a backend's body: no byte is lost, whoever waits or gives up."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from bridge.outbound.inbox import MAX_AHEAD, MAX_PORTION
from bridge.relay.read_ahead import ReadAhead
from bridge.translation.errors.api_error import ApiError
from bridge.translation.response.translate import TOO_LARGE

WAIT = 25.0
NOW = 0.0


class Source:
    """A body that the test feeds. Items: bytes, an exception to raise, or None at the end."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()
        self.given = 0
        self.closed = asyncio.Event()

    def put(self, *items: bytes | Exception | None) -> None:
        for item in items:
            self.queue.put_nowait(item)

    async def stream(self) -> AsyncIterator[bytes]:
        try:
            while (item := await self.queue.get()) is not None:
                if isinstance(item, Exception):
                    raise item
                self.given += 1
                yield item
        finally:
            self.closed.set()


async def taken(read_ahead: ReadAhead) -> list[bytes]:
    """Everything up to the end."""
    parts = []
    while part := await read_ahead.take(WAIT):
        parts.append(part)
    assert part == b""
    return parts


async def test_bytes_come_in_order_and_then_the_end() -> None:
    source = Source()
    read_ahead = ReadAhead(source.stream())
    source.put(b"a", b"b", None)
    assert b"".join(await taken(read_ahead)) == b"ab"
    assert await read_ahead.take(WAIT) == b""
    await read_ahead.aclose()


async def test_waiting_reader_gets_the_bytes_as_they_come() -> None:
    source = Source()
    read_ahead = ReadAhead(source.stream())
    waiting = asyncio.create_task(read_ahead.take(WAIT))
    await asyncio.sleep(0)
    source.put(b"late")
    assert await waiting == b"late"
    await read_ahead.aclose()


async def test_what_piled_up_comes_in_one_piece() -> None:
    """wire D2: several chunks in one write only when they are already there."""
    source = Source()
    read_ahead = ReadAhead(source.stream())
    source.put(b"a", b"b", b"c", None)
    await asyncio.wait_for(source.closed.wait(), WAIT)
    assert await taken(read_ahead) == [b"abc"]
    await read_ahead.aclose()


async def test_wait_that_times_out_loses_nothing() -> None:
    """inflow.py: a read that is cancelled by a clock would be lost."""
    source = Source()
    read_ahead = ReadAhead(source.stream())
    assert await read_ahead.take(NOW) is None
    assert await read_ahead.take(NOW) is None
    source.put(b"a", None)
    assert b"".join(await taken(read_ahead)) == b"a"
    await read_ahead.aclose()


async def test_failure_is_raised_behind_what_came_before_it() -> None:
    """wire D7: a cut stream shows its content first."""
    source = Source()
    read_ahead = ReadAhead(source.stream())
    source.put(b"a", OSError("cut"))
    await asyncio.wait_for(source.closed.wait(), WAIT)
    assert await read_ahead.take(WAIT) == b"a"
    for _ in range(2):
        with pytest.raises(OSError, match="cut"):
            await read_ahead.take(WAIT)
    await read_ahead.aclose()


async def test_failure_from_outside_goes_before_everything() -> None:
    """wire D7, server shutdown: an interrupted request ends now."""
    source = Source()
    read_ahead = ReadAhead(source.stream())
    source.put(b"a")
    waiting = asyncio.create_task(read_ahead.take(WAIT))
    assert await waiting == b"a"
    waiting = asyncio.create_task(read_ahead.take(WAIT))
    await asyncio.sleep(0)
    source.put(b"more")
    read_ahead.fail(RuntimeError("restart"))
    with pytest.raises(RuntimeError, match="restart"):
        await waiting
    await read_ahead.aclose()


async def test_slow_client_stops_the_reading() -> None:
    """Ours: a backend faster than its client must not fill the memory."""
    source = Source()
    read_ahead = ReadAhead(source.stream())
    big = b"x" * (MAX_AHEAD // 4)
    source.put(*[big] * 20, None)
    first = await read_ahead.take(WAIT)
    assert first is not None
    assert source.given <= 6
    assert len(first) + len(b"".join(await taken(read_ahead))) == 20 * len(big)
    await read_ahead.aclose()


async def test_closing_stops_the_reading_in_the_middle() -> None:
    source = Source()
    read_ahead = ReadAhead(source.stream())
    source.put(b"a")
    await read_ahead.take(WAIT)
    await asyncio.wait_for(read_ahead.aclose(), WAIT)
    source.put(b"b")
    await asyncio.sleep(0)
    assert source.given == 1


async def test_cancelled_reader_leaves_the_bytes_to_the_next() -> None:
    source = Source()
    read_ahead = ReadAhead(source.stream())
    waiting = asyncio.create_task(read_ahead.take(WAIT))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    source.put(b"a", None)
    assert b"".join(await taken(read_ahead)) == b"a"
    await read_ahead.aclose()


async def test_more_than_the_limit_is_an_error() -> None:
    """A plain answer is held in memory as a whole, whatever the backend sends."""
    source = Source()
    read_ahead = ReadAhead(source.stream(), limit=10)
    for part in (b"12345", b"67890"):
        source.put(part)
        assert await read_ahead.take(WAIT) == part
    source.put(b"1", b"2")
    with pytest.raises(ApiError) as caught:
        await read_ahead.take(WAIT)
    assert (caught.value.status, caught.value.message) == (502, TOO_LARGE)
    assert source.given == 3
    await read_ahead.aclose()


async def test_what_piled_up_comes_in_portions_with_others_between() -> None:
    """Ours: a megabyte of events at once would hold the loop."""
    source = Source()
    turns: list[int] = []
    source.put(b"x" * (MAX_PORTION * 2 + 1), None)
    read_ahead = ReadAhead(source.stream())
    sizes = []
    while data := await read_ahead.take(WAIT):
        sizes.append(len(data))
        asyncio.get_running_loop().call_soon(turns.append, len(sizes))
    assert sizes == [MAX_PORTION, MAX_PORTION, 1]
    assert turns[:2] == [1, 2]
    await read_ahead.aclose()
