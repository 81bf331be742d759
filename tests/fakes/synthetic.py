"""Synthetic usage records, as many as a test wants, through the code that writes real ones.

`python -m tests.fakes.synthetic N [--seed S] [--days D]` fills the database of the environment.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterator, Sequence

import django

from bridge.ledger.record import CallVerdict, Record
from bridge.translation.safeguards import OUTCOMES

MODELS = ("vendor/large", "vendor/small", "other/coder")
BACKENDS = ("main", "second")
STATUSES = (200,) * 30 + (400, 401, 429, 499, 499, 500, 529)
BATCH = 2000
DAY = 86_400
CLASSES = ("main",) * 5 + ("subagent", "subagent", "auxiliary", "compaction", "")


def records(
    count: int, seed: int = 1, days: float = 7.0, end: float | None = None
) -> Iterator[Record]:
    """Records of that many days up to `end`, oldest first: 20 keys, sessions of 40 turns."""
    chance = random.Random(seed)
    end = time.time() if end is None else end
    for number in range(count):
        started_at = end - days * DAY * (count - number) / count
        yield _record(chance, f"req_{seed:x}_{number:x}", number, started_at)


def _record(chance: random.Random, request_id: str, number: int, started_at: float) -> Record:
    key, status = chance.randrange(20), chance.choice(STATUSES)
    seconds = chance.lognormvariate(1.0, 1.0)
    answered = status in (200, 499)
    return Record(
        request_id,
        path="/v1/messages",
        key=f"team-{key}" if key < 15 else f"key-{key:012x}",
        key_id=key + 1 if key < 15 else None,
        fingerprint=f"{key:012x}",
        client="claude-cli/2.1.200 (external, cli)",
        session=f"session-{key}-{number // 800}" if chance.random() < 0.9 else "",
        asked_model="claude-sonnet-5",
        request_class=CLASSES[number % len(CLASSES)],
        alias="claude-*" if status != 401 else "",
        backend=chance.choice(BACKENDS) if status != 401 else "",
        model=chance.choice(MODELS) if status != 401 else "",
        streamed=chance.random() < 0.8,
        status=status,
        error_type="" if answered else "api_error",
        error="" if answered else "Something went wrong at the backend",
        attempts=1 + (chance.random() < 0.05),
        input_tokens=chance.randrange(20_000) if answered else 0,
        output_tokens=chance.randrange(2_000) if answered else 0,
        cache_read_tokens=chance.randrange(100_000) if answered else 0,
        cache_write_tokens=chance.randrange(1_000) if answered else 0,
        thinking_tokens=chance.choice((None, 0, 300)),
        estimated=chance.random() < 0.1,
        cost_nano_usd=chance.randrange(10**9) if answered and chance.random() < 0.9 else None,
        stop_reason="end_turn" if status == 200 else "",
        dropped=("metadata",),
        repaired=["arguments"] if chance.random() < 0.02 else [],
        tools=["Read", "Bash"],
        route=("alias claude-*", "main vendor/large"),
        prompt_bytes=chance.randrange(500_000),
        repeated_bytes=chance.randrange(400_000),
        tools_added=int(number % 7 == 0),
        tool_changes=["1 tool added"] if number % 7 == 0 else [],
        verdicts=[
            CallVerdict(f"call_{place}", "Bash", chance.choice(OUTCOMES), ms=chance.randrange(9000))
            for place in range(chance.choice((0, 0, 0, 1, 3)))
        ],
        started_at=started_at,
        headers_after=0.2,
        first_token_after=seconds * 0.3 if answered else None,
        seconds=seconds,
    )


def fill(count: int, seed: int = 1, days: float = 7.0, end: float | None = None) -> int:
    """Enter that many records into the ledger; how many were new."""
    from bridge.ledger.writer import enter  # needs Django, which may not be set up on import

    entered = 0
    batch: list[Record] = []
    for record in records(count, seed, days, end):
        batch.append(record)
        if len(batch) == BATCH:
            entered += enter(batch)
            batch.clear()
    return entered + enter(batch)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--days", type=float, default=7.0)
    given = parser.parse_args(arguments)
    django.setup()
    print(fill(given.count, given.seed, given.days))


if __name__ == "__main__":
    main()
