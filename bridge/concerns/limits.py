"""What needs attention of limits: budgets that are nearly spent, or do not count a model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import reduce
from operator import or_
from urllib.parse import urlencode

from django.db.models import Q
from django.urls import reverse

from bridge.backends.status import BAD, WARN
from bridge.concerns.concern import Concern
from bridge.configuration import unpriced
from bridge.configuration.row_faults import BROKEN
from bridge.configuration.snapshot import Snapshot
from bridge.keys.limits import NANO, Account, AccountKind, AccountRef, LimitKind, Quota, QuotaUsage
from bridge.ledger.spending import used_now
from bridge.models import ApiKey, PersonLimits, Team
from bridge.models.people.limit_columns import LimitColumns

NEARLY_SPENT = 0.8
_PAGES = {AccountKind.PERSON: "dashboard:people", AccountKind.TEAM: "dashboard:teams"}

LimitedRow = ApiKey | PersonLimits | Team
_LIMITING = {
    *("rpm", "tpm", "concurrent", "tokens_day", "tokens_week", "tokens_month"),
    *("budget_usd", "budget_day", "budget_week", "budget_month"),
}
"""Columns that limit something where they are not empty."""


def limited_accounts(rows: Iterable[LimitedRow] | None = None) -> Iterator[Account]:
    """All that have limits, with those that make sense."""
    for row in limited_rows() if rows is None else rows:
        if has_limits(row):
            name = row.username if isinstance(row, PersonLimits) else row.name
            yield Account(_ref(row), name, row.limits())


def _ref(row: LimitedRow) -> AccountRef:
    if isinstance(row, PersonLimits):
        return AccountRef(AccountKind.PERSON, row.user_id)
    return AccountRef(AccountKind.TEAM if isinstance(row, Team) else AccountKind.KEY, row.pk)


def limited_rows() -> list[LimitedRow]:
    """Good keys, teams and people that have any limit, as they are stored. Three queries."""
    people = PersonLimits.objects.filter(user__is_active=True).select_related("user")
    return [
        *ApiKey.objects.filter(_limiting(ApiKey), enabled=True),
        *Team.objects.filter(_limiting(Team), enabled=True),
        *people.filter(_limiting(PersonLimits)),
    ]


def _limiting(model: type[LimitColumns]) -> Q:
    """Whether a row limits anything. Most keys of thousands do not, and need not be read."""
    names = {field.name for field in model._meta.fields} & _LIMITING
    return reduce(or_, (Q(**{f"{name}__isnull": False}) for name in sorted(names)))


def has_limits(row: LimitColumns) -> bool:
    try:
        return not row.limits().is_empty
    except BROKEN:
        return False  # named as a fault of the configuration


def spent_budgets(rows: Iterable[LimitedRow], now: datetime) -> Iterator[Concern]:
    """Budgets of which most is spent. A query for each kind of account and period that has one."""
    budgets = [
        (account, quota)
        for account in limited_accounts(rows)
        for quota in account.limits.quotas
        if quota.kind is LimitKind.BUDGET
    ]
    for period in sorted({quota.period for _, quota in budgets}):
        of_period = [pair for pair in budgets if pair[1].period == period]
        used = used_now({account.ref for account, _ in of_period}, period, now.timestamp())
        for account, quota in of_period:
            spent = quota.of(used.get(account.ref, QuotaUsage()))
            if quota.most and spent >= NEARLY_SPENT * quota.most:
                yield _spent(account, quota, spent)


def _spent(account: Account, quota: Quota, spent: int) -> Concern:
    when = "in all" if quota.period == "total" else f"this {quota.period} (UTC)"
    part, of_it = spent / quota.most, f"${spent / NANO:,.2f} of ${quota.most / NANO:,.2f}"
    owner = f"{account.ref.kind.capitalize()} {account.name}"
    text = f"{owner} has spent {100 * part:.0f} % of its budget: {of_it} {when}"
    kind, tone = account.ref.kind, BAD if part >= 1 else WARN
    if kind is AccountKind.KEY:
        return Concern(text, reverse("dashboard:key", args=[account.ref.id]), tone, "budget", "Key")
    href = reverse(_PAGES[kind])
    return Concern(text, href, tone, "budget", "People" if kind is AccountKind.PERSON else "Teams")


def unpriced_budgets(rows: Iterable[LimitedRow], built: Snapshot) -> Iterator[Concern]:
    """Budgets of these that do not count models without a known price."""
    for found in unpriced.of_rows(filter(has_limits, rows), built):
        href = price_form(found.models[0])
        requests = (unpriced_requests(found.holder.ref), "Requests") if found.is_used else ("", "")
        yield Concern(found.text, href, WARN, "budget", "Add a price", requests)


def price_form(model: str) -> str:
    """Where a price of this model is added."""
    return f"{reverse('admin:bridge_price_add')}?{urlencode({'model': model})}"


def unpriced_requests(ref: AccountRef) -> str:
    """The requests of an account in these days that its budget could not count."""
    days = unpriced.RECENTLY.days
    asked = {f"{ref.kind}_id": ref.id, "trait": "unpriced", "range": f"{days}d"}
    return f"{reverse('dashboard:requests')}?{urlencode(asked)}"
