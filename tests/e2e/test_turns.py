"""What a request and a chunk take of the event loop: turns, timers, tasks. The numbers only fall.

They are counted, not timed, so they are the same on a busy machine. Beside the requests the process
has a little work of its own, for which there is some room.
"""

from __future__ import annotations

from pathlib import Path

from tests.bench.counting import counted
from tests.bench.loads import BenchLoad

REQUESTS, CHUNKS = 100, 200
OF_A_REQUEST = {"turns": 8.75, "timers": 4.5, "tasks": 3.5}
OF_A_CHUNK = {"turns": 1.75, "timers": 0.25, "tasks": 0.1}


async def test_a_request_takes_no_more_of_the_loop(tmp_path: Path) -> None:
    async with counted(tmp_path) as gateway:
        found = await gateway.least(BenchLoad(1, REQUESTS))
    each = {name: found[name] / REQUESTS for name in OF_A_REQUEST}
    assert {name: value for name, value in each.items() if value > OF_A_REQUEST[name]} == {}


async def test_a_chunk_takes_no_more_of_the_loop(tmp_path: Path) -> None:
    """The same stream with more chunks: the rest is what a stream takes."""
    async with counted(tmp_path) as gateway:
        short = await gateway.least(BenchLoad(1, 1, chunks=1, gap_ms=4))
        long = await gateway.least(BenchLoad(1, 1, chunks=1 + CHUNKS, gap_ms=4))
    each = {name: (long[name] - short[name]) / CHUNKS for name in OF_A_CHUNK}
    assert {name: value for name, value in each.items() if value > OF_A_CHUNK[name]} == {}
