"""The counters of limits in Redis, for all processes that share it.

One script decides on a request and counts it for all its accounts, so no two processes can both
take the last place.
A place among the concurrent requests is a lease that its process renews while the request runs:
the places of a process that was killed are free again after LEASE_SECONDS.

The clocks of the hosts must agree within a minute, as NTP keeps them. Every method may raise one
of `redis_connection.AWAY`.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, NoScriptError, ReadOnlyError, ResponseError

from bridge.cluster import redis
from bridge.cluster.patience import Patience
from bridge.keys.limits import (
    WINDOW_SECONDS,
    Account,
    AccountQuota,
    AccountRef,
    Counts,
    LimitKind,
    Limits,
    Outcome,
    QuotaUsage,
    Reservation,
)
from bridge.keys.periods import Period, period_end, period_name

CONNECTIONS = 16
PATIENCE_SECONDS = 1.0
"""No request waits longer for Redis, whatever it is that takes its time."""
KEPT_SECONDS = 3600
"""How much longer than its period a sum is kept."""
LONGEST_KEPT_SECONDS = 31 * 86_400

BOOKS = ("state", "requests", "tokens", "running", "held")
"""What is kept of each account, beside the sums of periods."""
_SCRIPTS = Path(__file__).parent / "lua"


def script_text(name: str) -> str:
    """One of our scripts."""
    return (_SCRIPTS / f"{name}.lua").read_text(encoding="ascii")


class Script:
    """One of our scripts, by its hash where Redis knows it, else by its text.

    Not by SCRIPT LOAD, which some fronts of Redis do not have; nor have some EVALSHA.
    """

    def __init__(self, client: redis.ClientForLoops, name: str) -> None:
        self._client: Any = client
        self._text = script_text(name)
        self._hash = hashlib.sha1(self._text.encode(), usedforsecurity=False).hexdigest()
        self._by_text = False

    async def __call__(self, keys: Sequence[str], args: Sequence[Any]) -> Any:
        if not self._by_text:
            try:
                return await self._client.evalsha(self._hash, len(keys), *keys, *args)
            except NoScriptError:
                pass  # it learns the script with its text
            except ResponseError as error:
                if not _is_unknown(error):
                    raise
                self._by_text = True
        return await self._client.eval(self._text, len(keys), *keys, *args)


def _is_unknown(error: ResponseError) -> bool:
    """Whether a command is not there, or not for us."""
    return isinstance(error, NoPermissionError) or "unknown command" in str(error).lower()


class RedisLimiter:
    """The counters of all accounts. Create it inside the running event loop, and close it there."""

    def __init__(self, lease_seconds: float) -> None:
        self._lease = lease_seconds
        self._redis = redis.connect_async(CONNECTIONS, retries=1)
        self._preparation = redis.Preparation(self._redis)
        self._connections = asyncio.Semaphore(CONNECTIONS)
        self._admit, self._settle, self._seed = (
            Script(self._redis, name) for name in ("admit", "settle", "seed")
        )
        self._leased: dict[str, Reservation] = {}
        """Running requests that hold a place or a part of a quota."""

    async def _run(self, script: Script, keys: Sequence[str], args: Sequence[Any]) -> Any:
        async with Patience(PATIENCE_SECONDS), self._connections:
            await self._preparation.wait()
            return await script(keys, args)

    async def admit(self, reservation: Reservation) -> Outcome:
        """Let the request in, and count it for all accounts, if no limit is in the way."""
        accounts = reservation.accounts
        args = (
            reservation.at,
            reservation.id,
            reservation.tokens,
            WINDOW_SECONDS,
            self._lease,
            *reservation.whole,
            len(accounts),
            *chain.from_iterable(_limits(account.limits) for account in accounts),
            *chain.from_iterable(_quota(reservation, each) for each in reservation.quotas),
        )
        keys = _keys(accounts, reservation.at)
        outcome = _outcome(reservation, await self._run(self._admit, keys, args))
        if outcome.refused is None and any(map(_is_leased, accounts)):
            self._leased[reservation.id] = reservation
        return outcome

    async def settle(self, reservation: Reservation, usage: QuotaUsage, now: float) -> None:
        """Put what was used in place of the estimate."""
        self.let_go(reservation)
        accounts = reservation.accounts
        args = (
            now,
            reservation.id,
            reservation.tokens,
            usage.tokens,
            usage.cost,
            WINDOW_SECONDS,
            *reservation.whole,
            len(accounts),
            *chain.from_iterable(_counted(account.limits, now) for account in accounts),
        )
        await self._run(self._settle, _keys(accounts, now), args)

    def let_go(self, reservation: Reservation) -> None:
        """Renew its place no more."""
        self._leased.pop(reservation.id, None)

    async def seed(self, ref: AccountRef, period: Period, usage: QuotaUsage, now: float) -> None:
        """The ledger knows of so much used in the period of `now`."""
        key = usage_key(ref, period, now)
        await self._run(self._seed, [key], (*usage, now, kept_seconds(period, now)))

    async def read(self, accounts: tuple[Account, ...], now: float) -> tuple[Counts, ...]:
        """What is counted for the quotas of these accounts, and for nothing else of them."""
        pipeline: Any
        async with (
            Patience(PATIENCE_SECONDS),
            self._connections,
            self._redis.pipeline(transaction=False) as pipeline,
        ):
            await self._preparation.wait()
            for each in accounts:
                for period in each.limits.periods:
                    pipeline.hmget(usage_key(each.ref, period, now), "spent", "used")
            sums = iter(await pipeline.execute())
        return tuple(
            Counts(used=tuple(_sums(found) for found in islice(sums, len(each.limits.periods))))
            for each in accounts
        )

    async def renew(self, now: float) -> bool:
        """Keep the places of running requests, or take them again in a Redis that lost them.

        True: Redis can be counted on.
        """
        until = now + self._lease
        places: dict[str, dict[str, float]] = {}
        for each in self._leased.values():
            for account in each.accounts:
                if account.limits.concurrent is not None:
                    places.setdefault(_name(account.ref, "running"), {})[each.id] = until
                if account.limits.quotas:
                    places.setdefault(_name(account.ref, "held"), {})[_held(each)] = until
        try:
            async with Patience(PATIENCE_SECONDS):
                await self._write(places)
        except ReadOnlyError:
            await self._forget_connections()
            raise
        return True

    async def _write(self, places: Mapping[str, Mapping[str, float]]) -> None:
        await self._preparation.wait()
        pipeline: Any
        async with self._redis.pipeline(transaction=False) as pipeline:
            # A write: a Redis that is full, or a replica, answers everything else.
            pipeline.set(f"{redis.PREFIX}limits:alive", 1, ex=60)
            for name, leases in places.items():
                pipeline.zadd(name, leases)
                pipeline.expire(name, math.ceil(2 * self._lease))
            await pipeline.execute()

    async def _forget_connections(self) -> None:
        """It was the master: new connections go to the one that is it now."""
        if isinstance(self._redis, Redis):
            await self._redis.connection_pool.disconnect(inuse_connections=False)

    async def aclose(self) -> None:
        await self._preparation.aclose()
        await self._redis.aclose()


def _keys(accounts: Iterable[Account], now: float) -> list[str]:
    """The names of all books, account by account."""
    names = []
    for account in accounts:
        names += [_name(account.ref, name) for name in BOOKS]
        names += [usage_key(account.ref, period, now) for period in account.limits.periods]
    return names


def _limits(limits: Limits) -> tuple[Any, ...]:
    """An account's limits as admit.lua reads them."""
    numbers = (limits.rpm, limits.tpm, limits.concurrent)
    return *("" if number is None else number for number in numbers), len(limits.periods)


