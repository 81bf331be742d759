"""Minutes of mixed load with faults on one gateway, and whether all it used comes back.

    python -m tests.soak.mixed_load --seconds 600 --server uvicorn

Clients ask for plain and streamed answers, count tokens, list models, leave in the middle and
send bad bodies; the backend answers well, refuses, breaks off and sends garbage. At the end four
things must hold: memory has grown by no more than 5 % since the warm-up, open files and tasks are
back at their numbers from before, the ledger has exactly the tokens that the backend counted for
whole answers, and `check_ledger` finds no difference. Otherwise the exit code is 1.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tests.fakes import books
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import Json, finish, role, text, usage
from tests.fakes.client import KEY, MESSAGES, ask
from tests.fakes.gateway import Gateway, launch
from tests.fakes.replies import Call, End, Reply, fixed, streamed
from tests.fakes.watchdog import Stalls, memory_bytes, open_files, watching

CLIENTS = 8
WARM_UP = 0.2
"""Part of the time after which memory must stay."""
MOST_GROWTH = 1.05
SETTLE_SECONDS = 30.0
LEAVES_AFTER = 3
"""Reads of a stream after which a client leaves."""
BROKEN_BODY = b'{"model": "' + ALPHA.encode() + b'", "max_tokens": "many"'

WELL, FAULTY = "well", "faulty"


@dataclass(slots=True)
class Counted:
    """What the backend counted for each answer that it sent whole, by the number in the prompt."""

    tokens: dict[int, tuple[int, int]] = field(default_factory=dict)

    def reply(self, call: Call) -> Reply:
        kind, _, number = str(call.body["messages"][-1]["content"]).partition(" ")
        chunks = self._answer(int(number))
        is_streamed = bool(call.body.get("stream"))
        if kind == FAULTY:
            return _fault(int(number), chunks, call.model)
        if is_streamed:
            return streamed(chunks, call.model)
        return fixed(json.dumps(_completion(int(number), self.tokens)).encode(), "application/json")

    def _answer(self, number: int) -> list[Json]:
        prompt, completion = self.tokens[number] = 1000 + number % 977, 20 + number % 89
        words = [text(f"word {n} ") for n in range(20)]
        return [role(), *words, finish("stop"), usage(prompt, completion)]


def _completion(number: int, tokens: dict[int, tuple[int, int]]) -> Json:
    prompt, completion = tokens[number]
    message = {"role": "assistant", "content": "A plain answer."}
    counts = {"prompt_tokens": prompt, "completion_tokens": completion}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"id": "c", "object": "chat.completion", "choices": [choice], "usage": counts}


def _fault(number: int, chunks: list[Json], model: str) -> Reply:
    faults = (
        fixed(b'{"error": {"message": "no such field"}}', "application/json", 400),
        fixed(b"<html>" + b"<p>busy " * 200, "text/html", 500),
        streamed([*chunks[:5], End.RESET], model, done=False),
        streamed([*chunks[:5], End.CLOSE], model, done=False),
        streamed(["data: {not json\n\n"], model, done=False),
        fixed(b'{"choices": []}', "application/json"),
    )
    return faults[number % len(faults)]


@dataclass(slots=True)
class Load:
    """The clients. `whole` are the numbers whose answers came in full, by request id."""

    url: str
    ends: float
    whole: dict[str, int] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)
    numbers: int = 0

    async def run(self) -> None:
        headers = {"x-api-key": KEY, "anthropic-version": "2023-06-01"}
        async with (
            aiohttp.ClientSession(self.url, headers=headers) as session,
            asyncio.TaskGroup() as clients,
        ):
            for seed in range(CLIENTS):
                clients.create_task(self._client(session, random.Random(seed)))

    async def _client(self, session: aiohttp.ClientSession, chance: random.Random) -> None:
        acts = [
            *[self._plain, self._streamed] * 5,
            *[self._faulty] * 4,
            *[self._leaving] * 2,
            *[self._count, self._list, self._bad],
        ]
        while time.monotonic() < self.ends:
            act = chance.choice(acts)
            try:
                await act(session)
            except aiohttp.ClientError as error:
                self.outcomes[f"{act.__name__}: {type(error).__name__}"] += 1

    def _body(self, kind: str, **fields: Any) -> Json:
        self.numbers += 1
        return ask(f"{kind} {self.numbers}", **fields)

    async def _plain(self, session: aiohttp.ClientSession) -> None:
        await self._whole(session, self._body(WELL))

    async def _streamed(self, session: aiohttp.ClientSession) -> None:
        await self._whole(session, self._body(WELL, stream=True))

    async def _whole(self, session: aiohttp.ClientSession, body: Json) -> None:
        number = self.numbers
        async with session.post(MESSAGES, json=body) as response:
            raw = await response.read()
            self.outcomes[f"answer {response.status}"] += 1
            if response.status == 200 and (not body.get("stream") or b"message_stop" in raw):
                self.whole[response.headers["request-id"]] = number

    async def _faulty(self, session: aiohttp.ClientSession) -> None:
        body = self._body(FAULTY, stream=self.numbers % 2 == 0)
        async with session.post(MESSAGES, json=body) as response:
            await response.read()
            self.outcomes[f"fault {response.status}"] += 1

    async def _leaving(self, session: aiohttp.ClientSession) -> None:
        async with session.post(MESSAGES, json=self._body(WELL, stream=True)) as response:
            for _ in range(LEAVES_AFTER):
                await response.content.readany()
            response.close()
            self.outcomes["left"] += 1

    async def _count(self, session: aiohttp.ClientSession) -> None:
        async with session.post(f"{MESSAGES}/count_tokens", json=ask("Count this.")) as response:
            self.outcomes[f"count {response.status}"] += 1

    async def _list(self, session: aiohttp.ClientSession) -> None:
        async with session.get("/v1/models") as response:
            self.outcomes[f"list {response.status}"] += 1

    async def _bad(self, session: aiohttp.ClientSession) -> None:
        async with session.post(MESSAGES, data=BROKEN_BODY) as response:
            self.outcomes[f"bad body {response.status}"] += 1


@dataclass(frozen=True, slots=True)
class Held:
    """What a process holds at one moment; `memory` in bytes."""

    memory: int
    files: int
    tasks: int


def held(gateway: Gateway) -> Held:
    process = gateway.process.pid
    lines = gateway.client.get("/metrics").body.decode().splitlines()
    tasks = next(line for line in lines if line.startswith("claude_bridge_event_loop_tasks "))
    return Held(memory_bytes(process), open_files(process), int(float(tasks.split()[1])))


def settled(gateway: Gateway, before: Held) -> Held:
    """What is held once nothing runs any more; connections that are kept open may end first."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        now = held(gateway)
        back = now.files <= before.files and now.tasks <= before.tasks
        if back or time.monotonic() > deadline:
            return now
        time.sleep(1)


