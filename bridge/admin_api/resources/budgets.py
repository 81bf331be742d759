"""What is left: budgets and quotas of keys, people and teams, in the periods that run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from math import isfinite
from typing import Any, Literal

import msgspec

from bridge.accounts.roles import AUDITOR
from bridge.admin_api.listing import Limit
from bridge.admin_api.reading import invalid
from bridge.admin_api.route import ApiCall, ApiReply, ApiRoute
from bridge.keys.limits import NANO, NOTHING, Account, AccountKind, AccountRef, LimitKind, Quota
from bridge.keys.periods import Period, period_end
from bridge.ledger import spending
from bridge.models import ApiKey, PersonLimits, Team
from bridge.models.people.keys import KeyKind

Kind = Literal["key", "person", "team"]


_KINDS: dict[AccountKind, Kind] = {
    AccountKind.KEY: "key",
    AccountKind.PERSON: "person",
    AccountKind.TEAM: "team",
}


class BudgetQuery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Which accounts. `page`: the `next_page` of an answer to the same question."""

    kind: Kind | None = None
    name: str = ""
    limit: Limit = 100
    page: str = ""


class Budget(msgspec.Struct, kw_only=True):
    """One budget in US dollars, or one quota of tokens. `resets_at` is null for a prepaid one."""

    unit: Literal["usd", "tokens"]
    period: Period
    most: float
    used: float
    left: float
    resets_at: datetime | None


class BudgetAccount(msgspec.Struct, kw_only=True):
    """A key, a person or a team with all that it may use."""

    kind: Kind
    name: str
    budgets: list[Budget]


class BudgetPage(msgspec.Struct, kw_only=True):
    """Accounts that have a budget or a quota."""

    data: list[BudgetAccount]
    has_more: bool
    next_page: str | None


def _budgets(call: ApiCall) -> ApiReply:
    query: BudgetQuery = call.query
    begin = begin_of(query.page)
    accounts = [
        account
        for account in _accounts(query.kind)
        if account.limits.quotas and query.name in ("", account.name)
    ]
    shown = accounts[begin : begin + query.limit]
    has_more = begin + len(shown) < len(accounts)
    after = str(begin + len(shown)) if has_more else None
    return ApiReply(BudgetPage(data=list(_lines(shown)), has_more=has_more, next_page=after))


def begin_of(page: str) -> int:
    """Where a page begins. Raises a 400."""
    if not page:
        return 0
    if not (page.isascii() and page.isdecimal() and len(page) < 10):
        raise invalid("page", "expected the next_page of an answer")
    return int(page)


def _accounts(kind: Kind | None) -> Iterator[Account]:
    sources: dict[AccountKind, Any] = {
        AccountKind.KEY: ApiKey.objects.filter(kind=KeyKind.ISSUED),
        AccountKind.PERSON: PersonLimits.objects.select_related("user"),
        AccountKind.TEAM: Team.objects.all(),
    }
    for counted, rows in sources.items():
        if kind in (None, _KINDS[counted]):
            yield from (account for row in rows if (account := _account(counted, row)) is not None)


def _account(kind: AccountKind, row: Any) -> Account | None:
    """None for a row that makes no sense; the admin's overview names it."""
    try:
        limits = row.limits()
    except ValueError:
        return None
    if isinstance(row, PersonLimits):
        return Account(AccountRef(kind, row.user_id), row.username, limits)
    return Account(AccountRef(kind, row.pk), row.name, limits)


def _lines(accounts: list[Account]) -> Iterator[BudgetAccount]:
    """Each with what was used, by one query for each period and kind."""
    periods = dict.fromkeys(period for each in accounts for period in each.limits.periods)
    refs = [each.ref for each in accounts]
    used = {period: spending.used_now(refs, period) for period in periods}
    now = time.time()
    for each in accounts:
        budgets = [
            _budget(quota, quota.of(used[quota.period].get(each.ref, NOTHING)), now)
            for quota in each.limits.quotas
        ]
        yield BudgetAccount(kind=_KINDS[each.ref.kind], name=each.name, budgets=budgets)


def _budget(quota: Quota, used: int, now: float) -> Budget:
    is_money = quota.kind is LimitKind.BUDGET
    scale = NANO if is_money else 1
    end = period_end(now, quota.period)
    return Budget(
        unit="usd" if is_money else "tokens",
        period=quota.period,
        most=quota.most / scale,
        used=used / scale,
        left=max(0, quota.most - used) / scale,
        resets_at=datetime.fromtimestamp(end, UTC) if isfinite(end) else None,
    )


ROUTES = (
    ApiRoute("GET", "/budgets", AUDITOR, "Tell what is left", _budgets, BudgetPage, BudgetQuery),
)
