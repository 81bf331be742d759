"""What a request may cost, before it is sent: an estimate, and what no budget can count."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bridge.configuration.access import access_of, is_priced, strict_account
from bridge.keys import decisions, spend_headers
from bridge.keys.authentication import Caller, IssuedKey
from bridge.keys.decisions import Decision, holder
from bridge.keys.limits import USED_UP, Account, LimitKind, QuotaUsage
from bridge.ledger.pricing import Prices
from bridge.routing.fitting import MOST_OUTPUT
from bridge.routing.served import Access
from bridge.routing.types import Route, Target
from bridge.translation.errors.api_error import ApiError
from bridge.translation.request.translate import ChatRequest

logger = logging.getLogger(__name__)

UNPRICED = "model: no price is known for {model}, and the budget of {holder} counts priced models"
UNREAD = (
    "How much of the budget of {holder} is spent cannot be read now, and until then no request "
    "passes. Try again in a minute, or ask the operator of this gateway"
)
LEFT_OUT = "leaves out {name}: no price is known, so a budget cannot count it"


@dataclass(frozen=True, slots=True)
class _Expected:
    """What an answer may use, as prices read it."""

    backend: str
    model: str
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0


def estimate(
    prices: Prices, targets: Sequence[Target], chat: ChatRequest, longest: int
) -> QuotaUsage:
    """What prompt and answer may use, at the dearest of the targets that may come to answer.

    `longest`: the answer that the client asked for, in tokens, of which MOST_OUTPUT are reserved.
    """
    sent = chat.body.get("max_tokens") or chat.body.get("max_completion_tokens") or longest
    output = min(int(sent), longest, MOST_OUTPUT)
    costs = [
        prices.cost(_Expected(target.backend.name, target.model, chat.prompt_tokens, output))
        for target in targets
    ]
    return QuotaUsage(max((cost or 0 for cost in costs), default=0), chat.prompt_tokens + output)


def countable(route: Route, prices: Prices, key: IssuedKey | None, model: str) -> Route:
    """The route as far as the budgets of this key, its person and its team can count it.

    Raises a 403 where nothing is left.
    """
    account = strict_account(key)
    if account is None:
        return route
    kept = tuple(target for target in route.targets if is_priced(target, prices))
    if not kept:
        named = UNPRICED.format(model=model[:200], holder=holder(account) or "this API key")
        raise ApiError(403, named)
    gone = [target for target in route.targets if target not in kept]
    names = (f"{target.backend.name}: {target.model}" for target in gone)
    steps = (*route.steps, *(LEFT_OUT.format(name=name) for name in names))
    return replace(route, targets=kept, steps=steps) if gone else route


def over_limit(decision: Decision, advice: str) -> ApiError:
    """The refusal that this decision is. `advice`: what a client can do when all is used up."""
    message = decision.message
    if decision.refused in USED_UP and advice:
        message = f"{message.rstrip('.')}. {advice}"
    return ApiError(
        429,
        message,
        "billing_error" if decision.refused is LimitKind.BUDGET else "",
        retry_after=decision.retry_after,
        should_retry=decision.should_retry,
        headers=decisions.headers(decision) | spend_headers.refused(decision),
    )


def refuse_unread(accounts: Sequence[Account]) -> None:
    """Nobody knows what these accounts have used. Raises a 429 where one has a budget."""
    for account in accounts:
        if any(quota.kind is LimitKind.BUDGET for quota in account.limits.quotas):
            message = UNREAD.format(holder=holder(account) or "this API key")
            unread = spend_headers.unreadable()
            raise ApiError(429, message, "billing_error", should_retry=False, headers=unread)


def access(caller: Caller, prices: Prices) -> Access:
    """What this caller may ask for, as far as the budgets of its accounts can count it."""
    return access_of(caller.issued, prices)
