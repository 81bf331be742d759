"""The loads: how many connections ask how often, for what, and what they must get."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count, cycle, repeat
from typing import Any

MODEL = "bench-model"
KEY, WRONG_KEY = "sk-bench-good", "sk-bench-wrong"
LARGE_BYTES = 5 * 1024 * 1024
REFUSED_ONE_IN = 4
Json = dict[str, Any]
_numbers = count()


@dataclass(frozen=True, slots=True)
class BenchLoad:
    """`requests` in all, over so many connections at once.

    chunks, gap_ms   of a streamed answer; 0 chunks: a plain one
    turns            tool turns behind the first message, beside a system prompt and tools
    grows            a conversation: each request has one turn more than the one before
    key, status      what is sent, and the status that must come back
    large            connections that send a body of 5 MB meanwhile, and are not measured
    refused          the backend refuses every fourth request once
    """

    connections: int
    requests: int
    chunks: int = 0
    gap_ms: int = 0
    turns: int = 0
    grows: bool = False
    key: str = KEY
    status: int = 200
    large: int = 0
    refused: bool = False

    @property
    def streamed(self) -> bool:
        return self.chunks > 0

    def warm_up(self) -> BenchLoad:
        """As much as makes every connection ask once."""
        return replace(self, requests=min(self.requests, self.connections, 64), grows=False)

    def bodies(self) -> Iterator[bytes]:
        """The body of one request after the other, without end."""
        if self.grows:
            yield from map(self._body, cycle(range(1, self.requests + 1)))
        if self.refused:
            yield from (self._body(self.turns, number) for number in _numbers)
        yield from repeat(self._body(self.turns))

    def _body(self, turns: int, number: int = 1) -> bytes:
        asked = f"answer {self.chunks} chunks {self.gap_ms} ms apart"
        if number % REFUSED_ONE_IN == 0:
            asked += f", refuse first: {number}"
        body: Json = {"model": MODEL, "max_tokens": 512, "stream": self.streamed}
        messages: list[Json] = []
        if turns:
            body |= _agent()
            messages = [message for turn in range(turns) for message in _turn(turn)]
        body["messages"] = [*messages, {"role": "user", "content": f"Please {asked}."}]
        return json.dumps(body).encode()


def _agent() -> Json:
    """The system prompt and the tools of a coding agent, about 20 kB."""
    rules = "Read before you write, keep changes small, and run the tests. " * 160
    parameters = {f"option_{n}": {"type": "string", "description": "one option"} for n in range(6)}
    schema = {"type": "object", "properties": parameters, "required": ["option_0"]}
    tools = [
        {
            "name": f"Tool{n}",
            "description": "Does one thing to files. " * 18,
            "input_schema": schema,
        }
        for n in range(14)
    ]
    system = [{"type": "text", "text": rules, "cache_control": {"type": "ephemeral"}}]
    return {"system": system, "tools": tools}


def _turn(number: int) -> list[Json]:
    """A question, a call, its result and a remark: about 2 kB."""
    call = {
        "type": "tool_use",
        "id": f"toolu_{number:04}",
        "name": f"Tool{number % 14}",
        "input": {"option_0": f"src/module_{number}.py " * 6},
    }
    result = {
        "type": "tool_result",
        "tool_use_id": f"toolu_{number:04}",
        "content": "def work(value):\n    return value + 1\n" * 40,
    }
    return [
        {"role": "user", "content": f"Look at file {number}, and say what it does."},
        {"role": "assistant", "content": [{"type": "text", "text": "I look at it."}, call]},
        {"role": "user", "content": [result]},
        {"role": "assistant", "content": "It adds one to a value, and has no other effect."},
    ]


def large_body() -> bytes:
    """A plain request of 5 MB."""
    text = "A line of a long file that somebody pasted.\n"
    message = {"role": "user", "content": text * (LARGE_BYTES // len(text))}
    return json.dumps({"model": MODEL, "max_tokens": 16, "messages": [message]}).encode()


LOADS: dict[str, BenchLoad] = {
    "json1": BenchLoad(1, 150),
    "json16": BenchLoad(16, 600),
    "stream": BenchLoad(16, 48, chunks=200, gap_ms=10),
    "code": BenchLoad(8, 80, chunks=64, gap_ms=2, turns=20),
    "slow1000": BenchLoad(1000, 1000, chunks=20, gap_ms=500),
    "session": BenchLoad(1, 30, chunks=64, turns=1, grows=True),
    "wrong_keys": BenchLoad(16, 600, key=WRONG_KEY, status=401),
    "head_of_line": BenchLoad(4, 200, large=1),
    "failover": BenchLoad(4, 80, refused=True),
    "streams1": BenchLoad(1, 3, chunks=400, gap_ms=4),
    "streams16": BenchLoad(16, 48, chunks=100, gap_ms=10),
    "streams256": BenchLoad(256, 256, chunks=100, gap_ms=60),
    "long": BenchLoad(4, 4, chunks=4000, gap_ms=1),
}
