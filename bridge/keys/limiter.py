"""Who may go on: limits, counted in this process or, with REDIS_URL, in all of them.

    decision = await limiter.admit(accounts, estimate_tokens, now)
    ...
    await limiter.settle(decision.reservation, tokens, cost, now)

While Redis cannot be used each process counts for itself: users are not refused because a cache is
away. The log says so once, and `state` for as long as it lasts. Requests never wait for the
database either. What an account (a key, a person, a team) has used is read from the ledger behind
their backs: at the start, when it gets a quota or another period (`follow`), every few minutes, and
every few seconds while several processes each count for themselves.
"""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from django.db import Error

from bridge.keys.decisions import Decision, QuotaState, judge, quota_states
from bridge.keys.limits import (
    NOTHING,
    Account,
    AccountKind,
    AccountRef,
    Counts,
    LimitKind,
    Limits,
    Outcome,
    QuotaUsage,
    Reservation,
    billionths,
)
from bridge.keys.memory_limiter import MemoryLimiter
from bridge.keys.periods import Period

if TYPE_CHECKING:
    from bridge.cluster.redis import Outage
    from bridge.keys.redis_limiter import RedisLimiter

logger = logging.getLogger(__name__)

LEASE_SECONDS = 15.0
"""After so long the places of a killed process are free; they are renewed three times as often."""
AWAY_PAUSE_SECONDS = 1.0
SEED_SECONDS = 300.0
"""Between two looks into the ledger, for each account with a quota."""
SEED_SECONDS_ALONE = 2.0
"""The same while several processes each count for themselves: the ledger is all that they share."""
SEED_RETRY_SECONDS = 10.0
LAST_SECONDS = 1.0
"""For what is still to be settled when the process ends."""

AWAY = "Redis cannot be used: the limits of keys count for each process alone"
BACK = "Redis can be used again: the limits of keys count for all processes together"
SEVERAL = (
    "several processes serve without REDIS_URL: the limits of keys count for each process alone"
)

Used = Callable[[Collection[AccountRef], Period], Awaitable[Mapping[AccountRef, QuotaUsage]]]
"""What the ledger knows of these accounts in the current period. Those that used nothing may be
left out."""


T = TypeVar("T")


class Store(Protocol):
    """What both kinds of counters can do."""

    async def admit(self, reservation: Reservation) -> Outcome: ...

    async def settle(self, reservation: Reservation, usage: QuotaUsage, now: float) -> None: ...

    async def seed(
        self, ref: AccountRef, period: Period, usage: QuotaUsage, now: float
    ) -> None: ...

    async def read(self, accounts: tuple[Account, ...], now: float) -> tuple[Counts, ...]: ...


@dataclass(frozen=True, slots=True)
class LimiterState:
    """For whom requests are counted, and what is wrong with that; "" for nothing."""

    is_shared: bool
    problem: str


