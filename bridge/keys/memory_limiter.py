"""The counters of limits in the memory of one process. Pure: the time is an argument.

`redis_limiter` counts the same for several processes; what one decides, the other does.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from bridge.keys.limits import (
    WINDOW_SECONDS,
    Account,
    AccountRef,
    Counts,
    LimitKind,
    Limits,
    Outcome,
    QuotaUsage,
    Reservation,
)
from bridge.keys.periods import Period, period_name

SHORT_WAIT = 1.0
"""Seconds; nobody knows when a running request will end."""


@dataclass(slots=True)
class WindowEntry:
    id: str
    at: float
    amount: int


class SlidingWindow:
    """Amounts of the last 60 seconds, the oldest first. `now` never goes back."""

    __slots__ = ("_by_id", "_entries", "total")

    def __init__(self) -> None:
        self.total = 0
        self._entries: deque[WindowEntry] = deque()
        self._by_id: dict[str, WindowEntry] = {}

    def trim(self, now: float) -> None:
        while self._entries and self._entries[0].at <= now - WINDOW_SECONDS:
            gone = self._entries.popleft()
            self.total -= gone.amount
            self._by_id.pop(gone.id, None)

    def add(self, id: str, now: float, amount: int) -> None:
        if amount > 0:
            self._by_id[id] = WindowEntry(id, now, amount)
            self._entries.append(self._by_id[id])
            self.total += amount

    def lower(self, id: str, amount: int) -> None:
        """Count this less for an entry, if it still counts at all."""
        if entry := self._by_id.get(id):
            entry.amount -= amount
            self.total -= amount

    def fits(self, amount: int, limit: int) -> bool:
        return self.total + amount <= limit

    def wait(self, now: float, amount: int, limit: int) -> float:
        """Seconds until so much more fits, when it does not now; infinite for never."""
        excess = self.total + amount - limit
        for entry in self._entries:
            excess -= entry.amount
            if excess <= 0:
                return entry.at + WINDOW_SECONDS - now
        return math.inf

    def reset(self, now: float) -> float:
        return self._entries[-1].at + WINDOW_SECONDS - now if self._entries else 0.0


@dataclass(slots=True)
class UsedInPeriod:
    """What was used in the period of this name, and when the ledger was last asked."""

    name: str
    usage: QuotaUsage = QuotaUsage()
    seeded: float = 0.0

    def add(self, usage: QuotaUsage) -> None:
        self.usage = QuotaUsage(self.usage.cost + usage.cost, self.usage.tokens + usage.tokens)

    def raise_to(self, usage: QuotaUsage) -> None:
        """The greater sums count: whoever tells of them may lag behind."""
        cost, tokens = self.usage
        self.usage = QuotaUsage(max(cost, usage.cost), max(tokens, usage.tokens))


@dataclass(slots=True)
class Book:
    """The counts of one account."""

    requests: SlidingWindow = field(default_factory=SlidingWindow)
    tokens: SlidingWindow = field(default_factory=SlidingWindow)
    running: set[str] = field(default_factory=set)
    held: dict[str, QuotaUsage] = field(default_factory=dict)
    periods: dict[Period, UsedInPeriod] = field(default_factory=dict)
    last: float = 0.0

    def turn(self, now: float) -> float:
        """Forget what is over; the time that counts, which never goes back.

        Unless the clock was set back by more than the window: then what was counted is forgotten.
        """
        if self.last > now + WINDOW_SECONDS:
            self.requests, self.tokens = SlidingWindow(), SlidingWindow()
            self.last = now
        self.last = max(self.last, now)
        self.requests.trim(self.last)
        self.tokens.trim(self.last)
        return self.last

    def used_at(self, now: float, period: Period) -> UsedInPeriod:
        name = period_name(now, period)
        if period not in self.periods or self.periods[period].name != name:
            self.periods[period] = UsedInPeriod(name)
        return self.periods[period]


class OpenBook(NamedTuple):
    """The book of one of a request's accounts, at the time that counts for it."""

    limits: Limits
    book: Book
    now: float


