"""GET /api/oauth/usage: what is spent and left, as Claude Code shows it. Pure.

Money is in cents. Shares are whole percents, unlike those of the headers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from bridge.keys.authentication import Caller
from bridge.keys.decisions import QuotaState, fullest
from bridge.keys.limits import NANO, AccountKind, AccountRef
from bridge.keys.spend_headers import GROUPS, shown_share
from bridge.keys.thresholds import WARNINGS
from bridge.ledger.spending import Spender, Spent
from bridge.translation.json import JSON

CENT = NANO // 100
CURRENCY = "USD"
_SEVERITIES = tuple(zip(WARNINGS, ("warning", "critical"), strict=True))


def spender(caller: Caller) -> Spender:
    """Whose spend is shown where there is no budget: the person's with all keys, else the key's."""
    issued = caller.issued
    if issued is None:
        return caller.fingerprint
    if issued.person is not None:
        return AccountRef(AccountKind.PERSON, issued.person.id)
    return AccountRef(AccountKind.KEY, issued.id)


def of_budgets(budgets: Sequence[QuotaState]) -> JSON:
    """The answer for a caller with budgets, at least one."""
    shown = fullest(budgets)
    assert shown is not None
    return {
        "extra_usage": {
            "is_enabled": True,
            "monthly_limit": _cents(shown.quota.most),
            "used_credits": shown.used // CENT,
            "utilization": _percent(shown),
            "currency": CURRENCY,
        },
        "limits": [_limit(each, is_active=each is shown) for each in budgets],
    }


def of_spent(spent: Spent) -> JSON:
    """The answer for a caller without one. A limit of null is none; 0 would be one of nothing."""
    return {
        "extra_usage": {
            "is_enabled": True,
            "monthly_limit": None,
            "used_credits": spent.month // CENT,
            "utilization": None,
            "currency": CURRENCY,
            "daily": _without_limit(spent.day),
            "weekly": _without_limit(spent.week),
        },
        "limits": [],
    }


def _limit(budget: QuotaState, *, is_active: bool) -> JSON:
    """A prepaid budget has no moment at which it begins anew."""
    return {
        "kind": "spend",
        "group": GROUPS.get(budget.quota.period, budget.quota.period),
        "percent": _percent(budget),
        "resets_at": _moment(budget.reset),
        "severity": _severity(budget.share),
        "is_active": is_active,
    }


def _without_limit(spent: int) -> JSON:
    return {"limit": None, "used_credits": spent // CENT, "utilization": None}


def _cents(billionths: int) -> int | float:
    """Whole where it is; a budget may be a fraction of a cent."""
    whole, rest = divmod(billionths, CENT)
    return billionths / CENT if rest else whole


def _percent(budget: QuotaState) -> int:
    return round(shown_share(budget) * 100)


def _severity(share: float) -> str:
    return next((name for least, name in reversed(_SEVERITIES) if share >= least), "normal")


def _moment(reset: float) -> str | None:
    """2026-10-01T00:00:00.000Z, the second of `-overage-reset`; None for never."""
    if reset == math.inf:
        return None
    return f"{datetime.fromtimestamp(math.ceil(reset), UTC):%Y-%m-%dT%H:%M:%S}.000Z"
