"""No step of the event loop takes long, whatever the load: all others wait for its end.

What is measured is the CPU that the loop's thread used for one callback. A neighbour on the machine
takes no CPU of it, but the memory and the caches; so what is long once in three times is not the
gateway's.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench.counting import counted
from tests.bench.loads import LOADS

LONGEST_MS = 20.0
LESS = {
    "slow1000": replace(LOADS["slow1000"], connections=200, requests=200, chunks=4),
    "stream": replace(LOADS["stream"], requests=16),
    "json16": replace(LOADS["json16"], requests=100),
    "wrong_keys": replace(LOADS["wrong_keys"], requests=100),
    "head_of_line": replace(LOADS["head_of_line"], requests=40),
    "failover": replace(LOADS["failover"], requests=16),
}
"""As much of each load as shows it."""


IN_SHORT = ("json16", "head_of_line")
"""Played by `make test`; the others by `make test-slow`."""
PLAYED = [pytest.param(name, marks=() if name in IN_SHORT else pytest.mark.slow) for name in LOADS]
TIMES = 3


@pytest.mark.parametrize("name", PLAYED)
async def test_no_step_holds_the_loop(name: str, tmp_path: Path) -> None:
    load = LESS.get(name, LOADS[name])
    async with counted(tmp_path) as gateway:
        await gateway.play(load)  # modules are loaded and caches filled
        longest: list[float] = []
        while not longest or (longest[-1] >= LONGEST_MS and len(longest) < TIMES):
            found = await gateway.play(load)
            assert found["turns"] > 0
            longest.append(found["longest_ms"])
    assert min(longest) < LONGEST_MS