def differences(before: Held, warm: Held, after: Held) -> list[str]:
    """What has not come back."""
    wrong = []
    if after.memory > warm.memory * MOST_GROWTH:
        wrong.append(f"memory grew from {warm.memory:,} to {after.memory:,} bytes")
    if after.files > before.files:
        wrong.append(f"open files: {before.files} before, {after.files} after")
    if after.tasks > before.tasks:
        wrong.append(f"tasks: {before.tasks} before, {after.tasks} after")
    return wrong


def ledger_differences(gateway: Gateway, load: Load, counted: Counted) -> list[str]:
    """Where rows and the backend's count of whole answers differ."""
    rows = {row["request_id"]: row for row in books.rows(gateway)}
    wrong = []
    for request_id, number in load.whole.items():
        row = rows.get(request_id)
        used = row and (row["input_tokens"] + row["cache_read_tokens"], row["output_tokens"])
        if used != counted.tokens[number]:
            wrong.append(f"{request_id}: the ledger has {used}, not {counted.tokens[number]}")
    report = books.check(gateway)
    return wrong if "adds up" in report else [*wrong, report]


def run(gateway: Gateway, backend: FakeBackend, seconds: float) -> list[str]:
    """Put the load on the gateway; what does not hold afterwards."""
    counted = Counted()
    backend.on(ALPHA).each(counted.reply)
    gateway.client.messages(messages=[{"role": "user", "content": f"{WELL} 0"}])
    with watching(gateway) as stalls:
        books.until(lambda: stalls.answers, bool, gateway)
        before = held(gateway)
        load = Load(gateway.url, time.monotonic() + seconds)
        warm, after = _under_load(gateway, load, before, seconds)
    _print(load, before, warm, after, stalls)
    backend.requests.clear()
    gateway.stop()
    return [*differences(before, warm, after), *ledger_differences(gateway, load, counted)]


def _under_load(gateway: Gateway, load: Load, before: Held, seconds: float) -> tuple[Held, Held]:
    clients = threading.Thread(target=lambda: asyncio.run(load.run()))
    clients.start()
    clients.join(seconds * WARM_UP)
    warm = held(gateway)
    clients.join()
    return warm, settled(gateway, before)


def _print(load: Load, before: Held, warm: Held, after: Held, stalls: Stalls) -> None:
    for name, count in sorted(load.outcomes.items()):
        print(f"  {count:8,}  {name}")
    for moment, seen in (("before", before), ("warm", warm), ("after", after)):
        memory = seen.memory / 1024**2
        print(f"  {moment:>8}: {memory:.0f} MiB, {seen.files} files, {seen.tasks} tasks")
    print(f"  longest stall: {stalls.longest * 1000:.0f} ms, {len(load.whole):,} whole answers")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--server", choices=["serve", "uvicorn"], default="serve")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, FakeBackend() as backend:
        variables = {
            "BREAKER_FAILURES": "1000000",
            "LOG_LEVEL": "warning",
            "METRICS_ACCESS": "local",
        }
        gateway = launch(given.server, Path(folder), backend.chat_url, variables)
        try:
            wrong = run(gateway, backend, given.seconds)
        finally:
            gateway.stop()
    print("\n".join(wrong) or "  Everything came back, and every token is on record.")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
