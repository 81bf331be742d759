"""How much of its budgets and quotas a person or a team has used, for the head of its page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from django.utils import timezone

from bridge.admin import formatting
from bridge.keys.decisions import dollars
from bridge.keys.limits import NOTHING, AccountRef, LimitKind, Limits, Quota
from bridge.keys.periods import period_end
from bridge.ledger import spending
from bridge.ledger.pricing import usd
from bridge.spans import exactly


@dataclass(frozen=True, slots=True)
class QuotaLine:
    """One budget or quota of tokens, in words."""

    limit: str
    used: str
    left: str
    percent: int
    until: str


def lines(ref: AccountRef, limits: Limits) -> list[QuotaLine]:
    """By the ledger, in the running periods. A query for each period."""
    used = {period: spending.used_now([ref], period) for period in limits.periods}
    now = timezone.now()
    return [
        _line(quota, quota.of(used[quota.period].get(ref, NOTHING)), now) for quota in limits.quotas
    ]


def _line(quota: Quota, used: int, now: datetime) -> QuotaLine:
    is_budget = quota.kind is LimitKind.BUDGET
    until = datetime.fromtimestamp(period_end(now.timestamp(), quota.period), UTC)

    def shown(amount: int) -> str:
        return dollars(usd(amount)) if is_budget else f"{formatting.number(amount)} tokens"

    return QuotaLine(
        f"{shown(quota.most)} a {quota.period}",
        formatting.money(usd(used)) if is_budget else shown(used),
        formatting.money(usd(max(0, quota.most - used)))
        if is_budget
        else shown(max(0, quota.most - used)),
        min(100, 100 * used // quota.most) if quota.most else 100,
        exactly(until),
    )
