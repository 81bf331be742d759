"""Who may go on: the limits of keys, counted in this process or, with REDIS_URL, in all of them.

    verdict = await counters.admit(key_id, limits, estimate_tokens, now)
    ...
    await counters.settle(verdict.ticket, tokens, cost, now)

While Redis is away each process counts for itself: users are not refused because a cache is away,
and the log says so once. Requests never wait for the database either. What a key has spent is read
from the ledger behind their backs, at the start (`prime`) and again every few minutes, which also
makes up for what Redis forgot.
"""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from django.conf import settings
from django.db import Error

from bridge.keys.limits import Decision, Limits, Outcome, Period, Reservation, billionths, judge
from bridge.keys.memory_limiter import MemoryLimiter

if TYPE_CHECKING:
    from bridge.cluster.redis import Outage
    from bridge.keys.redis_limiter import RedisLimiter

logger = logging.getLogger(__name__)

LEASE_SECONDS = 15.0
"""After so long the places of a killed process are free; they are renewed three times as often."""
AWAY_PAUSE_SECONDS = 1.0
SEED_SECONDS = 300.0
"""Between two looks into the ledger, for each key with a budget."""
SEED_RETRY_SECONDS = 10.0
LAST_SECONDS = 1.0
"""For what is still to be settled when the process ends."""

AWAY = "Redis is away: the limits of keys count for each process alone"
BACK = "Redis is back: the limits of keys count for all processes together"

Spent = Callable[[int, Period], Awaitable[Decimal]]
"""What the ledger knows of a key's spending in the current day or month, in dollars."""


T = TypeVar("T")


class Store(Protocol):
    """What both kinds of counters can do. `spent` and `cost` in billionths of a dollar."""

    async def admit(self, reservation: Reservation) -> Outcome: ...

    async def settle(
        self, reservation: Reservation, tokens: int, cost: int, now: float
    ) -> None: ...

    async def seed(self, key_id: int, limits: Limits, spent: int, now: float) -> None: ...


class Limiter:
    """The counters of one process. Create it inside the running event loop; `run` it there."""

    def __init__(self, spent: Spent, lease_seconds: float = LEASE_SECONDS) -> None:
        self._spent = spent
        self._pause = lease_seconds / 3
        self._local = MemoryLimiter()
        self._shared: RedisLimiter | None = None
        self._outage: Outage | None = None
        self._away: tuple[type[Exception], ...] = ()
        self._open: dict[str, Store] = {}
        self._asked: dict[tuple[Store, int], float] = {}
        self._errands: set[asyncio.Task[Any]] = set()
        if settings.REDIS_URL:
            from bridge.cluster import redis
            from bridge.keys import redis_limiter  # slow, and only needed here

            self._shared = redis_limiter.RedisLimiter(lease_seconds)
            self._outage = redis.Outage(logger, AWAY, BACK)
            self._away = redis.AWAY

    @property
    def is_shared(self) -> bool:
        """Whether requests are counted, at this moment, for all processes together."""
        return self._outage is not None and not self._outage.is_on

    # --- for each request ---

    async def admit(
        self, key_id: int, limits: Limits, estimate_tokens: int, now: float
    ) -> Decision:
        """Let a request in, or say which limit is in the way. `now` in Unix seconds.

        One that was let in holds one request, the estimated tokens and one place among the
        concurrent ones until its ticket is settled.
        """
        reservation = Reservation(
            secrets.token_hex(8), key_id, now, max(0, estimate_tokens), limits
        )
        if limits.is_empty:
            return judge(reservation, Outcome())
        outcome, store = await self._decide(reservation)
        if outcome.refused is None:
            self._open[reservation.id] = store
        if limits.budget_usd is not None and now - outcome.seeded > SEED_SECONDS:
            self._look_up(store, key_id, limits, now)
        return judge(reservation, outcome)

    async def settle(
        self, reservation: Reservation, tokens: int, cost: Decimal, now: float
    ) -> None:
        """The request ended, however: `tokens` and `cost` (dollars) take the estimate's place.

        A second time does nothing. It is done also when the task that waits for it is cancelled.
        """
        store = self._open.pop(reservation.id, None)
        if store is None:
            return
        if self._shared is not None and store is self._shared and not self.is_shared:
            self._shared.let_go(reservation)
            store = self._local
        settling = store.settle(reservation, max(0, tokens), max(0, billionths(cost)), now)
        await asyncio.shield(self._errand(self._unless_away(settling)))

    async def _decide(self, reservation: Reservation) -> tuple[Outcome, Store]:
        store = self._store
        outcome = await self._unless_away(store.admit(reservation))
        if outcome is None:
            store = self._local
            outcome = await store.admit(reservation)
        return outcome, store

    @property
    def _store(self) -> Store:
        return self._shared if self._shared is not None and self.is_shared else self._local

    async def _unless_away(self, answer: Coroutine[Any, Any, T]) -> T | None:
        """The answer of a store, None where Redis gives none."""
        try:
            return await answer
        except self._away as error:
            if self._outage is not None:
                self._outage.began(error)
            return None

    # --- what was spent ---

    async def prime(self, limits: Mapping[int, Limits], now: float) -> None:
        """Look into the ledger for every key with a budget, so that the first request counts."""
        for key_id, each in limits.items():
            if each.budget_usd is not None and not await self._seed(key_id, each, now):
                return  # the rest is looked up with their first requests

    def _look_up(self, store: Store, key_id: int, limits: Limits, now: float) -> None:
        """The same for one key, while its requests go on."""
        if now - self._asked.get((store, key_id), -math.inf) > SEED_RETRY_SECONDS:
            self._asked[store, key_id] = now
            self._errand(self._seed(key_id, limits, now))

    async def _seed(self, key_id: int, limits: Limits, now: float) -> bool:
        """Whether the ledger could be asked."""
        try:
            spent = billionths(await self._spent(key_id, limits.period))
        except Error as error:
            logger.warning("what a key has spent is not known: %s", type(error).__name__)
            return False
        await self._local.seed(key_id, limits, spent, now)
        if self._store is not self._local:
            await self._unless_away(self._store.seed(key_id, limits, spent, now))
        return True

    # --- the life of the process ---

    async def run(self) -> None:
        """Keep the places of running requests, and notice when Redis is back; until cancelled."""
        while self._shared is not None and self._outage is not None:
            kept = await self._unless_away(self._shared.renew(time.time()))
            if kept:
                self._outage.ended()
            await asyncio.sleep(self._pause if kept else min(self._pause, AWAY_PAUSE_SECONDS))

    def _errand(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)
        return task

    async def aclose(self) -> None:
        """End background work, the last settlements first, and close the connections."""
        errands = set(self._errands)
        if errands:
            await asyncio.wait(errands, timeout=LAST_SECONDS)
        for errand in errands:
            errand.cancel()
        await asyncio.gather(*errands, return_exceptions=True)
        if self._shared is not None:
            await self._shared.aclose()