class MemoryLimiter:
    """One process's counters of all accounts."""

    def __init__(self) -> None:
        self._books: dict[AccountRef, Book] = {}

    def _book(self, ref: AccountRef) -> Book:
        return self._books.setdefault(ref, Book())

    async def admit(self, reservation: Reservation) -> Outcome:
        """Let the request in, and count it for all accounts, if no limit is in the way."""
        books = []
        for account in reservation.accounts:
            book = self._book(account.ref)
            books.append(OpenBook(account.limits, book, book.turn(reservation.at)))
        obstacle = _obstacle(reservation, books)
        if obstacle.kind is None:
            for each in books:
                _count(reservation, each)
        counts = tuple(_counts(reservation, each) for each in books)
        return Outcome(obstacle.kind, obstacle.account, obstacle.quota, obstacle.wait, counts)

    async def settle(self, reservation: Reservation, usage: QuotaUsage, now: float) -> None:
        """Put what was used in place of the estimate."""
        self.spend(reservation, usage, now)
        for account in reservation.accounts:
            book = self._book(account.ref)
            book.running.discard(reservation.id)
            book.held.pop(reservation.id, None)
            if account.limits.tpm is not None:
                at = book.turn(now)
                book.tokens.lower(reservation.id, max(0, reservation.tokens - usage.tokens))
                book.tokens.add(f"{reservation.id}+", at, usage.tokens - reservation.tokens)

    def spend(self, reservation: Reservation, usage: QuotaUsage, now: float) -> None:
        """Count this for the quotas alone."""
        for account in reservation.accounts:
            for period in account.limits.periods:
                self._book(account.ref).used_at(now, period).add(usage)

    async def seed(self, ref: AccountRef, period: Period, usage: QuotaUsage, now: float) -> None:
        """The ledger knows of so much used in the period of `now`."""
        used = self._book(ref).used_at(now, period)
        used.raise_to(usage)
        used.seeded = now

    def follow(self, reservation: Reservation, outcome: Outcome) -> None:
        """What other counters know of the quotas is known here too, should they go away."""
        for account, counts in zip(reservation.accounts, outcome.counts, strict=True):
            book = self._book(account.ref)
            for period, usage in zip(account.limits.periods, counts.used, strict=True):
                book.used_at(reservation.at, period).raise_to(usage)

    async def read(self, accounts: tuple[Account, ...], now: float) -> tuple[Counts, ...]:
        """What is counted for the quotas of these accounts, and for nothing else of them."""
        return tuple(
            Counts(used=tuple(self.used(each.ref, period, now) for period in each.limits.periods))
            for each in accounts
        )

    def used(self, ref: AccountRef, period: Period, now: float) -> QuotaUsage:
        """What is counted in the period of `now`."""
        return self._book(ref).used_at(now, period).usage


class Obstacle(NamedTuple):
    """The limit in the way, whose it is, which of the quotas it is, and seconds until the request
    could pass it. The places are those of an `Outcome`."""

    kind: LimitKind | None = None
    account: int = 0
    quota: int = 0
    wait: float = 0.0


def _obstacle(reservation: Reservation, books: Sequence[OpenBook]) -> Obstacle:
    """Of several minutes in the way, the one that takes longest: who waits that long is let in."""
    for place, (account, quota) in enumerate(reservation.quotas):
        used = books[account].book.used_at(reservation.at, quota.period).usage
        if quota.of(used) >= quota.most:
            return Obstacle(quota.kind, account, place)
    if waits := [*_minutes(reservation, books)]:
        return max(waits, key=lambda each: each.wait)
    for account, (limits, book, _) in enumerate(books):
        if limits.concurrent is not None and len(book.running) >= limits.concurrent:
            return Obstacle(LimitKind.CONCURRENT, account, wait=SHORT_WAIT)
    return _reserved(reservation, books)


def _minutes(reservation: Reservation, books: Sequence[OpenBook]) -> Iterable[Obstacle]:
    """The limits of a minute that are in the way."""
    for account, (limits, book, now) in enumerate(books):
        if limits.rpm is not None and not book.requests.fits(1, limits.rpm):
            wait = book.requests.wait(now, 1, limits.rpm)
            yield Obstacle(LimitKind.REQUESTS, account, wait=wait)
        tokens = reservation.tokens
        if limits.tpm is not None and not book.tokens.fits(tokens, limits.tpm):
            wait = book.tokens.wait(now, tokens, limits.tpm)
            yield Obstacle(LimitKind.TOKENS, account, wait=wait)


def _reserved(reservation: Reservation, books: Sequence[OpenBook]) -> Obstacle:
    """Whether the estimate fits on top of what running requests have reserved."""
    for place, (account, quota) in enumerate(reservation.quotas):
        book = books[account].book
        if not book.held:
            continue
        used = quota.of(book.used_at(reservation.at, quota.period).usage)
        held = sum(map(quota.of, book.held.values()))
        if used + held + quota.of(reservation.whole) > quota.most:
            return Obstacle(LimitKind.RESERVED, account, place, SHORT_WAIT)
    return Obstacle()


def _count(reservation: Reservation, opened: OpenBook) -> None:
    limits, book, now = opened
    if limits.rpm is not None:
        book.requests.add(reservation.id, now, 1)
    if limits.tpm is not None:
        book.tokens.add(reservation.id, now, reservation.tokens)
    if limits.concurrent is not None:
        book.running.add(reservation.id)
    if limits.quotas:
        book.held[reservation.id] = reservation.whole


def _counts(reservation: Reservation, opened: OpenBook) -> Counts:
    limits, book, now = opened
    used = [book.used_at(reservation.at, period) for period in limits.periods]
    return Counts(
        requests=book.requests.total,
        requests_reset=book.requests.reset(now),
        tokens=book.tokens.total,
        tokens_reset=book.tokens.reset(now),
        used=tuple(each.usage for each in used),
        seeded=min((each.seeded for each in used), default=0.0),
    )
