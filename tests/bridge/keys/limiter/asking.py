"""Requests of one key, with the times and the limits of the test, and a ledger that says it all."""

from collections.abc import Callable, Collection, Mapping
from decimal import Decimal

from django.db import OperationalError

from bridge.keys.decisions import Decision
from bridge.keys.limiter import Limiter
from bridge.keys.limits import (
    NANO,
    NOTHING,
    AccountRef,
    LimitKind,
    Limits,
    QuotaUsage,
    Reservation,
    billionths,
)
from bridge.keys.periods import Period
from tests.fakes.rival import key_ref, of_key

NOW = 1_772_366_400.0  # 2026-03-01T12:00:00Z
KEY = key_ref(7)
WAIT = 25.0
FREE = Decimal(0)


class Ledger:
    """What was used, for the counters to ask."""

    def __init__(self) -> None:
        self.spent: dict[Period, Decimal] = {}
        self.tokens: dict[Period, int] = {}
        self.asked: list[tuple[AccountRef, Period]] = []
        self.is_away = False

    async def __call__(
        self, accounts: Collection[AccountRef], period: Period
    ) -> Mapping[AccountRef, QuotaUsage]:
        self.asked += [(ref, period) for ref in accounts]
        if self.is_away:
            raise OperationalError("no such host")
        used = QuotaUsage(billionths(self.spent.get(period, FREE)), self.tokens.get(period, 0))
        return {ref: used for ref in accounts if used != NOTHING}


class Asking:
    """Requests of one key, with the time and the limits of the test."""

    def __init__(self, limiter: Limiter, limits: Limits) -> None:
        self.limiter = limiter
        self.limits = limits

    async def decision(
        self, at: float = 0.0, tokens: int = 0, key: int = KEY.id, whole: QuotaUsage = NOTHING
    ) -> Decision:
        return await self.limiter.admit(of_key(key, self.limits), tokens, NOW + at, whole)

    async def reservation(
        self, at: float = 0.0, tokens: int = 0, whole: QuotaUsage = NOTHING
    ) -> Reservation:
        reservation = (await self.decision(at, tokens, whole=whole)).reservation
        assert reservation is not None
        return reservation

    async def refused(
        self, at: float = 0.0, tokens: int = 0, whole: QuotaUsage = NOTHING
    ) -> tuple[LimitKind | None, int | None]:
        decision = await self.decision(at, tokens, whole=whole)
        return decision.refused, decision.retry_after

    async def settle(
        self, reservation: Reservation, tokens: int = 0, cost: str = "0", at: float = 0
    ) -> None:
        await self.limiter.settle(reservation, tokens, Decimal(cost), NOW + at)


def spent(decision: Decision) -> Decimal:
    """Dollars of the only budget."""
    (budget,) = decision.budgets
    return Decimal(budget.used) / NANO


Ask = Callable[..., Asking]
