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
    Limits,
    Outcome,
    Period,
    Reservation,
    billionths,
    period_name,
)

CONCURRENT_WAIT = 1.0
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
class Spending:
    """Billionths of a dollar spent in the period of this name."""

    name: str
    spent: int = 0
    seeded: float = 0.0


@dataclass(slots=True)
class Book:
    """The counts of one key."""

    requests: SlidingWindow = field(default_factory=SlidingWindow)
    tokens: SlidingWindow = field(default_factory=SlidingWindow)
    running: set[str] = field(default_factory=set)
    spending: dict[Period, Spending] = field(default_factory=dict)
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

    def spending_at(self, now: float, period: Period) -> Spending:
        name = period_name(now, period)
        if period not in self.spending or self.spending[period].name != name:
            self.spending[period] = Spending(name)
        return self.spending[period]


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
        spending = book.spending_at(reservation.at, limits.period)
        refused, wait = _obstacle(reservation, book, spending, now)
        if refused is None:
            _count(reservation, book, now)
        return Outcome(
            refused,
            wait,
            requests=book.requests.total,
            requests_reset=book.requests.reset(now),
            tokens=book.tokens.total,
            tokens_reset=book.tokens.reset(now),
            spent=spending.spent,
            seeded=spending.seeded,
        )

    async def settle(self, reservation: Reservation, tokens: int, cost: int, now: float) -> None:
        """Put what was used in place of the estimate. `cost` in billionths of a dollar."""
        limits, book = reservation.limits, self._book(reservation.key_id)
        book.running.discard(reservation.id)
        if limits.budget_usd is not None:
            book.spending_at(now, limits.period).spent += cost
        if limits.tpm is not None:
            now = book.turn(now)
            book.tokens.lower(reservation.id, max(0, reservation.tokens - tokens))
            book.tokens.add(f"{reservation.id}+", now, tokens - reservation.tokens)

    async def seed(self, key_id: int, limits: Limits, spent: int, now: float) -> None:
        """The ledger knows of so many billionths spent in the period of `now`."""
        spending = self._book(key_id).spending_at(now, limits.period)
        spending.spent = max(spending.spent, spent)
        spending.seeded = now


def _obstacle(
    reservation: Reservation, book: Book, spending: Spending, now: float
) -> tuple[LimitKind | None, float]:
    """The limit in the way, and the seconds until the request could pass it.

    Of two minutes in the way, the one that takes longer: who waits as told is let in.
    """
    limits = reservation.limits
    if limits.budget_usd is not None and spending.spent >= billionths(limits.budget_usd):
        return LimitKind.BUDGET, 0.0
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
        return longest, waits[longest]
    if limits.concurrent is not None and len(book.running) >= limits.concurrent:
        return LimitKind.CONCURRENT, CONCURRENT_WAIT
    return None, 0.0


def _count(reservation: Reservation, book: Book, now: float) -> None:
    limits = reservation.limits
    if limits.rpm is not None:
        book.requests.add(reservation.id, now, 1)
    if limits.tpm is not None:
        book.tokens.add(reservation.id, now, reservation.tokens)
    if limits.concurrent is not None:
        book.running.add(reservation.id)
