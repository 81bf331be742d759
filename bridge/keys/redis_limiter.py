"""The counters of limits in Redis, for all processes that share it.

One script decides on a request and counts it, so no two processes can both take the last place.
A place among the concurrent requests is a lease that its process renews while the request runs:
the places of a process that was killed are free again after LEASE_SECONDS.

The clocks of the hosts must agree within a minute, as NTP keeps them. Every method may raise one
of `redis_connection.AWAY`.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bridge.cluster import redis
from bridge.keys.limits import (
    WINDOW_SECONDS,
    LimitKind,
    Limits,
    Outcome,
    Period,
    Reservation,
    billionths,
    period_end,
    period_name,
)

CONNECTIONS = 16
PATIENCE_SECONDS = 1.0
"""No request waits longer for Redis, whatever it is that takes its time."""
KEPT_SECONDS = 3600
"""How much longer than its period the sum spent is kept."""

_SCRIPTS = Path(__file__).parent / "lua"


class RedisLimiter:
    """The counters of all keys. Create it inside the running event loop, and close it there."""

    def __init__(self, lease_seconds: float) -> None:
        self._lease = lease_seconds
        self._redis = redis.connect_async(CONNECTIONS, retries=1)
        self._admit, self._settle, self._seed = (
            self._redis.register_script((_SCRIPTS / f"{name}.lua").read_text(encoding="ascii"))
            for name in ("admit", "settle", "seed")
        )
        self._leased: dict[str, int] = {}
        """Tickets of running requests that hold a place -> their keys."""

    async def admit(self, reservation: Reservation) -> Outcome:
        """Let the request in, and count it, if no limit is in the way."""
        limits = reservation.limits
        budget = None if limits.budget_usd is None else billionths(limits.budget_usd)
        numbers = (limits.rpm, limits.tpm, limits.concurrent, budget)
        args = (
            reservation.at,
            reservation.id,
            reservation.tokens,
            *("" if number is None else number for number in numbers),
            WINDOW_SECONDS,
            self._lease,
        )
        async with asyncio.timeout(PATIENCE_SECONDS):
            answer = await self._admit(_keys(reservation.key_id, limits, reservation.at), args)
        outcome = _outcome(answer)
        if outcome.refused is None and limits.concurrent is not None:
            self._leased[reservation.id] = reservation.key_id
        return outcome

    async def settle(self, reservation: Reservation, tokens: int, cost: int, now: float) -> None:
        """Put what was used in place of the estimate. `cost` in billionths of a dollar."""
        self.let_go(reservation)
        limits = reservation.limits
        args = (
            now,
            reservation.id,
            reservation.tokens,
            tokens,
            cost,
            int(limits.tpm is not None),
            int(limits.budget_usd is not None),
            WINDOW_SECONDS,
            _kept(limits, now),
        )
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._settle(_keys(reservation.key_id, limits, now), args)

    def let_go(self, reservation: Reservation) -> None:
        """Renew its place no more."""
        self._leased.pop(reservation.id, None)

    async def seed(self, key_id: int, limits: Limits, spent: int, now: float) -> None:
        """The ledger knows of so many billionths spent in the period of `now`."""
        spending = _keys(key_id, limits, now)[-1]
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._seed([spending], [spent, now, _kept(limits, now)])

    async def renew(self, now: float) -> bool:
        """Keep the places of running requests, or take them again in a Redis that lost them.

        True: Redis can be counted on.
        """
        places: dict[int, dict[str, float]] = {}
        for ticket_id, key_id in self._leased.items():
            places.setdefault(key_id, {})[ticket_id] = now + self._lease
        async with (
            asyncio.timeout(PATIENCE_SECONDS),
            self._redis.pipeline(transaction=False) as pipeline,
        ):
            # A write: a Redis that is full, or a replica, answers everything else.
            pipeline.set(f"{redis.PREFIX}limits:alive", 1, ex=60)
            for key_id, leases in places.items():
                name = _name(key_id, "running")
                pipeline.zadd(name, leases)
                pipeline.expire(name, math.ceil(2 * self._lease))
            await pipeline.execute()
        return True

    async def aclose(self) -> None:
        await self._redis.aclose()


def _keys(key_id: int, limits: Limits, now: float) -> list[str]:
    names = ("state", "requests", "tokens", "running")
    return [*(_name(key_id, name) for name in names), spending_key(key_id, limits.period, now)]


def spending_key(key_id: int, period: Period, now: float) -> str:
    """Where the sum spent in the period of `now` is kept: a hash with `spent`, in billionths."""
    return _name(key_id, f"spending:{period_name(now, period)}")


def _name(key_id: int, name: str) -> str:
    # In braces: what a Redis cluster keeps on one node, as a script demands.
    return f"{redis.PREFIX}limits:{{{key_id}}}:{name}"


def _kept(limits: Limits, now: float) -> int:
    return math.ceil(period_end(now, limits.period) - now) + KEPT_SECONDS


def _outcome(answer: Sequence[Any]) -> Outcome:
    refused, wait, requests, requests_reset, tokens, tokens_reset, spent, seeded = answer
    return Outcome(
        refused=LimitKind(refused.decode()) if refused else None,
        wait=float(wait),
        requests=int(requests),
        requests_reset=float(requests_reset),
        tokens=int(tokens),
        tokens_reset=float(tokens_reset),
        spent=int(spent),
        seeded=float(seeded),
    )
