"""What keys, people and teams used, by their names: only where METRICS_BY names them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

from django.db import Error
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from bridge.api.metrics.served import DOLLARS, TOKENS, outcomes
from bridge.keys.limits import Account, QuotaUsage
from bridge.ledger.spending import used_now
from bridge.ledger.totals import MOST_GROUPS, Totals
from bridge.runtime.gateway import Gateway

logger = logging.getLogger(__name__)

Shares = Mapping[tuple[str, str, str, str], float]
"""Kind of account, its name, kind of limit, period -> the part of it that is used."""


@dataclass(frozen=True, slots=True)
class AccountUse:
    """What was read for the accounts of a gateway.

    totals   kind of account -> its sums, by name; kinds whose sums could not be read are left out
    shares   of budgets and quotas of tokens
    """

    totals: Mapping[str, Totals] = field(default_factory=dict)
    shares: Shares = field(default_factory=dict)


async def read_accounts(gateway: Gateway) -> AccountUse:
    """What the ledger knows of the kinds of accounts in METRICS_BY; nothing where it is away."""
    readers = gateway.account_totals
    if not readers:
        return AccountUse()
    found = await asyncio.gather(*(reader.current() for reader in readers.values()))
    totals = {kind: each for kind, each in zip(readers, found, strict=True) if each is not None}
    work = partial(shares_used, with_quotas(gateway), gateway.relay.clocks.wall())
    try:
        shares = await gateway.reads.read("budgets of /metrics", work)
    except (Error, TimeoutError) as error:
        logger.info("metrics without the shares of budgets: %s", type(error).__name__)
        shares = {}
    return AccountUse(totals, shares)


def with_quotas(gateway: Gateway) -> list[Account]:
    """The first accounts of the kinds in METRICS_BY that have budgets or quotas of tokens."""
    everybody = {
        account.ref: account
        for key in gateway.snapshot.keys.values()
        for account in key.accounts
        if account.limits.quotas and account.ref.kind.value in gateway.account_totals
    }
    by_age = sorted(everybody.values(), key=lambda account: account.ref.id)
    return list(islice(by_age, MOST_GROUPS))


def shares_used(accounts: Iterable[Account], now: float) -> Shares:
    """For threads. Of accounts with one name the fullest counts. Raises django.db.Error."""
    quotas = [(account, quota) for account in accounts for quota in account.limits.quotas]
    used = {
        period: used_now([each.ref for each, own in quotas if own.period == period], period, now)
        for period in {quota.period for _, quota in quotas}
    }
    shares: dict[tuple[str, str, str, str], float] = {}
    for account, quota in quotas:
        amount = quota.of(used[quota.period].get(account.ref, QuotaUsage()))
        share = amount / quota.most if quota.most else 1.0
        labels = account.ref.kind.value, account.name, quota.kind.value, quota.period
        shares[labels] = max(share, shares.get(labels, 0.0))
    return shares


def of_accounts(use: AccountUse) -> Iterator[Metric]:
    """Requests, tokens, cost and budgets. Nothing where METRICS_BY is empty."""
    if not use.totals:
        return
    requests = CounterMetricFamily(
        "claude_bridge_account_requests",
        "Requests to /v1/messages that have ended, of one key, person or team",
        labels=("account", "name", "outcome"),
    )
    tokens = CounterMetricFamily(
        "claude_bridge_account_tokens",
        "Tokens of prompts and answers, of one key, person or team",
        labels=("account", "name", "kind"),
    )
    cost = CounterMetricFamily(
        "claude_bridge_account_cost_usd",
        "Cost at the prices of the moment, in US dollars, of one key, person or team",
        labels=("account", "name"),
    )
    for account, totals in use.totals.items():
        for (name,), total in totals.items():
            for outcome, count in outcomes(total):
                requests.add_metric((account, name, outcome), count)
            for kind in TOKENS:
                tokens.add_metric((account, name, kind), total[f"{kind}_tokens"])
            cost.add_metric((account, name), total["cost_nano_usd"] * DOLLARS)
    yield from (requests, tokens, cost, _shares(use.shares))


def _shares(shares: Shares) -> Metric:
    family = GaugeMetricFamily(
        "claude_bridge_budget_used_ratio",
        "Part of a budget or quota of tokens that is used in its period; 1 is all of it",
        labels=("account", "name", "limit", "period"),
    )
    for labels, share in shares.items():
        family.add_metric(labels, share)
    return family
