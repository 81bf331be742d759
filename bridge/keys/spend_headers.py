"""The headers by which Claude Code shows what is left of a budget. Pure.

They describe one budget, that of the caller which matters most (`Decision.budget`). Claude Code
shows its own notice when `-overage-surpassed-threshold` is there, and at the wall it prints our
sentence where neither `-representative-claim` nor `-overage-status` stands beside it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from bridge.keys.decisions import Decision, QuotaState
from bridge.keys.limits import AccountKind, LimitKind
from bridge.keys.periods import Period
from bridge.keys.thresholds import surpassed

PREFIX = "anthropic-ratelimit-unified-"
GROUPS: Mapping[Period, str] = {"day": "daily", "week": "weekly", "month": "monthly"}
"""How clients call the periods. What is prepaid has none: it never begins anew."""
MOST_BELOW = 0.99
"""What is shown at most of a budget from which requests still pass."""
CLAIM = "overage"
CAP_REACHED, UNREADABLE = "org_spend_cap_reached", "fetch_error"
SHARED = "group_pool"

NAMES = tuple(
    PREFIX + name
    for name in (
        "status",
        "representative-claim",
        "reset",
        "overage-status",
        "overage-utilization",
        "overage-surpassed-threshold",
        "overage-reset",
        "overage-period",
        "overage-scope",
        "overage-disabled-reason",
    )
)
"""All of them, for pages of other origins that may read them."""


def answered(budget: QuotaState | None) -> dict[str, str]:
    """Of an answer; empty for a caller without a budget."""
    return _named(_allowed(budget)) if budget else {}


def refused(decision: Decision) -> dict[str, str]:
    """Of a refusal; empty where no budget is used up."""
    if decision.refused is not LimitKind.BUDGET or (budget := decision.budget) is None:
        return {}
    return _named(_refused(budget))


def unreadable() -> dict[str, str]:
    """Of a refusal because nobody knows what was spent."""
    return _named({"overage-disabled-reason": UNREADABLE})


def shown_share(budget: QuotaState) -> float:
    """The part used, in whole hundredths; below 1 while requests pass."""
    rounded = math.floor(budget.share * 100 + 0.5) / 100
    return rounded if budget.share >= 1 else min(rounded, MOST_BELOW)


def _allowed(budget: QuotaState) -> dict[str, str]:
    threshold = surpassed(budget.share)
    status = "allowed" if threshold is None else "allowed_warning"
    lines = {
        "status": status,
        "overage-status": status,
        "representative-claim": CLAIM,
        "overage-utilization": f"{min(shown_share(budget), MOST_BELOW):.2f}",
    }
    if threshold is not None:
        lines["overage-surpassed-threshold"] = f"{threshold:g}"
    return lines | _resets(budget)


def _refused(budget: QuotaState) -> dict[str, str]:
    lines = {
        "status": "rejected",
        "overage-utilization": "1",
        "overage-surpassed-threshold": "1",
        "overage-disabled-reason": CAP_REACHED,
    }
    if group := GROUPS.get(budget.quota.period):
        lines["overage-period"] = group
    if budget.account.ref.kind is AccountKind.TEAM:
        lines["overage-scope"] = SHARED
    return lines | _resets(budget)


def _resets(budget: QuotaState) -> dict[str, str]:
    """Both moments are the same; what is prepaid has none, which clients take for no promise."""
    if budget.reset == math.inf:
        return {}
    reset = str(math.ceil(budget.reset))
    return {"reset": reset, "overage-reset": reset}


def _named(lines: Mapping[str, str]) -> dict[str, str]:
    return {PREFIX + name: value for name, value in lines.items()}