class Limiter:
    """The counters of one process. Create it inside the running event loop; `run` it there.

    `is_alone`: no other process serves with the same database, as far as is known.
    """

    def __init__(
        self, used: Used, lease_seconds: float = LEASE_SECONDS, *, with_redis: bool = False
    ) -> None:
        self.is_alone = True
        self._used = used
        self._pause = lease_seconds / 3
        self._local = MemoryLimiter()
        self._shared: RedisLimiter | None = None
        self._outage: Outage | None = None
        self._away: tuple[type[Exception], ...] = ()
        self._open: dict[str, Store] = {}
        self._looked_at: dict[tuple[Store, AccountRef], float] = {}
        self._known: Mapping[AccountRef, Limits] = {}
        self._seeded: set[tuple[AccountRef, Period]] = set()
        self._errands: set[asyncio.Task[Any]] = set()
        self.refusals: Counter[tuple[AccountKind, LimitKind]] = Counter()
        """Requests that were refused since the process started, by whose limit and which."""
        if with_redis:
            from bridge.cluster import redis
            from bridge.keys import redis_limiter  # slow, and only needed here

            self._shared = redis_limiter.RedisLimiter(lease_seconds)
            self._outage = redis.Outage(logger, AWAY, BACK)
            self._away = redis.AWAY

    @property
    def is_shared(self) -> bool:
        """Whether requests are counted, at this moment, for all processes together."""
        return self._outage is not None and not self._outage.is_on

    @property
    def state(self) -> LimiterState:
        if self._outage is not None:
            reason = f"{AWAY} ({self._outage.reason})" if self._outage.is_on else ""
            return LimiterState(self.is_shared, reason)
        is_wrong = not self.is_alone and any(not each.is_empty for each in self._known.values())
        return LimiterState(False, SEVERAL if is_wrong else "")

    # --- for each request ---

    async def admit(
        self,
        accounts: tuple[Account, ...],
        estimate_tokens: int,
        now: float,
        whole: QuotaUsage = NOTHING,
    ) -> Decision:
        """Let a request in, or say which limit is in the way. `now` in Unix seconds.

        One that was let in holds of each account one request, the estimated tokens of its prompt,
        one place among the concurrent ones, and `whole` of each quota, until it is settled.
        Accounts without limits may be left out.
        """
        tokens = max(0, estimate_tokens)
        reservation = Reservation(secrets.token_hex(8), accounts, now, tokens, whole)
        if all(account.limits.is_empty for account in accounts):
            return judge(reservation, Outcome())
        outcome, store = await self._decide(reservation)
        if outcome.refused is None:
            self._open[reservation.id] = store
        else:
            kind = accounts[outcome.account].ref.kind
            self.refusals[kind, outcome.refused] += 1
        self._look_up(store, reservation, outcome)
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
        usage = QuotaUsage(max(0, billionths(cost)), max(0, tokens))
        if self._shared is not None and store is self._shared and not self.is_shared:
            self._shared.let_go(reservation)
            store = self._local
        settling = self._settle(store, reservation, usage, now)
        await asyncio.shield(self._errand(self._unless_away(settling)))

    async def quotas(self, accounts: tuple[Account, ...], now: float) -> tuple[QuotaState, ...]:
        """All quotas of these accounts, as they are counted at this moment."""
        store = self._store
        counts = await self._unless_away(store.read(accounts, now))
        if counts is None:
            counts = await self._local.read(accounts, now)
        return quota_states(accounts, counts, now)

    def has_read(self, accounts: tuple[Account, ...], now: float) -> bool:
        """Whether it was ever read what these accounts have used. If not, it is read again."""
        unread = {
            each.ref: each.limits
            for each in accounts
            if any((each.ref, period) not in self._seeded for period in each.limits.periods)
        }
        due = {
            ref: limits
            for ref, limits in unread.items()
            if now - self._looked_at.get((self._local, ref), -math.inf) > SEED_RETRY_SECONDS
        }
        if due:
            self._looked_at |= {(self._local, ref): now for ref in due}
            self._errand(self.prime(due, now))
        return not unread

    async def _settle(
        self, store: Store, reservation: Reservation, usage: QuotaUsage, now: float
    ) -> None:
        """What memory knows of quotas is never more than what Redis has counted, so that the one
        may be raised to the other."""
        await store.settle(reservation, usage, now)
        if store is not self._local:
            self._local.spend(reservation, usage, now)

    async def _decide(self, reservation: Reservation) -> tuple[Outcome, Store]:
        store = self._store
        outcome = await self._unless_away(store.admit(reservation))
        if outcome is None:
            store = self._local
            outcome = await store.admit(reservation)
        elif store is not self._local:
            self._local.follow(reservation, outcome)
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
                was_shared = self.is_shared
                self._outage.began(error)
                if was_shared:
                    self._errand(self.prime(self._known, time.time()))
            return None

    # --- what was used ---

    @property
    def _seed_seconds(self) -> float:
        counts_alone = not self.is_shared and (self._shared is not None or not self.is_alone)
        return SEED_SECONDS_ALONE if counts_alone else SEED_SECONDS

    def unknown(self, limits: Mapping[AccountRef, Limits]) -> dict[AccountRef, Limits]:
        """Those of these accounts that got a quota, or another period for it, since `prime`."""
        return {
            ref: each
            for ref, each in limits.items()
            if any((ref, period) not in self._seeded for period in each.periods)
        }

    def follow(self, limits: Mapping[AccountRef, Limits]) -> None:
        """These are all accounts that there are."""
        self._known = limits

    async def prime(self, limits: Mapping[AccountRef, Limits], now: float) -> None:
        """Look into the ledger for each account with a quota, so that the first request counts."""
        accounts: dict[Period, list[AccountRef]] = {}
        for ref, each in limits.items():
            for period in each.periods:
                accounts.setdefault(period, []).append(ref)
        for period, some in accounts.items():
            if not await self._seed(some, period, now):
                return  # the rest is looked up with their first requests

    def _look_up(self, store: Store, reservation: Reservation, outcome: Outcome) -> None:
        """The same for the accounts of one request, where that was long ago."""
        pause, now = min(SEED_RETRY_SECONDS, self._seed_seconds), reservation.at
        due: dict[AccountRef, Limits] = {}
        for account, counts in zip(reservation.accounts, outcome.counts, strict=True):
            ref, looked_at = account.ref, self._looked_at.get((store, account.ref), -math.inf)
            is_old = account.limits.quotas and now - counts.seeded > self._seed_seconds
            if is_old and now - looked_at > pause:
                self._looked_at[store, ref] = now
                due[ref] = account.limits
        if due:
            self._errand(self.prime(due, now))

    async def _seed(self, accounts: Collection[AccountRef], period: Period, now: float) -> bool:
        """Whether the ledger could be asked."""
        try:
            found = await self._used(accounts, period)
        except Error as error:
            logger.warning("what was used is not known: %s", type(error).__name__)
            return False
        for ref in accounts:
            await self._local.seed(ref, period, found.get(ref, NOTHING), now)
            self._seeded.add((ref, period))
            if self._shared is not None and self.is_shared:
                usage = self._local.used(ref, period, now)
                await self._unless_away(self._shared.seed(ref, period, usage, now))
        return True

    # --- the life of the process ---

    async def run(self) -> None:
        """Keep the places of running requests, and notice when Redis is back; until cancelled."""
        while self._shared is not None and self._outage is not None:
            kept = await self._unless_away(self._shared.renew(time.time()))
            if kept and self._outage.is_on:
                self._outage.ended()
                self._errand(self.prime(self._known, time.time()))
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
