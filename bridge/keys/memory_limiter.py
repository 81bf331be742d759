"""The counters of limits in the memory of one process. Pure: the time is an argument.

`redis_counters` counts the same for several processes; what one decides, the other does.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from bridge.keys.limits import (
    WINDOW_SECONDS,
    LimitKind,
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
    """The counts of one key."""

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


class MemoryLimiter:
    """One process's counters of all keys."""

    def __init__(self) -> None:
        self._books: dict[int, Book] = {}

    def _book(self, key_id: int) -> Book:
        return self._books.setdefault(key_id, Book())

    async def admit(self, reservation: Reservation) -> Outcome:
        """Let the request in, and count it, if no limit is in the way."""
        limits, book = reservation.limits, self._book(reservation.key_id)
        now = book.turn(reservation.at)
        used = [book.used_at(reservation.at, period) for period in limits.periods]
        refused, quota, wait = _obstacle(reservation, book, now)
        if refused is None:
            _count(reservation, book, now)
        return Outcome(
            refused,
            quota,
            wait,
            requests=book.requests.total,
            requests_reset=book.requests.reset(now),
            tokens=book.tokens.total,
            tokens_reset=book.tokens.reset(now),
            used=tuple(each.usage for each in used),
            seeded=min((each.seeded for each in used), default=0.0),
        )

    async def settle(self, reservation: Reservation, usage: QuotaUsage, now: float) -> None:
        """Put what was used in place of the estimate."""
        limits, book = reservation.limits, self._book(reservation.key_id)
        book.running.discard(reservation.id)
        book.held.pop(reservation.id, None)
        self.spend(reservation, usage, now)
        if limits.tpm is not None:
            now = book.turn(now)
            book.tokens.lower(reservation.id, max(0, reservation.tokens - usage.tokens))
            book.tokens.add(f"{reservation.id}+", now, usage.tokens - reservation.tokens)

    def spend(self, reservation: Reservation, usage: QuotaUsage, now: float) -> None:
        """Count this for the quotas alone."""
        book = self._book(reservation.key_id)
        for period in reservation.limits.periods:
            book.used_at(now, period).add(usage)

    async def seed(self, key_id: int, period: Period, usage: QuotaUsage, now: float) -> None:
        """The ledger knows of so much used in the period of `now`."""
        used = self._book(key_id).used_at(now, period)
        used.raise_to(usage)
        used.seeded = now

    def follow(self, reservation: Reservation, outcome: Outcome) -> None:
        """What other counters know of the quotas is known here too, should they go away."""
        book = self._book(reservation.key_id)
        for period, usage in zip(reservation.limits.periods, outcome.used, strict=True):
            book.used_at(reservation.at, period).raise_to(usage)

    def used(self, key_id: int, period: Period, now: float) -> QuotaUsage:
        """What is counted in the period of `now`."""
        return self._book(key_id).used_at(now, period).usage


Obstacle = tuple[LimitKind | None, int, float]
"""The limit in the way, which of the quotas it is, and seconds until the request could pass it."""


def _obstacle(reservation: Reservation, book: Book, now: float) -> Obstacle:
    """Of two minutes in the way, the one that takes longer: a client that waits it is let in."""
    limits = reservation.limits
    for place, quota in enumerate(limits.quotas):
        if quota.of(book.used_at(reservation.at, quota.period).usage) >= quota.most:
            return quota.kind, place, 0.0
    windows = (
        (LimitKind.REQUESTS, limits.rpm, book.requests, 1),
        (LimitKind.TOKENS, limits.tpm, book.tokens, reservation.tokens),
    )
    waits = {
        kind: window.wait(now, amount, limit)
        for kind, limit, window, amount in windows
        if limit is not None and not window.fits(amount, limit)
    }
    if waits:
        longest = max(waits, key=lambda kind: waits[kind])
        return longest, 0, waits[longest]
    if limits.concurrent is not None and len(book.running) >= limits.concurrent:
        return LimitKind.CONCURRENT, 0, SHORT_WAIT
    return _reserved(reservation, book)


def _reserved(reservation: Reservation, book: Book) -> Obstacle:
    """Whether the estimate fits on top of what running requests have reserved."""
    if not book.held:
        return None, 0, 0.0
    for place, quota in enumerate(reservation.limits.quotas):
        used = quota.of(book.used_at(reservation.at, quota.period).usage)
        held = sum(map(quota.of, book.held.values()))
        if used + held + quota.of(reservation.whole) > quota.most:
            return LimitKind.RESERVED, place, SHORT_WAIT
    return None, 0, 0.0


def _count(reservation: Reservation, book: Book, now: float) -> None:
    limits = reservation.limits
    if limits.rpm is not None:
        book.requests.add(reservation.id, now, 1)
    if limits.tpm is not None:
        book.tokens.add(reservation.id, now, reservation.tokens)
    if limits.concurrent is not None:
        book.running.add(reservation.id)
    if limits.quotas:
        book.held[reservation.id] = reservation.whole