def _quota(reservation: Reservation, each: AccountQuota) -> tuple[Any, ...]:
    """A quota as admit.lua reads it. Places begin with 1 there."""
    place, quota = each
    periods = reservation.accounts[place].limits.periods
    unit = "spent" if quota.kind is LimitKind.BUDGET else "used"
    return quota.kind.value, unit, place + 1, periods.index(quota.period) + 1, quota.most


def _counted(limits: Limits, now: float) -> tuple[Any, ...]:
    """An account as settle.lua reads it."""
    kept = [kept_seconds(period, now) for period in limits.periods]
    return int(limits.tpm is not None), len(kept), *kept


def _is_leased(account: Account) -> bool:
    """Whether a request of this account holds a place or a part of a quota."""
    return account.limits.concurrent is not None or bool(account.limits.quotas)


def _held(reservation: Reservation) -> str:
    """The member that stands for what a request has reserved."""
    return f"{reservation.id}:{reservation.whole.cost}:{reservation.whole.tokens}"


def usage_key(ref: AccountRef, period: Period, now: float) -> str:
    """Where a period's sums are kept: a hash with `spent`, in billionths, and `used`, in tokens."""
    return _name(ref, f"usage:{period_name(now, period)}")


def _name(ref: AccountRef, name: str) -> str:
    # In braces: what a Redis cluster keeps on one node, as a script demands. A script counts for
    # several accounts at once, so it is the same word for all.
    return f"{redis.PREFIX}limits:{{all}}:{ref.kind}:{ref.id}:{name}"


def kept_seconds(period: Period, now: float) -> int:
    """How long a sum is kept. What was forgotten is read from the ledger again."""
    left = min(period_end(now, period) - now, LONGEST_KEPT_SECONDS)
    return math.ceil(left) + KEPT_SECONDS


def _sums(found: Sequence[Any]) -> QuotaUsage:
    """`spent` and `used` of a period, which are absent where nothing was used."""
    return QuotaUsage(*(int(number or 0) for number in found))


def _outcome(reservation: Reservation, answer: Sequence[Any]) -> Outcome:
    refused, account, quota, wait, *rest = answer
    numbers = iter(rest)
    return Outcome(
        refused=LimitKind(refused.decode()) if refused else None,
        account=int(account),
        quota=int(quota),
        wait=float(wait),
        counts=tuple(_counts(each.limits, numbers) for each in reservation.accounts),
    )


def _counts(limits: Limits, numbers: Iterator[Any]) -> Counts:
    """One account's counts, from where the answer has them."""
    requests, requests_reset, tokens, tokens_reset, seeded = islice(numbers, 5)
    used = [QuotaUsage(*map(int, islice(numbers, 2))) for _ in limits.periods]
    return Counts(
        requests=int(requests),
        requests_reset=float(requests_reset),
        tokens=int(tokens),
        tokens_reset=float(tokens_reset),
        used=tuple(used),
        seeded=float(seeded),
    )
