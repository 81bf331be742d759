"""Redis, and what several processes are without it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from bridge.cluster import redis
from bridge.management.doctor.clocks import compared
from bridge.management.doctor.results import CheckResult, ok, problem, warning

REDIS_URL = "REDIS_URL"
WRITES = "redis.call('SET', KEYS[1], ARGV[1], 'PX', 1000) return redis.call('GET', KEYS[1])"
"""What the counters of limits need: a script that writes. The key is gone after a second."""

AWAY = "see that it runs and that the address is right; until then each process counts for itself"


def check(url: str, workers: int) -> Iterator[CheckResult]:
    if not url:
        yield _without(workers)
        return
    mark = secrets.token_hex(8)
    try:
        with closing(redis.connect()) as connected:
            client: Any = connected
            answer = client.eval(WRITES, 1, f"{redis.PREFIX}doctor:{mark}", mark)
            if answer not in (mark, mark.encode()):
                yield problem(REDIS_URL, "it does not keep what is written", "see its log")
                return
            yield ok(REDIS_URL, "reachable, and runs the scripts of the limits")
            yield from _clock(client)
    except redis.AWAY as error:
        yield problem(REDIS_URL, redis.explain(error), AWAY)


def _clock(client: Any) -> Iterator[CheckResult]:
    now = client.time()
    if isinstance(now, tuple):  # a cluster tells that of each node
        yield compared("Redis", now[0] + now[1] / 1e6 - time.time())


def _without(workers: int) -> CheckResult:
    if workers > 1:
        text = f"not set: each of the {workers} workers counts limits for itself"
        return warning(REDIS_URL, text, "set it, so that a limit is one limit and changes are seen")
    return ok(REDIS_URL, "not set, and not needed by a single process")
