"""A gateway on a loop that counts, with the backend of the loads in this process."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.bench.backend import BenchBackend
from tests.bench.client import Asking
from tests.bench.counted import PATH
from tests.bench.loads import BenchLoad
from tests.bench.processes import BenchTarget
from tests.fakes.gateway import DATABASE, migrated_database

TRIES = 3
"""What the process does beside the requests is counted too; of so many the least is taken."""


@dataclass(frozen=True, slots=True)
class CountedGateway:
    target: BenchTarget

    async def counts(self) -> dict[str, float]:
        """What was counted since the last time."""
        async with httpx.AsyncClient() as client:
            answer = await client.post(f"http://127.0.0.1:{self.target.port}{PATH}")
        found: dict[str, float] = answer.json()
        return found

    async def play(self, load: BenchLoad) -> dict[str, float]:
        """What a load takes. AssertionError where an answer is not as it must be."""
        await self.counts()
        answers = await Asking(load, self.target.port).run()
        assert not answers.faults, answers.faults[0]
        return await self.counts()

    async def least(self, load: BenchLoad) -> dict[str, float]:
        await self.play(load)  # what is made once
        tries = [await self.play(load) for _ in range(TRIES)]
        return {name: min(each[name] for each in tries) for name in tries[0]}


@asynccontextmanager
async def counted(folder: Path) -> AsyncIterator[CountedGateway]:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(BenchBackend, "127.0.0.1", 0, backlog=4096)
    database = await asyncio.to_thread(migrated_database)
    shutil.copyfile(database, folder / DATABASE)
    command = f"{sys.executable} -m tests.bench.counted"
    target = BenchTarget("counted", command, folder, server.sockets[0].getsockname()[1])
    target.start()
    try:
        await target.wait_ready()
        yield CountedGateway(target)
    finally:
        await asyncio.to_thread(target.stop)
        server.close()
